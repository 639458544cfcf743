"""Snapshots of a certain age, and what retention decided about them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec

from core.snapshots.models import (
    Health,
    Kind,
    Level,
    PruneDecision,
    RetentionRules,
    Snapshot,
    Verdict,
    Verification,
)
from tests.worlds.snapshots import make_snapshot

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
TEN_YEARS = dt.timedelta(days=3653)
RULES = RetentionRules()


def taken(
    sequence: int, at: dt.datetime, kind: Kind = Kind.PERIODIC, *, restored: bool = False, **changes: Any
) -> Snapshot:
    """Return a snapshot that was taken at a moment; if ``restored``, its rebuild was verified then."""
    return make_snapshot(sequence, at=at, kind=kind, restored_at=at if restored else None, **changes)


def ago(days: float) -> dt.datetime:
    """Return the moment that many days before ``NOW``."""
    return NOW - dt.timedelta(days=days)


def damaged(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot whose last verification failed."""
    return msgspec.structs.replace(snapshot, verification=Verification(level=Level.CHECKSUM, at=NOW, ok=False))


def of_lost_rows(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot whose bytes are sound, of a database that could not be read."""
    health = Health(verdict=Verdict.UNREADABLE, checked_at=snapshot.created_at)
    return msgspec.structs.replace(snapshot, health=health)


def kept(decisions: Sequence[PruneDecision]) -> set[str]:
    """Return the ids of the snapshots that stay."""
    return {decision.snapshot.id for decision in decisions if decision.keep}


def reasons(decisions: Sequence[PruneDecision], snapshot: Snapshot) -> tuple[bool, tuple[str, ...]]:
    """Return whether a snapshot stays, and the reasons."""
    [decision] = [decision for decision in decisions if decision.snapshot.id == snapshot.id]
    return decision.keep, decision.reasons
