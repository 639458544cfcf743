"""A live WAL database of another page size than the snapshot, which only the bot itself could convert."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots import DatabaseBusy, Snapshot
from tests.worlds.game_database import OtherProcess, connected
from tests.worlds.service_world import ServiceWorld

pytestmark = pytest.mark.process


async def vacuumed_since(world: ServiceWorld) -> Snapshot:
    """Take a snapshot with an index under a collation of the bot's own, and vacuum the database to other pages."""
    with connected(world.database) as connection:
        connection.create_collation("elvish", lambda one, other: (one > other) - (one < other))
        connection.execute("CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT COLLATE elvish)")
        connection.execute("CREATE INDEX by_name ON names (name)")
        connection.execute("INSERT INTO names (name) VALUES ('one'), ('two')")
        async with world.opened() as service:
            made = (await service.create()).snapshot
        for statement in ("PRAGMA journal_mode = delete", "PRAGMA page_size = 8192", "VACUUM"):
            connection.execute(statement)
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("DELETE FROM names")
        assert connection.execute("PRAGMA page_size").fetchone() == (8192,)
    return made


async def test_it_is_restored_by_exchanging_files_if_nobody_has_it_open(tmp_path: Path) -> None:
    """Neither VACUUM INTO nor a backup can do it; the files that were there are kept."""
    world = ServiceWorld(tmp_path)
    made = await vacuumed_since(world)
    async with world.opened() as service:
        report = await service.restore(made.id)
        assert (report.ok, report.identical) == (True, True)
        assert report.safety is not None
        assert report.quarantine is not None
    with connected(world.database) as connection:
        assert connection.execute("SELECT name FROM names NOT INDEXED").fetchall() == [("one",), ("two",)]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_it_is_refused_with_a_sentence_while_the_game_runs(tmp_path: Path) -> None:
    """Files are never exchanged under a process that uses them: nothing changes, and the process is named."""
    world = ServiceWorld(tmp_path)
    made = await vacuumed_since(world)
    with OtherProcess(world.database, "SELECT count(*) FROM users") as game:
        async with world.opened(database={"busy_timeout": 0.3}) as service:
            with pytest.raises(DatabaseBusy, match=f"process {game.pid}"):
                await service.restore(made.id)
        assert game.execute("SELECT count(*) FROM names NOT INDEXED") == [[0]]
    with connected(world.database) as connection:
        assert connection.execute("PRAGMA page_size").fetchone() == (8192,)
