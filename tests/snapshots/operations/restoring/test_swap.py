"""Putting a snapshot back where SQLite cannot open the database: by exchanging files, the damaged ones kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.snapshots import DatabaseBusy, Form, Method
from tests.worlds.database_harm import (
    emptied,
    folder_missing,
    header_destroyed,
    header_destroyed_beside_a_log,
    log_left_behind,
    missing,
    truncated,
)
from tests.worlds.game_database import OtherProcess, assert_consistent
from tests.worlds.service_world import PlayedWorld, played_world

pytestmark = pytest.mark.process


def data_files(folder: Path) -> dict[str, bytes]:
    """Return the files that hold data: all but the index of the log, which SQLite rebuilds whenever it opens it."""
    files = [path for path in folder.glob("game.db*") if not path.name.endswith("-shm")]
    return {path.name: path.read_bytes() for path in files if path.stat().st_size or path.name == "game.db"}


@pytest.mark.kill
@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(
    "harm",
    [
        header_destroyed,
        truncated,
        emptied,
        missing,
        log_left_behind,
        header_destroyed_beside_a_log,
        folder_missing,
    ],
)
async def test_a_database_that_cannot_be_opened_is_exchanged_with_all_its_files(
    tmp_path: Path, harm: Callable[[PlayedWorld], None], form: Form
) -> None:
    """The rows of the snapshot, nothing replayed into them, and the damaged files in quarantine, byte for byte."""
    world = await played_world(tmp_path, newer=form)
    chosen = world.older if form is Form.FULL else world.newer
    wanted = world.rows_in(chosen)
    harm(world)
    damaged = data_files(world.database.parent)
    present = list(world.database.parent.glob("game.db*"))
    async with world.opened() as service:
        plan = await service.restore_plan(chosen.id)
        assert plan.method is Method.SWAP
        assert plan.database.problem
        assert not plan.database.openable
        assert plan.lost.rows["users"][1] is None
        report = await service.restore(chosen.id, agreed=plan.token)
        assert (report.ok, report.method, report.identical, report.safety) == (True, Method.SWAP, True, None)
        assert world.temporary_files() == set()
        quarantine = world.repository / "quarantine"
        kept = quarantine / report.quarantine if report.quarantine else None
        assert (data_files(kept) if kept else {}) == damaged
        assert len(list(quarantine.glob("*"))) == (1 if present else 0)
    assert world.rows() == wanted
    assert_consistent(world.database)
    assert world.beside_the_database() == []
    with OtherProcess(world.database) as game:
        assert game.execute("PRAGMA journal_mode") == [["wal"]]


@pytest.mark.kill
async def test_a_rollback_journal_is_kept_with_the_file_it_belongs_to(tmp_path: Path) -> None:
    """A hot journal of a file that is gone must not be rolled back into the one that takes its place."""
    world = await played_world(tmp_path, journal_mode="delete")
    wanted = world.rows_in(world.older)
    with OtherProcess(world.database) as game:
        for statement in ("PRAGMA cache_size = 1", "PRAGMA cache_spill = 1", "BEGIN", "DELETE FROM user_cards"):
            game.execute(statement)
        game.execute("UPDATE cards SET story = hex(randomblob(450))")
        game.kill()
    journal = world.database.with_name("game.db-journal")
    assert journal.stat().st_size > 512
    world.database.unlink()
    content = journal.read_bytes()
    async with world.opened() as service:
        report = await service.restore(world.older.id)
        assert report.quarantine is not None
        assert (world.repository / "quarantine" / report.quarantine / journal.name).read_bytes() == content
    assert world.rows() == wanted
    assert not journal.exists()
    assert_consistent(world.database)


async def test_files_are_not_exchanged_under_a_process_that_has_them_open(tmp_path: Path) -> None:
    """It would go on writing into a file that is no longer there: DatabaseBusy names it, and nothing is touched."""
    world = await played_world(tmp_path)
    with OtherProcess(world.database, "SELECT count(*) FROM users") as game:
        header_destroyed(world)
        before = world.database_files()
        async with world.opened(database={"busy_timeout": 0.3}) as service:
            with pytest.raises(DatabaseBusy, match=f"process {game.pid}") as caught:
                await service.restore(world.older.id)
            assert caught.value.pids == [game.pid]
            assert world.database_files() == before
            assert not list((world.repository / "quarantine").glob("*"))
            assert world.temporary_files() == set()
            (report,) = world.heard.reports
            assert not report.ok
    assert world.beside_the_database() == []


async def test_two_restores_at_one_moment_keep_their_files_apart(tmp_path: Path) -> None:
    """Nothing in quarantine is ever overwritten, even where the clock stands still."""
    world = await played_world(tmp_path)
    moment = world.clock()
    async with world.opened() as service:
        for content in (b"first ruin" * 100, b"second ruin" * 100):
            await service._context.probe.close()
            world.database.write_bytes(content)
            service._context.clock = lambda: moment
            await service.restore(world.newer.id)
    kept = [path.read_bytes() for path in (world.repository / "quarantine").rglob("game.db")]
    assert sorted(kept) == [b"first ruin" * 100, b"second ruin" * 100]
