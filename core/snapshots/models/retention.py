"""Retention: its rules, and its decision for each snapshot."""

from __future__ import annotations

import msgspec

from ..units import Duration
from .snapshots import Snapshot

__all__ = ["PruneDecision", "PruneReport", "RetentionRules"]


class RetentionRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long snapshots are kept.

    Of periodic and manual snapshots, all of the last ``keep_all``, then the first full of each of ``hourly`` hours,
    ``daily`` days, ``weekly`` ISO weeks and ``monthly`` months (0: none). Of events' snapshots, the newest
    ``critical``. ``safety`` and ``shutdown`` are how long snapshots of those kinds are kept. While hours are kept, all
    manual snapshots are.
    """

    keep_all: Duration = Duration(24 * 3600)
    hourly: int = 24
    daily: int = 30
    weekly: int = 0
    monthly: int = 0
    critical: int = 100
    safety: Duration = Duration(30 * 86400)
    shutdown: Duration = Duration(30 * 86400)

    @property
    def by_hour(self) -> bool:
        """True if hours are thinned: there are some for which a full is kept, but not everything."""
        return self.hourly * 3600 > self.keep_all


class PruneDecision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The decision to keep or remove a snapshot, with all its reasons."""

    snapshot: Snapshot
    keep: bool
    reasons: tuple[str, ...]


class PruneReport(msgspec.Struct, frozen=True, kw_only=True):
    """Retention's decisions, which were not carried out if ``dry_run``; ``freed`` is in bytes."""

    decisions: tuple[PruneDecision, ...]
    dry_run: bool
    freed: int
