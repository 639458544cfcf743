"""The one place where the cog meets the engine room; everything else in this package imports from here.

A host that keeps ``snapshots`` somewhere else edits the one absolute import below, and nothing more. A host that has a
module ``core.py`` keeps it: the folder ``core`` beside it becomes the place where that module's submodules are.
"""

from __future__ import annotations

import importlib.util
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
    "size_text",
]
