"""Which snapshots of a list are shown: by kind, state, pin and age. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence

from ...core_api import Kind, Snapshot, Verdict
from ...language import phrase
from .labels import Reader

__all__ = ["FILTERS", "filtered"]

_WEEK = dt.timedelta(days=7)

Holds = Callable[[Snapshot, Reader], bool]


def _is_of(kind: Kind) -> Holds:
    return lambda snapshot, _: snapshot.kind is kind


def _is_damaged(snapshot: Snapshot, _: Reader) -> bool:
    return snapshot.damaged


def _has_findings(snapshot: Snapshot, _: Reader) -> bool:
    return snapshot.health is not None and snapshot.health.verdict is not Verdict.SOUND


def _is_pinned(snapshot: Snapshot, _: Reader) -> bool:
    return snapshot.pinned


def _is_of_today(snapshot: Snapshot, reader: Reader) -> bool:
    return snapshot.created_at.astimezone(reader.zone).date() == reader.today


def _is_of_the_week(snapshot: Snapshot, reader: Reader) -> bool:
    return reader.now - snapshot.created_at <= _WEEK


def _is_older(snapshot: Snapshot, reader: Reader) -> bool:
    return not _is_of_the_week(snapshot, reader)


FILTERS: dict[str, tuple[str, str, Holds]] = {
    **{kind.value: ("kind", kind.value, _is_of(kind)) for kind in Kind},
    "damaged": ("state", phrase("Damaged"), _is_damaged),
    "found": ("state", phrase("Something was found in it"), _has_findings),
    "pinned": ("pin", phrase("Pinned"), _is_pinned),
    "today": ("age", phrase("Today"), _is_of_today),
    "week": ("age", phrase("The last 7 days"), _is_of_the_week),
    "older": ("age", phrase("Older than 7 days"), _is_older),
}
"""What can be chosen: of which group it is, how it is called, and for which snapshots it holds."""


def filtered(found: Sequence[Snapshot], chosen: Collection[str], reader: Reader) -> list[Snapshot]:
    """Return the snapshots for which something of each group holds that something is chosen of."""
    groups: dict[str, list[Holds]] = {}
    for name in chosen:
        group, _, holds = FILTERS[name]
        groups.setdefault(group, []).append(holds)
    return [each for each in found if all(any(holds(each, reader) for holds in group) for group in groups.values())]
