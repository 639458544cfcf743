"""The values that travel between the layers: frozen, strict, and JSON-ready.

Times are aware UTC datetimes, sizes are bytes, durations are seconds, paths inside the repository are relative and use
``/``. Nothing here reads a clock or a disk. Import them from this package; the modules only keep apart what belongs
together.
"""

from __future__ import annotations

from .integrity import Check, DatabaseState, Finding, IntegrityReport, Method, Severity
from .listener import Listener, OnProgress, Progress
from .reports import Created, Exported, RebuildReport, StartupOutcome, StartupReport, Status, VerifyReport
from .restores import Lost, RestorePlan, RestoreRecord, RestoreReport
from .retention import PruneDecision, PruneReport, RetentionRules
from .snapshots import Form, Kind, Level, Snapshot, Verification

__all__ = [
    "Check",
    "Created",
    "DatabaseState",
    "Exported",
    "Finding",
    "Form",
    "IntegrityReport",
    "Kind",
    "Level",
    "Listener",
    "Lost",
    "Method",
    "OnProgress",
    "Progress",
    "PruneDecision",
    "PruneReport",
    "RebuildReport",
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
