"""Everything that is known of one snapshot, put together from the catalog, retention and the audit log. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ...core_api import AuditLine, PruneDecision, Snapshot

__all__ = ["Described", "described"]

_TAKEN = ("snapshot", "pinned snapshot", "import")
_PINS = ("pin", "unpin", "pinned snapshot")


@dataclasses.dataclass(frozen=True, slots=True)
class Described:
    """A snapshot, and what is known beside it.

    ``needs`` are the snapshots below it in its chain, the full last; ``needed_by`` those that build on it, the newest
    first. ``taken`` and ``pin`` are the lines of the audit log that say by whom, None where there is none.
    """

    snapshot: Snapshot
    decision: PruneDecision | None
    needs: tuple[str, ...]
    needed_by: tuple[str, ...]
    taken: AuditLine | None
    pin: AuditLine | None


def described(
    snapshot: Snapshot, known: Sequence[Snapshot], decisions: Sequence[PruneDecision], audit: Sequence[AuditLine]
) -> Described:
    """Return what is known of a snapshot; ``known`` are all, newest first, ``audit`` is oldest first."""
    bases = {each.id: each.base for each in known}
    own = [line for line in audit if line.snapshot == snapshot.id and line.outcome == "done"]
    return Described(
        snapshot=snapshot,
        decision=next((each for each in decisions if each.snapshot.id == snapshot.id), None),
        needs=_below(snapshot.id, bases),
        needed_by=_above(snapshot.id, known),
        taken=next((line for line in own if line.action in _TAKEN), None),
        pin=next((line for line in reversed(own) if line.action in _PINS), None),
    )


def _below(snapshot_id: str, bases: dict[str, str | None]) -> tuple[str, ...]:
    """Return the ids of the snapshots below one in its chain; a chain that a damaged catalog ties in a circle ends."""
    found: list[str] = []
    base = bases.get(snapshot_id)
    while base is not None and base not in found and base != snapshot_id:
        found.append(base)
        base = bases.get(base)
    return tuple(found)


def _above(snapshot_id: str, known: Sequence[Snapshot]) -> tuple[str, ...]:
    """Return the ids of the snapshots that build on one, in the order of ``known``."""
    children: dict[str | None, list[str]] = {}
    for each in known:
        children.setdefault(each.base, []).append(each.id)
    found: set[str] = set()
    waiting = [snapshot_id]
    while waiting:
        fresh = [each for each in children.get(waiting.pop(), ()) if each not in found]
        found.update(fresh)
        waiting += fresh
    return tuple(each.id for each in known if each.id in found)
