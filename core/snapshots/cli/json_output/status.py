"""The documents of ``status`` and ``settings``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from ...doctor.models import Problem
from ...models import AuditLine, Snapshot, Status
from ...settings.origins import Effective
from .checks import HealthDocument, health_document
from .snapshots import SnapshotDocument, snapshot_document
from .times import utc

__all__ = [
    "RestoredDocument",
    "SettingDocument",
    "SettingsDocument",
    "StatusDocument",
    "settings_document",
    "status_document",
]


class RestoredDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The newest test restore that passed."""

    id: str
    at: dt.datetime
    seconds: float | None


class StatusDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``status``."""

    engine: str
    database: str
    repository: str
    snapshots: int
    damaged: int
    pinned: int
    kinds: dict[str, int]
    size: int
    free: int
    newest: SnapshotDocument | None
    newest_restored: SnapshotDocument | None
    next_periodic: dt.datetime
    remarks: tuple[str, ...]
    live: HealthDocument | None
    audit: tuple[AuditLine, ...]
    settings_file: str | None
    triggers: int
    verified: SnapshotDocument | None
    users: tuple[str, ...] | None
    problems: tuple[Problem, ...]
    restored: RestoredDocument | None
    lasts: float | None


class SettingDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One setting that counts."""

    value: Any
    source: str


class SettingsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``settings``."""

    file: str | None
    settings: dict[str, SettingDocument]


def status_document(
    status: Status, problems: tuple[Problem, ...], *, settings_file: Path | None, triggers: int
) -> StatusDocument:
    """Return the answer of ``status``.

    What only the bot's process knows is left out: the answer is the same from every process.
    """
    return StatusDocument(
        engine=status.engine,
        database=status.database,
        repository=status.repository,
        snapshots=status.snapshots,
        damaged=status.damaged,
        pinned=status.pinned,
        kinds=status.kinds,
        size=status.size,
        free=status.free,
        newest=snapshot_document(status.newest) if status.newest else None,
        newest_restored=snapshot_document(status.newest_restored) if status.newest_restored else None,
        next_periodic=utc(status.next_periodic),
        remarks=status.remarks,
        live=health_document(status.live),
        audit=status.audit,
        settings_file=None if settings_file is None else str(settings_file),
        triggers=triggers,
        verified=snapshot_document(status.verified) if status.verified else None,
        users=status.users,
        problems=problems,
        restored=_restored(status.restored),
        lasts=status.lasts,
    )


def _restored(snapshot: Snapshot | None) -> RestoredDocument | None:
    if snapshot is None or snapshot.restored_at is None:
        return None
    return RestoredDocument(id=snapshot.id, at=utc(snapshot.restored_at), seconds=snapshot.restored_seconds)


def settings_document(found: Iterable[Effective], file: Path | None) -> SettingsDocument:
    """Return the answer of ``settings``."""
    return SettingsDocument(
        file=None if file is None else str(file),
        settings={each.name: SettingDocument(value=each.value, source=each.source) for each in found},
    )
