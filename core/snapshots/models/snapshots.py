"""What a snapshot is: its kind, its form, how it was verified, and everything that the catalog records of it."""

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
    """Whether a snapshot stands alone (full) or holds only what changed since its base (incremental)."""

    FULL = "full"
    INCREMENTAL = "incremental"


class Level(StrEnum):
    """How a snapshot was proven: the stored bytes give back the fingerprint, or it was rebuilt and checked."""

    CHECKSUM = "checksum"
    RESTORED = "restored"


class Verification(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """When and how a snapshot was last proven, and whether it passed."""

    level: Level
    at: dt.datetime
    ok: bool


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One restorable state. Its bytes never change; the catalog's ``verification``, ``pinned`` and ``reasons`` can.

    ``sequence`` orders snapshots by when they were taken even where the clock was wrong; ``began_at`` is the moment
    before the image was read, so that whatever was committed by then is in it. ``requests`` counts the events that it
    covers, ``reasons`` names each different one. ``rows`` counts the critical tables in it (a table that was not there
    is absent). ``health`` is the verdict on the state in it, as far as that was looked at. ``restored_at`` is when it
    last passed ``restored``. ``details`` is the engine's own: whatever it needs to put the state back.
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
    pinned: bool = False
    note: str | None = None
    rows: dict[str, int] = {}
    health: Health | None = None
    details: dict[str, Any] = {}

    @property
    def damaged(self) -> bool:
        """Whether its last verification failed."""
        return not self.verification.ok
