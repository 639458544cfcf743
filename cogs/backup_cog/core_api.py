"""The core as the cog uses it: the only module of this package that imports from ``core.snapshots``.

A host that keeps ``snapshots`` in another package edits the one absolute import below. A host that has a module
``core.py`` keeps it: the folder ``core`` beside it becomes that module's search path for submodules.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path


def _extend_core_module() -> None:
    """Make ``core.snapshots`` importable beside a host's own ``core.py``, which hides the folder of that name."""
    found = importlib.util.find_spec("core")
    folder = Path(__file__).resolve().parents[2] / "core"
    if found is not None and found.submodule_search_locations is None and (folder / "snapshots").is_dir():
        importlib.import_module("core").__path__ = [str(folder)]


_extend_core_module()

from core.snapshots import (  # noqa: E402 - only now it can be found
    Actor,
    AmbiguousSnapshot,
    AnotherDatabase,
    AuditLine,
    Busy,
    CatalogError,
    CatalogTooNew,
    Change,
    Created,
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseError,
    DatabaseMissing,
    DatabaseUnavailable,
    DeadlineExceeded,
    Doing,
    Finding,
    Health,
    Identity,
    ImportRefused,
    Inside,
    IntegrityReport,
    Kind,
    Level,
    Look,
    Lost,
    Method,
    NotEnoughSpace,
    OperationCancelled,
    PlanOutdated,
    PlayerLoss,
    PruneDecision,
    QueryError,
    RepositoryError,
    RepositoryVanished,
    Rescue,
    RescueConflict,
    RescueOptions,
    RescuePlan,
    RescueReport,
    RescueScope,
    RestoreFailed,
    RestorePlan,
    RestoreReport,
    RestoreStep,
    RestoreTestUnavailable,
    RowHistory,
    Settings,
    SettingsError,
    Snapshot,
    SnapshotDamaged,
    SnapshotError,
    SnapshotNotFound,
    SnapshotService,
    Stage,
    StartupOutcome,
    StartupReport,
    StateUnfit,
    Status,
    TriggerSettings,
    Verdict,
    VerifyReport,
    WorkerFailed,
    __version__,
    count_text,
    judge,
    load_chosen,
    row_changes,
)

__all__ = [
    "Actor",
    "AmbiguousSnapshot",
    "AnotherDatabase",
    "AuditLine",
    "Busy",
    "CatalogError",
    "CatalogTooNew",
    "Change",
    "Created",
    "DatabaseBusy",
    "DatabaseDamaged",
    "DatabaseError",
    "DatabaseMissing",
    "DatabaseUnavailable",
    "DeadlineExceeded",
    "Doing",
    "Finding",
    "Health",
    "Identity",
    "ImportRefused",
    "Inside",
    "IntegrityReport",
    "Kind",
    "Level",
    "Look",
    "Lost",
    "Method",
    "NotEnoughSpace",
    "OperationCancelled",
    "PlanOutdated",
    "PlayerLoss",
    "PruneDecision",
    "QueryError",
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
    "RowHistory",
    "Settings",
    "SettingsError",
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
    "TriggerSettings",
    "Verdict",
    "VerifyReport",
    "WorkerFailed",
    "__version__",
    "count_text",
    "judge",
    "load_chosen",
    "row_changes",
    "settings_for",
]


def settings_for(bot: object, environment: Mapping[str, str] | None = None) -> Settings:
    """Return a bot's settings: its ``backup_settings`` if it has them, else those of a file and the environment.

    The file is the one that BACKUP_CONFIG names, or ``config/backup.toml`` if it is there; the environment (None: this
    process's own) wins over it. Blocks while it reads the file. Raises SettingsError with a sentence for the owner.
    """
    given = getattr(bot, "backup_settings", None)
    if given is None:
        return load_chosen(environment)
    if not isinstance(given, Settings):
        allowed = "a Settings, as core.snapshots.load() returns it"
        message = f"bot.backup_settings is a {type(given).__name__}, but it must be {allowed}."
        raise SettingsError(message, key="backup_settings", value=type(given).__name__, allowed=allowed)
    return given
