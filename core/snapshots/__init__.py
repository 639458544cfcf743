"""Savepoint's core: verified snapshots of one game database, in one repository.

It does not depend on Discord. Everything that is not in ``__all__`` is private. Each name is imported when it is first
asked for, so that ``python -m core.snapshots list`` does not load what only a bot needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import (
        AmbiguousSnapshot,
        AnotherDatabase,
        Busy,
        CatalogError,
        CatalogTooNew,
        DatabaseBusy,
        DatabaseDamaged,
        DatabaseError,
        DatabaseMissing,
        DatabaseUnavailable,
        DeadlineExceeded,
        ImportRefused,
        NotEnoughSpace,
        OperationCancelled,
        PlanOutdated,
        QueryError,
        RepositoryError,
        RepositoryVanished,
        RestoreFailed,
        RestoreTestUnavailable,
        SettingsError,
        SnapshotDamaged,
        SnapshotError,
        SnapshotNotFound,
        StateUnfit,
        WorkerFailed,
    )
    from .models import (
        Actor,
        AuditLine,
        Change,
        Check,
        ConflictRule,
        Created,
        DatabaseState,
        Diff,
        DiffMethod,
        Doing,
        FindChange,
        Finding,
        Form,
        Health,
        Identity,
        Inside,
        IntegrityReport,
        Kind,
        Level,
        Listener,
        Look,
        Loss,
        Lost,
        Method,
        PlayerLoss,
        PlayerTables,
        Progress,
        PruneDecision,
        PruneReport,
        QueryResult,
        RescueConflict,
        RescueOptions,
        RescuePlan,
        RescueReport,
        RescueScope,
        RestorePlan,
        RestoreReport,
        RestoreStep,
        RetentionRules,
        RowHistory,
        Severity,
        Snapshot,
        Stage,
        StartupOutcome,
        StartupReport,
        Status,
        TableDiff,
        TableLoss,
        TableRescue,
        Verdict,
        Verification,
        VerifyReport,
    )
    from .operations.events import Ticket
    from .operations.past.rescue import Rescue
    from .policies.health import judge
    from .policies.rows import row_changes
    from .service import SnapshotService
    from .settings.schema import Settings, TriggerSettings, defaults, load, load_chosen
    from .units import Duration, Size, count_text, duration_text, size_text
    from .version import __version__ as __version__

__all__ = [
    "Actor",
    "AmbiguousSnapshot",
    "AnotherDatabase",
    "AuditLine",
    "Busy",
    "CatalogError",
    "CatalogTooNew",
    "Change",
    "Check",
    "ConflictRule",
    "Created",
    "DatabaseBusy",
    "DatabaseDamaged",
    "DatabaseError",
    "DatabaseMissing",
    "DatabaseState",
    "DatabaseUnavailable",
    "DeadlineExceeded",
    "Diff",
    "DiffMethod",
    "Doing",
    "Duration",
    "FindChange",
    "Finding",
    "Form",
    "Health",
    "Identity",
    "ImportRefused",
    "Inside",
    "IntegrityReport",
    "Kind",
    "Level",
    "Listener",
    "Look",
    "Loss",
    "Lost",
    "Method",
    "NotEnoughSpace",
    "OperationCancelled",
    "PlanOutdated",
    "PlayerLoss",
    "PlayerTables",
    "Progress",
    "PruneDecision",
    "PruneReport",
    "QueryError",
    "QueryResult",
    "RepositoryError",
    "RepositoryVanished",
    "Rescue",
    "RescueConflict",
    "RescueOptions",
    "RescuePlan",
    "RescueReport",
    "RescueScope",
    "RestoreFailed",
    "RestorePlan",
    "RestoreReport",
    "RestoreStep",
    "RestoreTestUnavailable",
    "RetentionRules",
    "RowHistory",
    "Settings",
    "SettingsError",
    "Severity",
    "Size",
    "Snapshot",
    "SnapshotDamaged",
    "SnapshotError",
    "SnapshotNotFound",
    "SnapshotService",
    "Stage",
    "StartupOutcome",
    "StartupReport",
    "StateUnfit",
    "Status",
    "TableDiff",
    "TableLoss",
    "TableRescue",
    "Ticket",
    "TriggerSettings",
    "Verdict",
    "Verification",
    "VerifyReport",
    "WorkerFailed",
    "count_text",
    "defaults",
    "duration_text",
    "judge",
    "load",
    "load_chosen",
    "row_changes",
    "size_text",
]

_HOMES = (
    "version",
    "errors",
    "units",
    "models",
    "settings.schema",
    "policies.health",
    "policies.rows",
    "operations.events",
    "operations.past.rescue",
    "service",
)
"""The modules of the names above, those that import least first."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name."""
        if name in __all__ or name == "__version__":
            for home in _HOMES:
                module = importlib.import_module(f".{home}", __name__)
                if hasattr(module, name):
                    return globals().setdefault(name, getattr(module, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return [*globals(), *__all__]
