"""The bot's own locks on its database outlive every operation of ours, and nothing of ours opens its files.

Opening and closing a database file anywhere in a process, other than through SQLite, drops all POSIX locks that the
process holds on it (https://www.sqlite.org/howtocorrupt.html, 2.2). ``/proc/locks`` shows them (proc(5)).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from core.snapshots import DatabaseBusy, Kind, Level, SnapshotError, SnapshotService, StartupOutcome
from tests.worlds.service_world import PlayedWorld, flip_byte, played_world

pytestmark = [pytest.mark.process, pytest.mark.skipif(sys.platform != "linux", reason="/proc/locks is Linux's")]


def locks_on(database: Path) -> set[tuple[str, str, str, str]]:
    """Return (file, kind, first byte, last byte) of the locks that this process holds on the database's files."""
    files = {}
    for side in ("", "-wal", "-shm", "-journal"):
        file = database.with_name(database.name + side)
        if file.exists():
            files[file.stat().st_ino] = side or "main"

    found = set()
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if len(fields) < 8 or fields[1] != "POSIX" or int(fields[4]) != os.getpid():
            continue
        inode = int(fields[5].rpartition(":")[2])
        if inode in files:
            found.add((files[inode], fields[3], fields[6], fields[7]))
    return found


class Watched:
    """Sees every file that Python code of this process opens; a hook can never be taken out again, only told to
    rest.
    """

    def __init__(self) -> None:
        self.path: str | None = None
        self.opened: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.path is None or event != "open" or not isinstance(arguments[0], str | bytes):
            return
        path = arguments[0].decode() if isinstance(arguments[0], bytes) else arguments[0]
        if path.startswith(self.path):
            self.opened.append(path)

    def begin(self, database: Path) -> None:
        """Watch a database's files from now on."""
        self.path, self.opened = str(database), []


WATCHED = Watched()


@asynccontextmanager
async def sqlite3_holding(database: Path) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    """Have the game's database open with ``sqlite3``; return what looks into it as the game does."""
    connection = sqlite3.connect(database, isolation_level=None)
    try:

        async def look() -> object:
            return connection.execute("SELECT count(*) FROM users").fetchone()

        connection.execute("BEGIN")
        await look()
        yield look
    finally:
        connection.close()


@asynccontextmanager
async def aiosqlite_holding(database: Path) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    """The same with ``aiosqlite``."""
    async with aiosqlite.connect(database, isolation_level=None) as connection:

        async def look() -> object:
            async with connection.execute("SELECT count(*) FROM users") as cursor:
                return await cursor.fetchone()

        await connection.execute("BEGIN")
        await look()
        yield look


async def every_operation(
    world: PlayedWorld, service: SnapshotService
) -> AsyncIterator[tuple[str, Callable[[], Awaitable[object]]]]:
    """Yield each operation of the service with its name; none of them writes to the database."""
    yield "open", service.open
    yield "integrity", service.integrity
    yield "quick integrity", lambda: service.integrity(quick=True)
    yield "start-up check", service.start_up
    yield "manual snapshot", service.create
    yield "event", lambda: service.request(Kind.CRITICAL, "buy").wait()
    yield "unchanged periodic", lambda: service.create(Kind.PERIODIC)
    yield "last snapshot", service.create_last
    yield "list", service.list
    yield "status", service.status
    yield "checksum", lambda: service.verify(world.older.id)
    yield "restored", lambda: service.verify(world.older.id, Level.RESTORED)
    yield "pin", lambda: service.pin(world.older.id)
    yield "dry run", lambda: service.prune(dry_run=True)
    yield "prune", service.prune
    yield "export", lambda: service.export(world.older.id, world.folder / "out.db.gz")
    yield "rebuild", service.rebuild_catalog
    yield "plan", lambda: service.restore_plan(world.older.id)
    flip_byte(world.file_of(world.newer))
    yield "refused restore", lambda: _refused(service, world.newer.id)
    yield "close", service.close


async def _refused(service: SnapshotService, snapshot_id: str) -> None:
    with pytest.raises(SnapshotError):
        await service.restore(snapshot_id)


@pytest.mark.parametrize("holding", [sqlite3_holding, aiosqlite_holding])
@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
async def test_every_operation_leaves_the_bots_own_locks_in_place(
    tmp_path: Path, journal_mode: str, holding: Callable[[Path], Any]
) -> None:
    """Read locks of an open transaction are all there after each operation, and no file of the database was opened."""
    world = await played_world(tmp_path, journal_mode=journal_mode)
    WATCHED.begin(world.database)
    async with holding(world.database) as look:
        held = locks_on(world.database)
        assert held, "the game holds no lock: this test would prove nothing"
        service = world.service(database={"busy_timeout": 0.3})
        async for name, operation in every_operation(world, service):
            await operation()
            lost = held - locks_on(world.database)
            assert not lost, f"{name} dropped {lost}"
            assert WATCHED.opened == [], f"{name} opened the database's files"
        assert await look() is not None
        assert held <= locks_on(world.database)


@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
async def test_a_write_lock_of_the_bot_survives_what_it_makes_busy(tmp_path: Path, journal_mode: str) -> None:
    """Operations that fail on the bot's own transaction leave it able to commit, and it loses no row."""
    world = await played_world(tmp_path, journal_mode=journal_mode)
    WATCHED.begin(world.database)
    connection = sqlite3.connect(world.database, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO users (id, name, dust) VALUES (900, 'in the middle', 1000)")
    held = locks_on(world.database)
    assert {kind for _, kind, _, _ in held} >= {"WRITE"}
    async with world.opened(database={"busy_timeout": 0.3}) as service:
        assert (await service.create()).snapshot.rows["users"] == world.newer.rows["users"] + 1
        assert held <= locks_on(world.database)
        with pytest.raises(DatabaseBusy):
            await service.restore(world.older.id)
        assert held <= locks_on(world.database)
        connection.execute("COMMIT")
        assert (await service.restore_plan(world.older.id)).lost.rows["users"][1] == world.newer.rows["users"] + 2
    assert WATCHED.opened == []
    connection.close()
    assert 900 in [row[0] for row in world.rows()["users"]]


async def test_restoring_under_the_bots_own_open_connection_keeps_its_lock_on_the_log(tmp_path: Path) -> None:
    """The worker replaces the content through SQLite; the bot's connection and its shared lock live through it."""
    world = await played_world(tmp_path)
    WATCHED.begin(world.database)
    connection = sqlite3.connect(world.database, isolation_level=None)
    assert connection.execute("SELECT count(*) FROM users").fetchone() == (world.newer.rows["users"] + 1,)
    held = locks_on(world.database)
    assert "-shm" in {file for file, _, _, _ in held}
    async with world.opened() as service:
        assert (await service.restore(world.older.id)).ok
        assert held <= locks_on(world.database)
        assert (await service.start_up()).outcome is StartupOutcome.CLEAN
        assert held <= locks_on(world.database)
        await asyncio.sleep(0)
    assert WATCHED.opened == []
    assert connection.execute("SELECT count(*) FROM users").fetchone() == (world.older.rows["users"],)
    connection.close()


def test_the_watch_would_see_an_operation_that_opened_the_database(tmp_path: Path) -> None:
    """What these tests rely on: an open is seen, and closing it drops the locks that the process held."""
    database = tmp_path / "game.db"
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("CREATE TABLE t (a)")
    connection.execute("BEGIN IMMEDIATE")
    WATCHED.begin(database)
    held = locks_on(database)
    assert held
    database.read_bytes()
    assert WATCHED.opened == [str(database)]
    assert not held & locks_on(database)
    connection.close()
