"""How much room a snapshot will need: pure arithmetic on what is known before it is taken."""

from __future__ import annotations

from collections.abc import Sequence

from .models import Form, Snapshot

__all__ = ["needed_for_restore", "needed_for_snapshot"]

_RATIO_UNKNOWN = 0.7
"""What a first archive weighs against its database: game databases give 0.2 to 0.5."""
_MARGIN = 1.1
_FIXED = 1 << 20


def needed_for_snapshot(database_size: int, snapshots: Sequence[Snapshot]) -> int:
    """Estimate the bytes for one snapshot: a temporary image, and an archive in the ratio of the newest full."""
    ratio = _ratio(snapshots)
    return int(database_size * (1 + ratio * _MARGIN)) + _FIXED


def needed_for_restore(restored_size: int, database_size: int, snapshots: Sequence[Snapshot]) -> int:
    """Estimate the bytes for a restore: the rebuilt image, its proof, and a safety snapshot of what is there now."""
    return 2 * restored_size + needed_for_snapshot(database_size, snapshots)


def _ratio(snapshots: Sequence[Snapshot]) -> float:
    for snapshot in sorted(snapshots, key=lambda snapshot: snapshot.sequence, reverse=True):
        if snapshot.form is Form.FULL and snapshot.database_size > 0:
            return snapshot.size / snapshot.database_size
    return _RATIO_UNKNOWN
