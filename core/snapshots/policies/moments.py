"""Which snapshot a person means by a moment: an id, a time, "20m ago", or the event before which it was taken.

No clock: the present is an argument, and so is the zone of times that are written without one.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence

from ..errors import SnapshotNotFound
from ..models import NOW, RestoreRecord, Snapshot
from ..units import Duration
from .timeline import resolve, timeline

__all__ = ["moment_of", "resolve_moment"]

_BEFORE = re.compile(r"before(?:\s*:\s*|\s+)(.+)", re.IGNORECASE | re.DOTALL)
_AGO = re.compile(r"(.+?)\s*ago", re.IGNORECASE)
_DAYS = {"today": 0, "yesterday": 1}
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d|today|yesterday)?[ T]*(\d\d?:\d\d(?::\d\d)?(?:\.\d+)?)?\s*(Z|UTC|[+-]\d\d:?\d\d)?",
    re.IGNORECASE,
)


def in_utc(naive: dt.datetime) -> dt.datetime:
    """Return a moment that was written without a zone as one in UTC."""
    return naive.replace(tzinfo=dt.UTC)


def resolve_moment(
    text: str,
    snapshots: Sequence[Snapshot],
    restores: Sequence[RestoreRecord],
    now: dt.datetime,
    zone: dt.tzinfo = dt.UTC,
) -> Snapshot | None:
    """Return the snapshot that a moment names, or None for "now".

    A time means the newest snapshot of the timeline that began by then: "2026-11-27T18:00", "2026-11-27", "18:00" (the
    last one), "yesterday 18:00", "20m ago", in ``zone`` unless another one is written. "before:REASON" and
    "before REASON" mean the last one before the newest snapshot of an event with that reason, or with that id. Anything
    else is an id, the beginning of one, or "latest". Raises SnapshotNotFound and AmbiguousSnapshot.
    """
    wanted = text.strip()
    if wanted.lower() == NOW:
        return None
    line = timeline(snapshots, restores)
    before = _BEFORE.fullmatch(wanted)
    if before is not None:
        return _before_event(before[1].strip(), line, snapshots)
    moment = moment_of(wanted, now, lambda naive: _in(zone, naive, now))
    if moment is None:
        return resolve(wanted, snapshots, restores)
    found = next((each for each in line if each.began_at <= moment), None)
    if found is None:
        oldest = f" The oldest is of {_shown(line[-1].began_at, zone)}." if line else ""
        raise SnapshotNotFound(f"No snapshot was taken by {_shown(moment, zone)}.{oldest}", snapshot_id=wanted)
    return found


def _in(zone: dt.tzinfo, naive: dt.datetime, now: dt.datetime) -> dt.datetime:
    """Return a moment in a zone: of two, where a clock was put back, the last one that is over."""
    first, second = naive.replace(tzinfo=zone), naive.replace(tzinfo=zone, fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    is_twice = before is not None and after is not None and before > after
    return second if is_twice and second <= now else first


def _shown(moment: dt.datetime, zone: dt.tzinfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def _before_event(reason: str, line: Sequence[Snapshot], snapshots: Sequence[Snapshot]) -> Snapshot:
    """Return the snapshot before the newest one of an event, or before the one whose id begins so.

    ``line`` is newest first.
    """
    wanted = reason.lower()
    for number, snapshot in enumerate(line):
        if snapshot.id == wanted or any(each.lower() == wanted for each in snapshot.reasons):
            if number + 1 < len(line):
                return line[number + 1]
            raise SnapshotNotFound(f"No snapshot is older than that of {reason!r}.", snapshot_id=reason)
    by_id = [number for number, snapshot in enumerate(line) if snapshot.id.startswith(wanted)]
    if len(by_id) == 1 and by_id[0] + 1 < len(line):
        return line[by_id[0] + 1]
    left = next((each.id for each in reversed(snapshots) if wanted in map(str.lower, each.reasons)), None)
    behind = "" if left is None else f" A restore left {left} behind, which has it: name a snapshot by its id."
    raise SnapshotNotFound(f"No snapshot of the timeline has the reason {reason!r}.{behind}", snapshot_id=reason)


def moment_of(
    text: str, now: dt.datetime, in_zone: Callable[[dt.datetime], dt.datetime] = in_utc
) -> dt.datetime | None:
    """Return the moment that a text means, or None if it is none. ``in_zone`` makes one without a zone one with it.

    A day without a time means its end. Raises SnapshotNotFound for what is no time of the calendar.
    """
    wanted = text.strip()
    ago = _AGO.fullmatch(wanted)
    if ago is not None:
        try:
            return now - dt.timedelta(seconds=float(Duration.parse(ago[1])))
        except (ValueError, OverflowError) as error:
            raise SnapshotNotFound(f"{text!r} is no time: {error}", snapshot_id=text) from None
    found = _TIME.fullmatch(wanted)
    if found is None or not (found[1] or found[2]):
        return None
    written_day, clock, written_zone = found.groups()
    zone = (written_zone or "").upper().replace("UTC", "Z")
    try:
        shift = dt.datetime.strptime(zone, "%z").tzinfo if zone else None
        here = now.astimezone(shift) if shift is not None else now.astimezone(in_zone(now.replace(tzinfo=None)).tzinfo)
        day = _day(written_day, here.date())
        moment = _at(day, clock, shift, in_zone)
        if written_day is None and moment > now:
            moment = _at(day - dt.timedelta(days=1), clock, shift, in_zone)
    except (ValueError, OverflowError):
        raise SnapshotNotFound(f"{text!r} is no time of the calendar.", snapshot_id=text) from None
    return moment


def _day(written: str | None, today: dt.date) -> dt.date:
    word = (written or "today").lower()
    return today - dt.timedelta(days=_DAYS[word]) if word in _DAYS else dt.date.fromisoformat(word)


def _at(
    day: dt.date, clock: str | None, shift: dt.tzinfo | None, in_zone: Callable[[dt.datetime], dt.datetime]
) -> dt.datetime:
    time = dt.time.fromisoformat(clock if clock.index(":") == 2 else f"0{clock}") if clock else dt.time.max
    naive = dt.datetime.combine(day, time)
    return in_zone(naive) if shift is None else naive.replace(tzinfo=shift)
