"""The values that the layers exchange: frozen, strictly typed, and convertible to JSON.

Times are aware UTC datetimes, sizes are bytes, durations are seconds, and paths inside the repository are relative and
use ``/``. Nothing here reads a clock or a disk. Import them from this package, not from its modules.
"""

from __future__ import annotations

from .audit import NOBODY, Actor, AuditLine, JournalEntry
from .health import Health, Verdict
from .history import (
    NOW,
    Change,
    ChangePoint,
    Diff,
    DiffMethod,
    FindChange,
    Inside,
    Key,
    Look,
    Names,
    PlayerTables,
    Point,
    QueryResult,
    RowHistory,
    Sums,
    TableDiff,
)
from .identity import Identity
from .integrity import Check, DatabaseState, Finding, IntegrityReport, Method, Severity
from .listener import Listener, OnProgress, Progress, Stage
from .reports import (
    Created,
    Doing,
    Exported,
    OnWait,
    RebuildReport,
    StartupOutcome,
    StartupReport,
    Status,
    VerifyReport,
)
from .rescues import (
    ConflictRule,
    RescueConflict,
    RescuedRow,
    RescueOptions,
    RescuePlan,
    RescueRecord,
    RescueReport,
    RescueScope,
    TableRescue,
)
from .restores import Loss, Lost, PlayerLoss, RestorePlan, RestoreRecord, RestoreReport, RestoreStep, TableLoss
from .retention import PruneDecision, PruneReport, RetentionRules
from .snapshots import Form, Kind, Level, Snapshot, Verification

__all__ = [
    "NOBODY",
    "NOW",
    "Actor",
    "AuditLine",
    "Change",
    "ChangePoint",
    "Check",
    "ConflictRule",
    "Created",
    "DatabaseState",
    "Diff",
    "DiffMethod",
    "Doing",
    "Exported",
    "FindChange",
    "Finding",
    "Form",
    "Health",
    "Identity",
    "Inside",
    "IntegrityReport",
    "JournalEntry",
    "Key",
    "Kind",
    "Level",
    "Listener",
    "Look",
    "Loss",
    "Lost",
    "Method",
    "Names",
    "OnProgress",
    "OnWait",
    "PlayerLoss",
    "PlayerTables",
    "Point",
    "Progress",
    "PruneDecision",
    "PruneReport",
    "QueryResult",
    "RebuildReport",
    "RescueConflict",
    "RescueOptions",
    "RescuePlan",
    "RescueRecord",
    "RescueReport",
    "RescueScope",
    "RescuedRow",
    "RestorePlan",
    "RestoreRecord",
    "RestoreReport",
    "RestoreStep",
    "RetentionRules",
    "RowHistory",
    "Severity",
    "Snapshot",
    "Stage",
    "StartupOutcome",
    "StartupReport",
    "Status",
    "Sums",
    "TableDiff",
    "TableLoss",
    "TableRescue",
    "Verdict",
    "Verification",
    "VerifyReport",
]
