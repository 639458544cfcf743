"""Which snapshot a person means by a moment: an id, a time, "20m ago", or the event before which it was taken.

No clock: the present is an argument. Times without a zone are UTC.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

from ..errors import SnapshotNotFound
from ..models import NOW, RestoreRecord, Snapshot
from ..units import Duration
from .timeline import resolve, timeline

__all__ = ["resolve_moment"]

_BEFORE = "before:"
_AGO = re.compile(r"(.+?)\s*ago", re.IGNORECASE)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)?[ T]?(\d\d:\d\d(?::\d\d)?(?:\.\d+)?)?\s*(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE)


def resolve_moment(
    text: str, snapshots: Sequence[Snapshot], restores: Sequence[RestoreRecord], now: dt.datetime
) -> Snapshot | None:
    """Return the snapshot that a moment names, or None for "now".

    A time means the newest snapshot of the timeline that began by then: "2026-11-27T18:00", "2026-11-27", "18:00" (the
    last one), "20m ago". "before:REASON" means the last one before the newest snapshot of an event with that reason.
    Anything else is an id, the beginning of one, or "latest". Raises SnapshotNotFound and AmbiguousSnapshot.
    """
    wanted = text.strip()
    if wanted.lower() == NOW:
        return None
    line = timeline(snapshots, restores)
    if wanted.lower().startswith(_BEFORE):
        return _before_event(wanted[len(_BEFORE) :].strip(), line)
    moment = _moment(wanted, now)
    if moment is None:
        return resolve(wanted, snapshots, restores)
    found = next((each for each in line if each.began_at <= moment), None)
    if found is None:
        oldest = f" The oldest is of {line[-1].began_at:%Y-%m-%d %H:%M} UTC." if line else ""
        raise SnapshotNotFound(f"No snapshot was taken by {moment:%Y-%m-%d %H:%M} UTC.{oldest}", snapshot_id=wanted)
    return found


def _before_event(reason: str, line: Sequence[Snapshot]) -> Snapshot:
    """Return the snapshot before the newest one of an event; ``line`` is newest first."""
    for number, snapshot in enumerate(line):
        if any(each.lower() == reason.lower() for each in snapshot.reasons):
            if number + 1 < len(line):
                return line[number + 1]
            raise SnapshotNotFound(f"No snapshot is older than that of {reason!r}.", snapshot_id=reason)
    raise SnapshotNotFound(f"No snapshot of the timeline has the reason {reason!r}.", snapshot_id=reason)


def _moment(text: str, now: dt.datetime) -> dt.datetime | None:
    ago = _AGO.fullmatch(text)
    if ago is not None:
        try:
            return now - dt.timedelta(seconds=float(Duration.parse(ago[1])))
        except ValueError as error:
            raise SnapshotNotFound(f"{text!r} is no time: {error}", snapshot_id=text) from None
    found = _TIME.fullmatch(text)
    if found is None or not (found[1] or found[2]):
        return None
    date, clock, zone = found.groups()
    try:
        time = dt.time.fromisoformat(clock) if clock else dt.time.max
        day = dt.date.fromisoformat(date) if date else now.date()
        shift = dt.datetime.strptime((zone or "Z").upper(), "%z").tzinfo
    except ValueError:
        raise SnapshotNotFound(f"{text!r} is no time of the calendar.", snapshot_id=text) from None
    moment = dt.datetime.combine(day, time, shift)
    return moment - dt.timedelta(days=1) if not date and moment > now else moment
