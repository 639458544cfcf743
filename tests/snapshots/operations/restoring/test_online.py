"""Putting a snapshot back into a database that works: through SQLite, whoever has it open."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots import Form, Kind, Level, Method
from tests.worlds.game_database import OtherProcess, assert_consistent, connected
from tests.worlds.service_world import PLAYERS, ids, played_world

pytestmark = pytest.mark.process

MODES = pytest.mark.parametrize("journal_mode", ["wal", "delete"])


async def test_a_plan_says_what_a_restore_would_do_and_changes_nothing(tmp_path: Path) -> None:
    """Age, way, rows then and now, and every event since, before anybody agrees to anything."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        for reason in ("marketplace_buy_1", "marketplace_buy_2", "marketplace_buy_1"):
            world.play()
            await service.request(Kind.CRITICAL, reason).wait()
        await service.create(Kind.PERIODIC)
        files, rows = world.files(), world.rows()
        plan = await service.restore_plan(world.older.id[:6])
        assert plan.snapshot == world.older
        assert plan.method is Method.ONLINE
        assert plan.age == plan.lost.seconds
        assert 600 < plan.age < 660
        assert plan.lost.since == world.older.began_at
        assert (plan.lost.until - plan.lost.since).total_seconds() == plan.age
        assert plan.lost.rows["users"] == (PLAYERS, PLAYERS + 2)
        assert plan.lost.rows["cards"] == (PLAYERS, PLAYERS)
        assert set(plan.lost.events) == {"marketplace_buy_1", "marketplace_buy_2"}
        assert plan.lost.event_count == 3
        assert plan.database.openable
        assert plan.database.rows["users"] == PLAYERS + 2
        assert not plan.unchanged
        known = await service.commit_token() is not None  # not beside a second SQLite library in this process
        assert (await service.restore_plan("latest")).unchanged is known
        assert (await service.restore_plan(world.older.id)).token == plan.token
        assert (await service.restore_plan(world.newer.id)).token != plan.token
        assert (world.files(), world.rows()) == (files, rows)
        assert world.heard.plans == []


@MODES
@pytest.mark.parametrize("form", Form)
async def test_a_restore_gives_back_every_row_and_keeps_what_was_there(
    tmp_path: Path, journal_mode: str, form: Form
) -> None:
    """It is checked and found identical; the safety snapshot holds the state before; the journal mode stays."""
    world = await played_world(tmp_path, journal_mode=journal_mode, newer=form)
    chosen, users = (world.older, PLAYERS) if form is Form.FULL else (world.newer, PLAYERS + 1)
    assert chosen.form is form
    wanted, before = world.rows_in(chosen), world.rows()
    async with world.opened() as service:
        plan = await service.restore_plan(chosen.id)
        report = await service.restore(chosen.id, agreed=plan.token)
        assert world.rows() == wanted != before
        assert_consistent(world.database)
        assert (report.ok, report.method, report.identical, report.automatic) == (True, Method.ONLINE, True, False)
        assert report.restored.id == chosen.id
        assert report.quarantine is None
        assert report.integrity is not None
        assert report.integrity.findings == ()
        assert report.lost.rows["users"] == (users, PLAYERS + 2)
        assert report.safety is not None
        assert (report.safety.kind, report.safety.path.partition("/")[0]) == (Kind.SAFETY, "critical")
        assert report.safety.reasons == (f"before_restore_{chosen.id}",)
        assert report.safety.form is Form.FULL
        assert world.rows_in(report.safety) == before
        assert ids(await service.list()) == [report.safety.id, world.newer.id, world.older.id]
        verified = await service.get(chosen.id)
        assert verified.verification.level is Level.RESTORED
        assert verified.restored_at is not None
        assert [heard.snapshot.id for heard in world.heard.plans] == [chosen.id]
        assert world.heard.reports == [report]
        assert world.temporary_files() == set()
    with connected(world.database) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == (journal_mode,)
    assert world.beside_the_database() == []


@MODES
async def test_a_process_that_has_the_database_open_sees_the_restored_rows(tmp_path: Path, journal_mode: str) -> None:
    """The game need not be stopped: its own connection goes on, with the rows of the snapshot, and can write."""
    world = await played_world(tmp_path, journal_mode=journal_mode)
    with OtherProcess(world.database) as game:
        assert game.execute("SELECT count(*) FROM users") == [[PLAYERS + 2]]
        async with world.opened() as service:
            report = await service.restore(world.older.id)
            assert report.identical is True
        assert game.execute("SELECT count(*) FROM users") == [[PLAYERS]]
        game.execute("INSERT INTO users (name, dust) VALUES ('after the restore', 1000)")
        assert game.execute("PRAGMA integrity_check") == [["ok"]]
    assert len(world.rows()["users"]) == PLAYERS + 1


async def test_a_reader_in_the_middle_of_a_transaction_keeps_what_it_saw(tmp_path: Path) -> None:
    """In WAL mode a restore does not wait for readers, and pulls nothing away from under them."""
    world = await played_world(tmp_path)
    with OtherProcess(world.database, "BEGIN") as reader:
        assert reader.execute("SELECT count(*) FROM users") == [[PLAYERS + 2]]
        async with world.opened() as service:
            assert (await service.restore(world.older.id)).ok
        assert reader.execute("SELECT count(*) FROM users") == [[PLAYERS + 2]]
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM users") == [[PLAYERS]]


async def test_restoring_latest_twice_does_not_undo_the_first_time(tmp_path: Path) -> None:
    """The safety snapshot is the newest file and not the state that the database comes from."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        await service.restore(world.older.id)
        wanted = world.rows()
        for _ in range(2):
            report = await service.restore("latest")
            assert report.restored.id == world.older.id
            assert world.rows() == wanted


@MODES
async def test_restoring_the_safety_snapshot_undoes_a_restore(tmp_path: Path, journal_mode: str) -> None:
    """One step back, and everything that was left behind is the present again."""
    world = await played_world(tmp_path, journal_mode=journal_mode)
    before = world.rows()
    async with world.opened() as service:
        first = await service.restore(world.older.id)
        assert first.safety is not None
        await service.restore(first.safety.id)
        assert world.rows() == before
        assert (await service.get("latest")).id == first.safety.id
        assert first.lost.event_count == 0


@MODES
async def test_a_snapshot_of_another_page_size_is_restored(tmp_path: Path, journal_mode: str) -> None:
    """A database that was vacuumed to other pages since still takes its old rows, in place."""
    world = await played_world(tmp_path, journal_mode=journal_mode)
    with connected(world.database) as connection:
        connection.execute("PRAGMA journal_mode = delete")
        connection.execute("PRAGMA page_size = 8192")
        connection.execute("VACUUM")
        connection.execute(f"PRAGMA journal_mode = {journal_mode}")
        assert connection.execute("PRAGMA page_size").fetchone() == (8192,)
    wanted = world.rows_in(world.older)
    with OtherProcess(world.database, "SELECT count(*) FROM users") as game:
        async with world.opened() as service:
            report = await service.restore(world.older.id)
        assert (report.ok, report.method, report.identical) == (True, Method.ONLINE, True)
        assert game.execute("SELECT count(*) FROM users") == [[PLAYERS]]
    assert world.rows() == wanted
    assert_consistent(world.database)


async def test_a_restore_follows_a_symbolic_link_to_the_database(tmp_path: Path) -> None:
    """A database that the settings name by a link is restored where it is; the link stays a link."""
    world = await played_world(tmp_path)
    target = tmp_path / "volume" / "real.db"
    target.parent.mkdir()
    world.database.rename(target)
    world.database.symlink_to(target)
    wanted = world.rows_in(world.older)
    async with world.opened() as service:
        await service.restore(world.older.id)
        assert world.rows() == wanted
        await service._context.probe.close()
        target.write_bytes(b"")
        report = await service.restore(world.newer.id)
        assert report.method is Method.SWAP
    assert world.database.is_symlink()
    assert world.rows() == world.rows_in(world.newer)
