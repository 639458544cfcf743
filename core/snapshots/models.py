"""The values that travel between the layers: frozen, strict, and JSON-ready.

Times are aware UTC datetimes, sizes are bytes, durations are seconds, paths inside the repository are relative and use
``/``. Nothing here reads a clock or a disk.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any

import msgspec

from .units import Duration

__all__ = [
    "Check",
    "DatabaseState",
    "Finding",
    "Form",
    "IntegrityReport",
    "Kind",
    "Level",
    "Lost",
    "Method",
    "PruneDecision",
    "PruneReport",
    "RestorePlan",
    "RestoreRecord",
    "RestoreReport",
    "RetentionRules",
    "Severity",
    "Snapshot",
    "StartupOutcome",
    "StartupReport",
    "Status",
    "Verification",
    "VerifyReport",
]


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


class Severity(StrEnum):
    """An error means the data is not sound; a warning means a person should look."""

    ERROR = "error"
    WARNING = "warning"


class Check(StrEnum):
    """What an integrity finding is about."""

    FILE = "file"
    PAGES = "pages"
    EMPTY = "empty"
    TABLES = "tables"
    ROWS = "rows"
    JSON = "json"
    FOREIGN_KEYS = "foreign_keys"


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
    is absent). ``restored_at`` is when it last passed ``restored``. ``details`` is the engine's own: whatever it needs
    to put the state back.
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
    details: dict[str, Any] = {}

    @property
    def damaged(self) -> bool:
        """Whether its last verification failed."""
        return not self.verification.ok


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that an integrity check found; ``count`` says how often where one finding stands for many.

    ``by_hand`` is damage that no automatic restore may touch: it needs a person who looks at the server first.
    """

    check: Check
    severity: Severity
    message: str
    table: str | None = None
    count: int = 1
    by_hand: bool = False


class IntegrityReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an integrity check looked at and found.

    ``checked`` counts what was looked at by name: ``pages``, ``tables``, ``rows``, ``json_values``, ``foreign_keys``.
    """

    findings: tuple[Finding, ...]
    checked: dict[str, int]
    rows: dict[str, int]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether there is no finding of severity error."""
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings of severity error."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings of severity warning."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.WARNING)


class Method(StrEnum):
    """How a restore puts the state back: through the running engine, by exchanging files, or whole databases."""

    ONLINE = "online"
    SWAP = "swap"
    EXCHANGE = "exchange"


class DatabaseState(msgspec.Struct, frozen=True, kw_only=True):
    """The database as it is now: cheap to ask for, never changes it.

    ``openable`` says whether the engine can work with it in place; where it cannot, ``problem`` is why. ``token``
    changes whenever its content does (for a plan bound to the state it shows). ``method`` is how a restore is made
    where the engine has one way only.
    """

    exists: bool
    openable: bool
    size: int
    tables: int
    rows: dict[str, int]
    problem: str | None = None
    token: str = ""
    method: Method | None = None
    details: dict[str, Any] = {}


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of verifying one snapshot."""

    id: str
    level: Level
    ok: bool
    findings: tuple[Finding, ...]
    at: dt.datetime
    seconds: float


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore gives up: everything written between ``since`` (the snapshot) and ``until`` (now).

    ``rows`` gives per critical table how many rows were there in the snapshot and now (``None`` where the table is
    missing or cannot be read). ``events`` are the reasons recorded after the snapshot, ``event_count`` how many
    requests that were.
    """

    since: dt.datetime
    until: dt.datetime
    seconds: float
    rows: dict[str, tuple[int | None, int | None]]
    events: tuple[str, ...]
    event_count: int


class RestoreRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One restore that happened: back to ``snapshot`` with its ``sequence``.

    Snapshots below ``before`` were taken before the restore. ``safety`` and ``quarantine`` name what was kept.
    """

    at: dt.datetime
    snapshot: str
    sequence: int
    before: int
    safety: str | None
    automatic: bool
    quarantine: str | None = None


class RestorePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore would do, shown before anyone agrees to it. ``token`` binds the agreement to this state."""

    snapshot: Snapshot
    age: float
    method: Method
    lost: Lost
    database: DatabaseState
    token: str


class RestoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore did.

    ``identical`` is True where the result was proven equal to the snapshot page by page, and None where somebody wrote
    before that could be seen. Where ``ok`` is False, ``error`` says why and the database is as it was before.
    """

    restored: Snapshot
    safety: Snapshot | None
    quarantine: str | None
    method: Method
    lost: Lost
    integrity: IntegrityReport | None
    identical: bool | None
    automatic: bool
    seconds: float
    ok: bool
    error: str | None = None


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


class StartupOutcome(StrEnum):
    """How the start-up check ended."""

    CLEAN = "clean"
    NEW = "new"
    RESTORED = "restored"
    DAMAGED = "damaged"
    REFUSED = "refused"
    UNCHECKED = "unchecked"
    SKIPPED = "skipped"


class StartupReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the start-up check saw and did; ``message`` is the owner's sentence."""

    outcome: StartupOutcome
    message: str
    integrity: IntegrityReport | None = None
    restore: RestoreReport | None = None
    tried: tuple[str, ...] = ()
    seconds: float = 0.0


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The repository at a glance. Counts are snapshots; sizes are bytes. ``remarks`` are the engine's own sentences."""

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
