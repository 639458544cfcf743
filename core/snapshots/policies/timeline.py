"""Which snapshots belong to the present: pure.

A restore goes back in time, and what was written between the restored snapshot and the restore is left behind, with
the safety snapshot that was taken of it. Those snapshots are newer by the clock and yet not what the database came
from: an automatic restore that took "the newest" would undo what the owner decided. So history is a line that
restores bend back; whatever lies beside the line comes last.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

import msgspec

from ..models import Snapshot

__all__ = ["RestoreRecord", "newest_sound", "present_first", "present_line"]


class RestoreRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One restore that happened: back to ``snapshot`` with its ``sequence``.

    Snapshots below ``before`` were taken before the restore. ``safety`` and ``quarantine`` name what was kept.
    """

    at: dt.datetime
    snapshot: str
    sequence: int
    before: int
    safety: str | None
    automatic: bool
    quarantine: str | None = None


def present_line(snapshots: Sequence[Snapshot], restores: Sequence[RestoreRecord]) -> tuple[Snapshot, ...]:
    """Give the snapshots that the present database comes from, newest first."""
    spans: list[tuple[float, float]] = []
    upper = math.inf
    for record in reversed(restores):
        if record.before <= upper:  # otherwise it happened in a time that a later restore left behind
            spans.append((record.before, upper))
            upper = record.sequence
    spans.append((-math.inf, upper))
    newest_first = sorted(snapshots, key=lambda snapshot: snapshot.sequence, reverse=True)
    return tuple(
        snapshot for snapshot in newest_first if any(lower <= snapshot.sequence <= top for lower, top in spans)
    )


def present_first(snapshots: Sequence[Snapshot], restores: Sequence[RestoreRecord]) -> tuple[Snapshot, ...]:
    """Give all snapshots: those of the present line newest first, then the others newest first."""
    line = present_line(snapshots, restores)
    on_line = {snapshot.id for snapshot in line}
    beside = [snapshot for snapshot in snapshots if snapshot.id not in on_line]
    return (*line, *sorted(beside, key=lambda snapshot: snapshot.sequence, reverse=True))


def newest_sound(snapshots: Sequence[Snapshot], restores: Sequence[RestoreRecord]) -> Snapshot | None:
    """Give the newest undamaged snapshot of the present line, or of all where that line has none; None if all are."""
    return next((snapshot for snapshot in present_first(snapshots, restores) if not snapshot.damaged), None)
