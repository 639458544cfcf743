"""The results of the operations."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from enum import StrEnum

import msgspec

from .audit import Actor, AuditLine
from .health import Health
from .integrity import Finding, IntegrityReport
from .restores import RestoreReport
from .snapshots import Level, Snapshot

__all__ = [
    "Created",
    "Doing",
    "Exported",
    "OnWait",
    "RebuildReport",
    "StartupOutcome",
    "StartupReport",
    "Status",
    "VerifyReport",
]


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a request for a snapshot: the snapshot that covers it.

    ``unchanged`` is True if none had to be written, ``joined`` if the one that covers it was being taken when it was
    asked for. Writing one took ``seconds``.
    """

    snapshot: Snapshot
    unchanged: bool
    joined: bool = False
    seconds: float = 0.0


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of verifying one snapshot.

    ``ok`` is True if the bytes give back the fingerprint and the state in them can be read; what else was found in the
    state is in ``findings`` and in ``health``, which is None if the state was not looked at.
    """

    id: str
    level: Level
    ok: bool
    findings: tuple[Finding, ...]
    at: dt.datetime
    seconds: float
    health: Health | None = None


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an export: the size of the file in bytes."""

    size: int


class RebuildReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a rebuild of the catalog: how many snapshots, and the names of damaged and unreadable files."""

    snapshots: int
    damaged: tuple[str, ...]
    unreadable: tuple[str, ...]


class StartupOutcome(StrEnum):
    """How the start-up check ended."""

    CLEAN = "clean"
    NEW = "new"
    RESTORED = "restored"
    DAMAGED = "damaged"
    INCONSISTENT = "inconsistent"
    SUSPICIOUS = "suspicious"
    REFUSED = "refused"
    UNCHECKED = "unchecked"
    SKIPPED = "skipped"


class StartupReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the start-up check found and did; ``message`` is a text for the owner.

    ``another_database`` is True if nothing was looked at, because the repository belongs to another database.
    """

    outcome: StartupOutcome
    message: str
    integrity: IntegrityReport | None = None
    restore: RestoreReport | None = None
    tried: tuple[str, ...] = ()
    seconds: float = 0.0
    another_database: bool = False


class Doing(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a process is doing; ``actor`` is who asked for it, None if it was due by itself."""

    operation: str
    since: dt.datetime
    actor: Actor | None = None


OnWait = Callable[[Doing], None]
"""A function that is called with what has to be waited for, in the loop's thread."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The repository at a glance. Counts are snapshots, apart from ``pending``; sizes are bytes.

    ``pending`` is the number of requests that are not covered yet. ``running`` is True while this process holds the
    repository's lock, and ``doing`` lists what runs in it. ``verified`` is the snapshot that was verified last, after
    it was taken, and ``restored`` the one that last passed a test restore; ``newest_restored`` is the newest that ever
    passed one. ``live`` is what is known of the database itself. ``audit`` has the newest lines of the audit log,
    oldest first. ``remarks`` are the engine's own sentences, and ``lacking`` those on what the next snapshot needs and
    this machine lacks. ``users`` names the other processes that have the database open, None if that is unknown.
    ``lasts`` is for how many seconds the free space lasts if nothing is removed and as much is written as in the last
    day, None if that is unknown. ``unanswered`` are watched numbers that the newest snapshot could not be asked for.
    """

    engine: str
    database: str
    repository: str
    snapshots: int
    damaged: int
    pinned: int
    size: int
    free: int
    newest: Snapshot | None
    newest_restored: Snapshot | None
    pending: int
    running: bool
    next_periodic: dt.datetime
    kinds: dict[str, int]
    remarks: tuple[str, ...] = ()
    live: Health | None = None
    audit: tuple[AuditLine, ...] = ()
    doing: tuple[Doing, ...] = ()
    verified: Snapshot | None = None
    lacking: tuple[str, ...] = ()
    users: tuple[str, ...] | None = None
    restored: Snapshot | None = None
    lasts: float | None = None
    unanswered: tuple[str, ...] = ()
