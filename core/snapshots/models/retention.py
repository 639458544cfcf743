"""Retention: its rules, and what it decided for each snapshot."""

from __future__ import annotations

import msgspec

from ..units import Duration
from .snapshots import Snapshot

__all__ = ["PruneDecision", "PruneReport", "RetentionRules"]


class RetentionRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long snapshots stay. Durations count back from now; counts are snapshots.

    Periodic and manual ones: everything for ``keep_all``, then the first full of each of ``daily`` days, and of
    ``weekly`` ISO weeks and ``monthly`` months where these are not 0. Event ones: the newest ``critical``.
    """

    keep_all: Duration = Duration(24 * 3600)
    daily: int = 30
    weekly: int = 0
    monthly: int = 0
    critical: int = 100
    safety: Duration = Duration(30 * 86400)
    shutdown: Duration = Duration(30 * 86400)


class PruneDecision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Whether retention keeps a snapshot, and every reason it has for that."""

    snapshot: Snapshot
    keep: bool
    reasons: tuple[str, ...]


class PruneReport(msgspec.Struct, frozen=True, kw_only=True):
    """What retention decided, and whether it was carried out (``dry_run`` is False)."""

    decisions: tuple[PruneDecision, ...]
    dry_run: bool
    freed: int
