"""Savepoint as it is measured: a service on a database and a repository, and a rebuild in a process of its own.

``python -m benchmarks.subject`` takes a ``Rebuild`` as JSON on its standard input and rebuilds a snapshot as a file:
what the worker does in a restore, without the integrity check that follows there.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from core.snapshots import Kind, Settings, Snapshot, SnapshotService
from core.snapshots.database_url import parse
from core.snapshots.engines import Part, engine_for
from core.snapshots.models import RetentionRules
from core.snapshots.repository import Repository
from core.snapshots.settings import DatabaseSettings, RepositorySettings, ScheduleSettings
from core.snapshots.units import Duration
from core.snapshots.watch import Watch

from .measure import module

__all__ = ["Rebuild", "Subject", "opened", "rebuild"]

_BUSY_TIMEOUT = 15.0


class Rebuild(msgspec.Struct, frozen=True):
    """What to rebuild, and where to."""

    url: str
    chain: tuple[Part, ...]
    target: str


class Subject:
    """A service that was opened, with what it works on."""

    def __init__(self, service: SnapshotService, database: Path, folder: Path) -> None:
        self.service = service
        self.database = database
        self.folder = folder

    async def request(self, reason: str = "benchmark") -> tuple[float, Snapshot]:
        """Give the seconds from a request to its ticket, resolved by a snapshot published and proven."""
        started = time.perf_counter()
        snapshot = await self.service.request(Kind.CRITICAL, reason).wait()
        return time.perf_counter() - started, snapshot

    async def full(self) -> tuple[float, Snapshot]:
        """Give the seconds of a manual snapshot, which stands alone, ``latest.db.gz`` included."""
        started = time.perf_counter()
        created = await self.service.create(Kind.MANUAL)
        return time.perf_counter() - started, created.snapshot

    def rebuild(self, snapshot: Snapshot, target: Path) -> float:
        """Give the seconds in which a snapshot becomes a file, proven, in a process of its own."""
        repository = Repository(self.folder.absolute(), ".db.gz")
        repository.refresh()
        order = Rebuild(url_of(self.database), repository.chain(snapshot), str(target))
        started = time.perf_counter()
        subprocess.run(module("subject"), input=msgspec.json.encode(order), check=True)
        return time.perf_counter() - started


def url_of(database: Path) -> str:
    """Give a database's URL."""
    return f"sqlite:///{database.absolute()}"


def settings_for(database: Path, folder: Path, *, spacing: float, kept: int) -> Settings:
    """Give the settings: the defaults, but for the least time between two event snapshots, and how many are kept."""
    return Settings(
        database=DatabaseSettings(url=url_of(database), busy_timeout=Duration(_BUSY_TIMEOUT)),
        repository=RepositorySettings(path=str(folder.absolute())),
        schedule=ScheduleSettings(critical_spacing=Duration(spacing)),
        retention=RetentionRules(critical=kept),
    )


@contextlib.asynccontextmanager
async def opened(
    database: Path, folder: Path, *, spacing: float = 0.0, kept: int = 100, anew: bool = True
) -> AsyncIterator[Subject]:
    """Open a service, on an empty repository unless it is not to be ``anew``."""
    if anew:
        shutil.rmtree(folder, ignore_errors=True)
    service = SnapshotService(settings_for(database, folder, spacing=spacing, kept=kept))
    await service.open()
    try:
        yield Subject(service, database, folder)
    finally:
        await service.close()


def rebuild(order: Rebuild) -> None:
    """Rebuild a snapshot as a new file, proven."""
    engine = engine_for(parse(order.url), _BUSY_TIMEOUT)
    engine.rebuild(order.chain, Path(order.target), Watch())


if __name__ == "__main__":
    rebuild(msgspec.json.decode(sys.stdin.buffer.read(), type=Rebuild))
