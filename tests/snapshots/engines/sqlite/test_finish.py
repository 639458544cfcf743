"""The end of the write-ahead log when the bot goes down: the file alone is whole then, if nobody else has it open."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.snapshots import DatabaseBusy
from core.snapshots.engines.sqlite.finish import write_back_log
from core.snapshots.progress import Watch
from tests.worlds.service_world import ServiceWorld

pytestmark = pytest.mark.process


def left_behind(folder: Path) -> Path:
    """Make a database whose only connection ended without closing, so that its last commits are in the log alone."""
    source, target = folder / "running.db", folder / "game.db"
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE users (name TEXT)")
        connection.execute("INSERT INTO users VALUES ('Ada')")
        connection.commit()
        for side in ("", "-wal", "-shm"):
            (folder / f"game.db{side}").write_bytes((folder / f"running.db{side}").read_bytes())
    return target


def names_in_the_file_alone(path: Path) -> list[str]:
    """Return the players that a copy of the file without its side files has."""
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM users")]


def test_the_log_is_written_into_the_file_and_removed(tmp_path: Path) -> None:
    """What was committed is in the file alone, and nothing is beside it."""
    path = left_behind(tmp_path)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        names_in_the_file_alone(path)
    assert write_back_log(path, Watch()) is True
    assert names_in_the_file_alone(path) == ["Ada"]
    assert sorted(each.name for each in tmp_path.glob("game.db*")) == ["game.db"]
    assert write_back_log(path, Watch()) is False


def test_somebody_who_has_it_open_keeps_the_log(tmp_path: Path) -> None:
    """A checkpoint beside another connection could lose a commit in many versions of SQLite."""
    path = left_behind(tmp_path)
    with closing(sqlite3.connect(path)) as game:
        game.execute("SELECT count(*) FROM users").fetchone()
        before = (tmp_path / "game.db-wal").read_bytes()
        with pytest.raises(DatabaseBusy):
            write_back_log(path, Watch())
        assert (tmp_path / "game.db-wal").read_bytes() == before
        game.execute("INSERT INTO users VALUES ('Grace')")
        game.commit()
    assert names_in_the_file_alone(path) == ["Ada", "Grace"]


def test_a_database_without_a_log_or_none_at_all_is_left_alone(tmp_path: Path) -> None:
    """Nothing is created."""
    assert write_back_log(tmp_path / "game.db", Watch()) is False
    with closing(sqlite3.connect(tmp_path / "game.db")) as connection:
        connection.execute("CREATE TABLE users (name TEXT)")
    before = (tmp_path / "game.db").read_bytes()
    assert write_back_log(tmp_path / "game.db", Watch()) is False
    assert (tmp_path / "game.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["game.db"]


async def test_the_service_does_so_once_it_is_closed(tmp_path: Path) -> None:
    """Its own connection is gone by then; and the next start finds the state that the last snapshot has."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        with closing(sqlite3.connect(world.database)) as game:
            game.execute("SELECT count(*) FROM users").fetchone()
            await service.create()
            await service.create_last()
    assert (tmp_path / "game.db-wal").exists()
    await service.finish(60.0)
    assert sorted(path.name for path in tmp_path.glob("game.db*")) == ["game.db"]
    async with world.opened() as again:
        assert (await again.create_last()) == again.known[0]
        assert len(again.known) == 1
