"""The one place where the cog meets the engine room; everything else in this package imports from here.

A host that keeps ``snapshots`` somewhere else edits the one absolute import below, and nothing more. A host that has a
module ``core.py`` keeps it: the folder ``core`` beside it becomes the place where that module's submodules are.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path


def _give_modules_room() -> None:
    """Let ``core.snapshots`` be found beside a host's own ``core.py``, which hides the folder of the same name."""
    found = importlib.util.find_spec("core")
    folder = Path(__file__).resolve().parents[2] / "core"
    if found is not None and found.submodule_search_locations is None and (folder / "snapshots").is_dir():
        importlib.import_module("core").__path__ = [str(folder)]


_give_modules_room()

from core.snapshots import (  # noqa: E402  the folder must be known first
    Busy,
    Created,
    DatabaseMissing,
    Finding,
    IntegrityReport,
    Kind,
    Level,
    Lost,
    Method,
    RestorePlan,
    RestoreReport,
    Settings,
    SettingsError,
    Snapshot,
    SnapshotDamaged,
    SnapshotError,
    SnapshotService,
    StartupOutcome,
    StartupReport,
    Status,
    TriggerSettings,
    VerifyReport,
    duration_text,
    load_chosen,
    size_text,
)

__all__ = [
    "Busy",
    "Created",
    "DatabaseMissing",
    "Finding",
    "IntegrityReport",
    "Kind",
    "Level",
    "Lost",
    "Method",
    "RestorePlan",
    "RestoreReport",
    "Settings",
    "SettingsError",
    "Snapshot",
    "SnapshotDamaged",
    "SnapshotError",
    "SnapshotService",
    "StartupOutcome",
    "StartupReport",
    "Status",
    "TriggerSettings",
    "VerifyReport",
    "duration_text",
    "load_chosen",
    "settings_for",
    "size_text",
]


def settings_for(bot: object, environment: Mapping[str, str] | None = None) -> Settings:
    """Give a bot's settings: its ``backup_settings``, else the file that BACKUP_CONFIG names, else the default file.

    Without any of them: the defaults. The environment wins over a file. Reads one small file at most. Raises
    SettingsError with the sentence for the owner.
    """
    given = getattr(bot, "backup_settings", None)
    return load_chosen(environment) if given is None else _checked(given)


def _checked(given: object) -> Settings:
    if not isinstance(given, Settings):
        allowed = "a Settings, as core.snapshots.load() gives it"
        message = f"bot.backup_settings is a {type(given).__name__}, but it must be {allowed}."
        raise SettingsError(message, key="backup_settings", value=type(given).__name__, allowed=allowed)
    return given
