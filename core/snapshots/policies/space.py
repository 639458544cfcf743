"""Estimates of the disk space that a snapshot or a restore will need. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from ..models import Form, Snapshot

__all__ = ["free_space_lasts", "needed_for_restore", "needed_for_snapshot"]

_RATIO_UNKNOWN = 0.7
"""The size of the first archive relative to its database. Measured with game databases: 0.2 to 0.5."""
_MARGIN = 1.1
_FIXED = 1 << 20
_RECENT = 20
_DAY = dt.timedelta(days=1)


def needed_for_snapshot(
    database_size: int, snapshots: Sequence[Snapshot], *, incremental: bool = False, elsewhere: bool = False
) -> int:
    """Estimate the bytes for one snapshot: a temporary image, and an archive with the ratio of the newest full.

    An ``incremental`` is estimated as twice the largest of the newest ones, because it is spooled and then compressed.
    In WAL mode it needs no image. (If it has to be a full after all, the worker itself keeps the minimum free.)
    ``elsewhere`` means that the engine's images are databases on its server, not files on this disk.
    """
    newest_first = sorted(snapshots, key=lambda snapshot: snapshot.sequence, reverse=True)
    image = 0 if elsewhere else database_size
    if incremental and newest_first and newest_first[0].details.get("journal_mode") == "wal":
        image = 0
    if incremental:
        recent = [each.size for each in newest_first if each.form is Form.INCREMENTAL][:_RECENT]
        return image + 2 * max(recent, default=database_size // 20) + _FIXED
    return image + int(database_size * _ratio(newest_first) * _MARGIN) + _FIXED


def needed_for_restore(
    restored_size: int, database_size: int, snapshots: Sequence[Snapshot], *, elsewhere: bool = False
) -> int:
    """Estimate the bytes for a restore: the rebuilt image, its verification, and a safety snapshot."""
    rebuilt = 0 if elsewhere else 2 * restored_size
    return rebuilt + needed_for_snapshot(database_size, snapshots, elsewhere=elsewhere)


def free_space_lasts(free: int, snapshots: Sequence[Snapshot], now: dt.datetime) -> float | None:
    """Return for how many seconds ``free`` bytes last if each day writes as much as the last one and removes nothing.

    Retention removes something most days, so it lasts longer than that. None if there are no snapshots of a whole day
    yet, or if none was taken in it.
    """
    if all(now - snapshot.created_at < _DAY for snapshot in snapshots):
        return None
    written = sum(snapshot.size for snapshot in snapshots if dt.timedelta(0) <= now - snapshot.created_at < _DAY)
    return free / written * _DAY.total_seconds() if written else None


def _ratio(snapshots: Sequence[Snapshot]) -> float:
    for snapshot in snapshots:
        if snapshot.form is Form.FULL and snapshot.database_size > 0:
            return snapshot.size / snapshot.database_size
    return _RATIO_UNKNOWN
