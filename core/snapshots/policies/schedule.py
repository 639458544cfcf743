"""When the next periodic snapshot is due: pure, so that restarts and clocks can be reasoned about."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from ..models import Kind, Snapshot

__all__ = ["last_periodic", "next_periodic", "verification_due"]


def last_periodic(
    snapshots: Sequence[Snapshot], checked_at: dt.datetime | None, now: dt.datetime
) -> dt.datetime | None:
    """Give when the last periodic snapshot was taken or found unnecessary; None if never.

    Times in the future come from a clock that was wrong, and do not count.
    """
    taken = [snapshot.created_at for snapshot in snapshots if snapshot.kind is Kind.PERIODIC]
    known = [*taken[-1:], *([checked_at] if checked_at else [])]
    return max((at for at in known if at <= now), default=None)


def next_periodic(
    last: dt.datetime | None, started: dt.datetime, now: dt.datetime, interval: float, first_after: float
) -> dt.datetime:
    """Give when the next periodic snapshot is due.

    An interval after the last one, but not in the first ``first_after`` seconds after the start, unless it is overdue
    by a whole interval: a bot that restarts every few minutes must not put it off for ever.
    """
    # A start in the future was stamped by a clock that has been corrected since: the bot has been up for a while.
    earliest = now if started > now else started + dt.timedelta(seconds=first_after)
    if last is None:
        return earliest
    due = last + dt.timedelta(seconds=interval)
    overdue = due + dt.timedelta(seconds=interval)
    return max(due, min(earliest, overdue))


def verification_due(snapshots: Sequence[Snapshot], now: dt.datetime, interval: float) -> Snapshot | None:
    """Give the newest sound snapshot if nothing was proven by ``restored`` for ``interval`` seconds (0: never due)."""
    sound = [snapshot for snapshot in snapshots if not snapshot.damaged]
    if interval <= 0 or not sound:
        return None
    proven = [snapshot.restored_at for snapshot in sound if snapshot.restored_at is not None]
    proven = [at for at in proven if at <= now]
    if proven and (now - max(proven)).total_seconds() < interval:
        return None
    return sound[-1]
