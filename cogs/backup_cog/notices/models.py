"""The documents that the cog keeps in the repository's ``state`` folder, so that they outlast a restart."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

__all__ = ["Notice", "Outage", "Outages", "TriggerCounts", "WaitingNotices", "added_counts"]


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A message to the owner: an embed as Discord's document, and the custom id and label of a button, if it has one.

    ``at`` is when it was posted.
    """

    id: str
    at: dt.datetime
    embed: dict[str, Any]
    control: str = ""
    label: str = ""


class WaitingNotices(msgspec.Struct, frozen=True, kw_only=True):
    """``outbox.json``: the notices that were not delivered yet, oldest first."""

    notices: tuple[Notice, ...] = ()


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """An operation that fails: since when, how often, why last, and when the owner was last notified of it."""

    began: dt.datetime
    failures: int
    message: str
    told: dt.datetime


class Outages(msgspec.Struct, frozen=True, kw_only=True):
    """``outages.json``: the outages that are not over, by operation."""

    outages: dict[str, Outage] = {}


class TriggerCounts(msgspec.Struct, frozen=True, kw_only=True):
    """``triggers.json``: how often each event fired and how often it requested a snapshot, since the first start."""

    fired: dict[str, int] = {}
    requested: dict[str, int] = {}


def added_counts(document: TriggerCounts | None, fired: dict[str, int], requested: dict[str, int]) -> TriggerCounts:
    """Return the counts with more of them added."""
    before = document if document is not None else TriggerCounts()
    return TriggerCounts(fired=_sums(before.fired, fired), requested=_sums(before.requested, requested))


def _sums(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in (*one, *other)}
