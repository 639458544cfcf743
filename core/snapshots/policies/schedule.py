"""When the next periodic snapshot and the next verification are due. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from ..models import Kind, Snapshot
from .health import usable_state

__all__ = ["last_periodic", "next_periodic", "verification_due"]


def last_periodic(
    snapshots: Sequence[Snapshot], checked_at: dt.datetime | None, now: dt.datetime
) -> dt.datetime | None:
    """Return when the last periodic snapshot was taken or found unnecessary, or None if never.

    Times in the future come from a wrong clock, and do not count.
    """
    taken = [snapshot.created_at for snapshot in snapshots if snapshot.kind is Kind.PERIODIC]
    known = [*taken[-1:], *([checked_at] if checked_at else [])]
    return max((at for at in known if at <= now), default=None)


def next_periodic(
    last: dt.datetime | None, started: dt.datetime, now: dt.datetime, interval: float, first_after: float
) -> dt.datetime:
    """Return when the next periodic snapshot is due.

    It is due ``interval`` seconds after the last one, but not in the first ``first_after`` seconds after the start
    unless it is overdue by a whole interval. Otherwise a bot that restarts every few minutes would never take one.
    """
    # If the start is in the future, the clock was corrected since, and the bot has been running for a while.
    earliest = now if started > now else started + dt.timedelta(seconds=first_after)
    if last is None:
        return earliest
    due = last + dt.timedelta(seconds=interval)
    overdue = due + dt.timedelta(seconds=interval)
    return max(due, min(earliest, overdue))


def verification_due(snapshots: Sequence[Snapshot], now: dt.datetime, interval: float) -> Snapshot | None:
    """Return the newest usable snapshot if its turn for a test restore has come, else None.

    It has come if no snapshot passed a verification by ``restored`` for ``interval`` seconds; with 0 it never comes.
    """
    usable = [snapshot for snapshot in snapshots if usable_state(snapshot)]
    if interval <= 0 or not usable:
        return None
    verified = [snapshot.restored_at for snapshot in usable if snapshot.restored_at is not None]
    verified = [at for at in verified if at <= now]
    if verified and (now - max(verified)).total_seconds() < interval:
        return None
    return usable[-1]
