"""Savepoint as it is measured: a service on a database and a repository, as a bot would have it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from core.snapshots import Kind, Settings, Snapshot, SnapshotService
from core.snapshots.models import RetentionRules
from core.snapshots.repository.repository import Repository
from core.snapshots.settings.schema import DatabaseSettings, RepositorySettings, ScheduleSettings
from core.snapshots.units import Duration
from core.snapshots.worker.client import environment

from .measure import module
from .rebuild import Link, Order

__all__ = ["SAVEPOINT", "Subject", "opened", "repository_of"]

SAVEPOINT = "Savepoint"
"""Its name in the tables."""

_BUSY_TIMEOUT = 15.0


class Subject:
    """An open service and the folder of its repository."""

    def __init__(self, service: SnapshotService, folder: Path) -> None:
        self.service = service
        self.folder = folder

    async def request(self, reason: str = "benchmark") -> tuple[float, Snapshot]:
        """Return the seconds from a request to its resolved ticket, and the snapshot, published and verified."""
        started = time.perf_counter()
        snapshot = await self.service.request(Kind.CRITICAL, reason).wait()
        return time.perf_counter() - started, snapshot

    async def full(self) -> tuple[float, Snapshot]:
        """Return the seconds of a manual snapshot, which stands alone, ``latest.db.gz`` included, and the snapshot."""
        started = time.perf_counter()
        created = await self.service.create(Kind.MANUAL)
        return time.perf_counter() - started, created.snapshot

    def files(self, snapshot: Snapshot) -> list[Path]:
        """Return the files that a snapshot is restored from."""
        return [Path(part.path) for part in repository_of(self.folder).chain(snapshot)]

    def rebuild(self, snapshot: Snapshot, target: Path) -> float:
        """Return the seconds in which another process rebuilds a snapshot as a new image, verified and synced."""
        repository = repository_of(self.folder)
        links = [msgspec.convert(msgspec.to_builtins(part), type=Link) for part in repository.chain(snapshot)]
        order = msgspec.json.encode(Order(tuple(links), str(target), self.service.settings.database.url))
        started = time.perf_counter()
        subprocess.run(module("rebuild"), input=order, env=environment(), check=True)
        return time.perf_counter() - started


def repository_of(folder: Path) -> Repository:
    """Return the repository in a folder, freshly read."""
    repository = Repository(folder.absolute(), ".db.gz")
    repository.refresh()
    return repository


def _settings(database: Path | str, folder: Path, spacing: float, kept: int) -> Settings:
    url = database if isinstance(database, str) else f"sqlite:///{database.absolute()}"
    return Settings(
        database=DatabaseSettings(url=url, busy_timeout=Duration(_BUSY_TIMEOUT)),
        repository=RepositorySettings(path=str(folder.absolute())),
        schedule=ScheduleSettings(critical_spacing=Duration(spacing)),
        retention=RetentionRules(critical=kept),
    )


@contextlib.asynccontextmanager
async def opened(
    database: Path | str, folder: Path, *, spacing: float = 0.0, kept: int = 100, anew: bool = True
) -> AsyncIterator[Subject]:
    """Open a service with the default settings, on a repository that is emptied first unless ``anew`` is False.

    ``database`` is a SQLite file or a URL, ``spacing`` the least time between two event snapshots in seconds, ``kept``
    how many of them retention leaves.
    """
    if anew:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    service = SnapshotService(_settings(database, folder, spacing, kept))
    await service.open()
    try:
        yield Subject(service, folder)
    finally:
        await service.close()
