"""A snapshot as the catalog records it, with its kind, its form and its verification."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any

import msgspec

from .health import Health

__all__ = ["Form", "Kind", "Level", "Snapshot", "Verification"]


class Kind(StrEnum):
    """Why a snapshot was taken."""

    PERIODIC = "periodic"
    MANUAL = "manual"
    CRITICAL = "critical"
    SHUTDOWN = "shutdown"
    SAFETY = "safety"


class Form(StrEnum):
    """Full: needs no other file. Incremental: holds only what changed since its parent snapshot."""

    FULL = "full"
    INCREMENTAL = "incremental"


class Level(StrEnum):
    """How a snapshot was verified: its bytes match the fingerprint (checksum), or it was rebuilt and checked."""

    CHECKSUM = "checksum"
    RESTORED = "restored"


class Verification(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The last verification of a snapshot: how, when, and whether it passed.

    ``seconds`` is how long it took; None for the one that is part of taking the snapshot.
    """

    level: Level
    at: dt.datetime
    ok: bool
    seconds: float | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A stored state of the database.

    Its file never changes; ``verification``, ``restored_at``, ``restored_seconds``, ``health``, ``pinned``,
    ``kept_until``, ``note``, ``reasons`` and ``requests`` can. ``sequence`` orders snapshots by when they were taken,
    even if the clock was wrong. ``base`` is the id of an incremental's parent snapshot. ``began_at`` is the time just
    before the database was read, so everything committed by then is included. ``requests`` is the number of events that
    it covers, ``reasons`` are their distinct reasons. ``rows`` has the number of rows of the critical tables that
    existed. ``health`` is the verdict on the state, or None if it was not checked. ``restored_at`` is when it last
    passed a verification by ``restored``, and ``restored_seconds`` how long that took, None if that was not written
    down. Retention keeps it at least until ``kept_until``. ``details`` is for the engine.
    """

    id: str
    sequence: int
    kind: Kind
    form: Form
    base: str | None
    path: str
    created_at: dt.datetime
    began_at: dt.datetime
    reasons: tuple[str, ...]
    requests: int
    size: int
    database_size: int
    fingerprint: str
    verification: Verification
    restored_at: dt.datetime | None = None
    restored_seconds: float | None = None
    pinned: bool = False
    kept_until: dt.datetime | None = None
    note: str | None = None
    rows: dict[str, int] = {}
    health: Health | None = None
    details: dict[str, Any] = {}

    @property
    def left_out(self) -> tuple[str, ...]:
        """Sentences on what a restore by the database's role cannot bring back, as known when it was taken."""
        return tuple(self.details.get("left_out", ()))

    @property
    def imported(self) -> str | None:
        """The name of the file that was imported, if it holds a state from elsewhere and none of the live database."""
        name = self.details.get("imported")
        return name if isinstance(name, str) else None

    @property
    def damaged(self) -> bool:
        """True if its last verification failed."""
        return not self.verification.ok
