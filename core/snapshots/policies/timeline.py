"""The timeline: the snapshots that the present database descends from. Pure.

A restore goes back in time. The snapshots between the restored one and the restore are left behind, and so is the
safety snapshot. They are newer, but the present database does not descend from them: an automatic restore of "the
newest" would undo what the owner decided. So each restore bends the timeline back, and snapshots that are not on it
come last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import AmbiguousSnapshot, SnapshotNotFound
from ..models import RestoreRecord, Snapshot
from ..units import count_text
from .health import usable_state

__all__ = ["LATEST", "newest_sound", "of_this_database", "resolve", "timeline", "timeline_first", "why_latest"]

LATEST = "latest"
"""The word for the newest usable snapshot of the timeline."""

_SHOWN = 40


def timeline(snapshots: Sequence[Snapshot], restores: Sequence[RestoreRecord]) -> tuple[Snapshot, ...]:
    """Return the snapshots that the present database descends from, newest first."""
    spans: list[tuple[float, float]] = []
    upper = math.inf
    for record in reversed(restores):
        if record.before <= upper:  # otherwise a later restore left this one behind
            spans.append((record.before, upper))
            upper = record.sequence
    spans.append((-math.inf, upper))
    own = of_this_database(snapshots, restores)
    newest_first = sorted(own, key=lambda snapshot: snapshot.sequence, reverse=True)
    return tuple(
        snapshot for snapshot in newest_first if any(lower <= snapshot.sequence <= top for lower, top in spans)
    )


def of_this_database(snapshots: Sequence[Snapshot], restores: Sequence[RestoreRecord]) -> tuple[Snapshot, ...]:
    """Return the snapshots without those that were imported and never restored, in their order."""
    restored = {record.sequence for record in restores}
    return tuple(each for each in snapshots if each.imported is None or each.sequence in restored)


def timeline_first(snapshots: Sequence[Snapshot], restores: Sequence[RestoreRecord]) -> tuple[Snapshot, ...]:
    """Return all snapshots: those of the timeline newest first, then the others newest first."""
    present = timeline(snapshots, restores)
    ids = {snapshot.id for snapshot in present}
    others = [snapshot for snapshot in snapshots if snapshot.id not in ids]
    return (*present, *sorted(others, key=lambda snapshot: snapshot.sequence, reverse=True))


def newest_sound(snapshots: Sequence[Snapshot], restores: Sequence[RestoreRecord]) -> Snapshot | None:
    """Return the newest usable snapshot of the timeline, or of all if it has none; None if there is none at all."""
    return next((snapshot for snapshot in timeline_first(snapshots, restores) if usable_state(snapshot)), None)


def why_latest(snapshots: Sequence[Snapshot], restores: Sequence[RestoreRecord]) -> str:
    """Return why the snapshot that "latest" names is that one: what is newer, and why it is passed over."""
    newest = newest_sound(snapshots, restores)
    if newest is None:
        return ""
    present = {snapshot.id for snapshot in timeline(snapshots, restores)}
    newer = [each for each in snapshots if each.sequence > newest.sequence]
    behind = sum(each.id not in present for each in newer)
    unusable = len(newer) - behind
    passed = []
    if unusable:
        passed.append(f"{count_text(unusable, 'newer one')} cannot be restored")
    if behind:
        passed.append(f"{count_text(behind, 'newer one')} {'is' if behind == 1 else 'are'} not of the present timeline")
    beginning = "the newest that can be restored" if unusable else "the newest"
    if newest.id not in present:
        beginning = "none of the present timeline can be restored; this is the newest of the others"
    return "; ".join((beginning, *passed))


def resolve(
    text: str, snapshots: Sequence[Snapshot], restores: Sequence[RestoreRecord] = (), *, shortest: int = 1
) -> Snapshot:
    """Return the snapshot named by an id, a unique prefix of at least ``shortest`` characters, or "latest".

    "latest" is the newest usable snapshot of the timeline, so that restoring it twice does not undo the first time.
    Upper and lower case are the same. Raises SnapshotNotFound, or AmbiguousSnapshot if several ids begin that way.
    """
    wanted = text.strip().lower()
    if wanted == LATEST:
        return _latest(snapshots, restores, wanted)
    if not wanted:
        raise SnapshotNotFound('Name a snapshot: an id, the beginning of one, or "latest".', snapshot_id=wanted)
    matches = [snapshot for snapshot in snapshots if snapshot.id.startswith(wanted)]
    exact = [snapshot for snapshot in matches if snapshot.id == wanted]
    if exact or (len(matches) == 1 and len(wanted) >= shortest):
        return (exact or matches)[0]
    shown = repr(wanted[:_SHOWN])
    if len(wanted) < shortest:
        raise SnapshotNotFound(
            f"Write at least {shortest} characters of the id: {shown} is too short.", snapshot_id=wanted
        )
    if not matches:
        event = next((each for snapshot in snapshots for each in snapshot.reasons if each.lower() == wanted), None)
        hint = "The list of snapshots shows them." if event is None else f"An event is called so: before:{event}."
        raise SnapshotNotFound(f"No snapshot has the id {shown}. {hint}", snapshot_id=wanted)
    ids = tuple(sorted(snapshot.id for snapshot in matches))
    raise AmbiguousSnapshot(
        f"{len(ids)} snapshots begin with {shown}. Write more of the id.", snapshot_id=wanted, matches=ids
    )


def _latest(snapshots: Sequence[Snapshot], restores: Sequence[RestoreRecord], wanted: str) -> Snapshot:
    newest = newest_sound(snapshots, restores)
    if newest is not None:
        return newest
    if not snapshots:
        raise SnapshotNotFound("There is no snapshot yet.", snapshot_id=wanted)
    which = "The only snapshot is not" if len(snapshots) == 1 else f"None of the {len(snapshots)} snapshots is"
    raise SnapshotNotFound(f"{which} sound. Name one by its id to look at it.", snapshot_id=wanted)
