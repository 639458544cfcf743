"""Snapshots and restores of a PostgreSQL database beside its own programs: each once a round, on the same state.

pg_dump and psql verify nothing; Savepoint's snapshots and rebuilds are verified, and that is part of their time. What
the programs load must have the rows that were dumped: a program that loses rows is not measured.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from core.snapshots import Level, Snapshot
from core.snapshots.engines import engine_for
from core.snapshots.progress import Watch
from core.snapshots.settings.database_url import parse

from ..measure import StallProbe, median
from ..subject import SAVEPOINT, Subject, opened
from .server import Server

__all__ = ["DUMP_GZIP", "LOAD_GZIP", "REBUILD", "RESTORE", "SNAPSHOT", "VERIFY", "Figures", "Seen", "measure"]

T = TypeVar("T")

SNAPSHOT, REBUILD = "a copy of the database", "the copy loaded into a new database"
VERIFY, RESTORE = "loaded, compared, checked and removed (verify)", "a whole restore, safety snapshot included"
DUMP_GZIP, LOAD_GZIP = "pg_dump | gzip -6", "gunzip | psql -1"
DUMP_CUSTOM, LOAD_CUSTOM = "pg_dump -Fc", "pg_restore -1"

_TRANSACTIONS = 20
_BY_HAND = "by_hand"


class Seen:
    """The measurements of one work done by one program.

    ``seconds`` of each time, ``stall`` the longest of an event loop beside it in ms, ``size`` the bytes of the newest
    copy.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.stall = 0.0
        self.size = 0


class Figures:
    """All that a run measured, on a database of ``size`` bytes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.works: dict[tuple[str, str], Seen] = {}

    def stall(self, *works: str) -> float:
        """Return the longest stall of the bot's loop in some works of Savepoint, in ms."""
        return max(self.works[work, SAVEPOINT].stall for work in works)

    def add(self, work: str, by: str, seconds: float, *, size: int = 0, stall: float = 0.0) -> None:
        """Record one measurement of a work."""
        seen = self.works.setdefault((work, by), Seen())
        seen.seconds.append(seconds)
        seen.stall = max(seen.stall, stall)
        seen.size = size

    def seconds(self, work: str, by: str) -> float:
        """Return the median of a work's seconds."""
        return median(self.works[work, by].seconds)


async def measure(server: Server, folder: Path, rounds: int, log: Callable[[str], None]) -> Figures:
    """Measure everything ``rounds`` times."""
    figures = Figures(server.size())
    async with opened(server.url, folder / "repository") as subject:
        for number in range(rounds):
            log(f"round {number + 1} of {rounds}")
            await _Round(server, folder, figures, subject).done()
    return figures


class _Round:
    def __init__(self, server: Server, folder: Path, figures: Figures, subject: Subject) -> None:
        self._server = server
        self._folder = folder
        self._figures = figures
        self._subject = subject

    async def done(self) -> None:
        """Copy, load, verify and restore."""
        await asyncio.to_thread(self._server.play, _TRANSACTIONS)
        snapshot = await self._snapshot()
        await self._by_hand(snapshot)
        await self._own(VERIFY, lambda: self._subject.service.verify(snapshot.id, Level.RESTORED))
        await self._own(RESTORE, lambda: self._subject.service.restore(snapshot.id))

    async def _snapshot(self) -> Snapshot:
        await asyncio.to_thread(self._server.settle)
        async with StallProbe() as probe:
            seconds, snapshot = await self._subject.request()
        self._figures.add(SNAPSHOT, SAVEPOINT, seconds, size=snapshot.size, stall=probe.worst)
        return snapshot

    async def _own(self, work: str, do: Callable[[], Awaitable[T]]) -> None:
        await asyncio.to_thread(self._server.settle)
        started = time.perf_counter()
        async with StallProbe() as probe:
            report = await do()
        if not getattr(report, "ok", True):
            raise RuntimeError(f"{work}: {report}")
        self._figures.add(work, SAVEPOINT, time.perf_counter() - started, stall=probe.worst)

    async def _by_hand(self, snapshot: Snapshot) -> None:
        plain, custom = self._folder / "dump.sql.gz", self._folder / "dump"
        await self._dumped(DUMP_GZIP, "{pg_dump} {url} | gzip -6 > {file}", plain)
        await self._dumped(DUMP_CUSTOM, "{pg_dump} -Fc {url} > {file}", custom)
        await asyncio.to_thread(self._rebuilt, snapshot)
        await self._loaded(LOAD_GZIP, "gunzip -c {file} | {psql} -Xq1 -v ON_ERROR_STOP=1 -d {url} > /dev/null", plain)
        await self._loaded(LOAD_CUSTOM, "{pg_restore} -1 -d {url} {file}", custom)

    async def _dumped(self, by: str, line: str, file: Path) -> None:
        await asyncio.to_thread(file.unlink, missing_ok=True)
        await asyncio.to_thread(self._server.settle)
        seconds, stall = await self._shell(line, file, self._server.url)
        size = await asyncio.to_thread(lambda: file.stat().st_size)
        self._figures.add(SNAPSHOT, by, seconds, size=size, stall=stall)

    def _rebuilt(self, snapshot: Snapshot) -> None:
        image = self._folder / "image"
        self._server.settle()
        self._figures.add(REBUILD, SAVEPOINT, self._subject.rebuild(snapshot, image))
        engine_for(parse(self._server.url), 15.0).discard(image, Watch())

    async def _loaded(self, by: str, line: str, file: Path) -> None:
        await asyncio.to_thread(self._server.create, _BY_HAND)
        await asyncio.to_thread(self._server.settle)
        seconds, stall = await self._shell(line, file, self._server.url_of(_BY_HAND))
        self._figures.add(REBUILD, by, seconds, stall=stall)
        await asyncio.to_thread(self._check_and_drop, by)

    def _check_and_drop(self, by: str) -> None:
        if self._server.rows(_BY_HAND) != self._server.rows("game"):
            raise RuntimeError(f"{by} did not give back what was dumped")
        self._server.drop(_BY_HAND)

    async def _shell(self, line: str, file: Path, url: str) -> tuple[float, float]:
        """Return the seconds that a command takes, and the longest stall of an otherwise idle loop meanwhile, in ms."""
        programs = {name: self._server.programs / name for name in ("pg_dump", "pg_restore", "psql")}
        command = line.format(file=file, url=f"'{url}'", **programs)
        async with StallProbe() as probe:
            started = time.perf_counter()
            await asyncio.to_thread(subprocess.run, ["bash", "-o", "pipefail", "-ec", command], check=True)
            seconds = time.perf_counter() - started
        return seconds, probe.worst
