"""The one place where the cog meets the engine room; everything else in this package imports from here.

A host that keeps ``core`` somewhere else edits the one absolute import below, and nothing more.
"""

from __future__ import annotations

from core.snapshots import (
    Busy,
    Created,
    DatabaseMissing,
    DeadlineExceeded,
    Finding,
    IntegrityReport,
    Kind,
    Level,
    Method,
    RestorePlan,
    RestoreReport,
    Settings,
    SettingsError,
    Snapshot,
    SnapshotError,
    SnapshotService,
    StartupOutcome,
    StartupReport,
    Status,
    TriggerSettings,
    VerifyReport,
    duration_text,
    load,
    size_text,
)

__all__ = [
    "Busy",
    "Created",
    "DatabaseMissing",
    "DeadlineExceeded",
    "Finding",
    "IntegrityReport",
    "Kind",
    "Level",
    "Method",
    "RestorePlan",
    "RestoreReport",
    "Settings",
    "SettingsError",
    "Snapshot",
    "SnapshotError",
    "SnapshotService",
    "StartupOutcome",
    "StartupReport",
    "Status",
    "TriggerSettings",
    "VerifyReport",
    "duration_text",
    "load",
    "size_text",
]
