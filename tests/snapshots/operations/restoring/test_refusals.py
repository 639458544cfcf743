"""Restores that must not happen, or not now: the database stays byte for byte what it was."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.snapshots import Busy, DatabaseBusy, Form, Kind, PlanOutdated, SnapshotDamaged
from tests.worlds.game_database import OtherProcess
from tests.worlds.service_world import flip_byte, ids, messages, played_world

pytestmark = pytest.mark.process


@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
async def test_a_held_lock_ends_in_database_busy_and_changes_nothing(tmp_path: Path, journal_mode: str) -> None:
    """A transaction that is left open is waited for as long as the setting says, never for ever."""
    world = await played_world(tmp_path, journal_mode=journal_mode)
    before = world.rows()
    async with world.opened(database={"busy_timeout": 0.5}) as service:
        with OtherProcess(world.database, "BEGIN IMMEDIATE", "DELETE FROM user_cards WHERE id = 1") as game:
            with pytest.raises(DatabaseBusy):
                await service.restore(world.older.id)
            game.execute("ROLLBACK")
        assert world.rows() == before
        assert world.temporary_files() == set()
        assert len(world.heard.plans) == 1
        (report,) = world.heard.reports
        assert not report.ok
        assert report.error
        plan = await service.restore_plan(world.older.id)
        assert plan.lost.event_count == 0
        assert (await service.get("latest")).id != world.older.id
        assert (await service.restore(world.older.id)).ok


async def test_an_exclusive_lock_is_busy_before_anything_is_said_or_done(tmp_path: Path) -> None:
    """A database that cannot even be looked at gives no plan, and no listener pauses its game for nothing."""
    world = await played_world(tmp_path, journal_mode="delete")
    before = world.database_files()
    async with world.opened(database={"busy_timeout": 0.2}) as service:
        with OtherProcess(world.database, "BEGIN EXCLUSIVE"):
            with pytest.raises(DatabaseBusy):
                await service.restore_plan(world.older.id)
            with pytest.raises(DatabaseBusy):
                await service.restore(world.older.id)
    assert world.database_files() == before
    assert world.heard.plans == []


@pytest.mark.parametrize("form", Form)
async def test_a_damaged_snapshot_is_refused_and_marked(tmp_path: Path, form: Form) -> None:
    """It is found before anything is touched; the sentence names it, the next restore chooses another."""
    world = await played_world(tmp_path, newer=form)
    before = world.rows()
    flip_byte(world.file_of(world.newer))
    async with world.opened() as service:
        files = world.files()
        with pytest.raises(SnapshotDamaged, match=world.newer.id) as caught:
            await service.restore(world.newer.id)
        assert caught.value.snapshot_id == world.newer.id
        assert caught.value.findings
        assert world.rows() == before
        assert world.files() == files
        assert world.temporary_files() == set()
        assert (await service.get(world.newer.id)).damaged
        assert [report.ok for report in world.heard.reports] == [False]
        assert (await service.restore("latest")).restored.id == world.older.id


async def test_a_restore_by_hand_is_not_refused_for_what_is_in_the_state(tmp_path: Path) -> None:
    """The owner decides: values that are not JSON come back as they were, and the report names them."""
    world = await played_world(tmp_path)
    world.play("UPDATE creator_packs SET cards_data = 'no json' WHERE id = 1")
    async with world.opened() as service:
        broken = (await service.create()).snapshot
        world.play("UPDATE creator_packs SET cards_data = '[]' WHERE id = 1")
        report = await service.restore(broken.id)
        assert (report.ok, report.identical) == (True, True)
        assert messages(report.integrity) == ["creator_packs.cards_data: 1 value is not JSON."]
        assert not (await service.get(broken.id)).damaged
        assert world.rows() == world.rows_in(broken)


async def test_a_plan_is_outdated_by_a_restore_in_between(tmp_path: Path) -> None:
    """Who agreed to one state does not restore over another; play in between outdates nothing."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        plan = await service.restore_plan(world.older.id)
        world.add_users(503)
        world.clock.advance(minutes=2)
        await service.create(Kind.CRITICAL)
        assert (await service.restore_plan(world.older.id)).token == plan.token
        await service.restore(world.newer.id)
        files, rows = world.files(), world.rows()
        with pytest.raises(PlanOutdated):
            await service.restore(world.older.id, agreed=plan.token)
        assert (world.files(), world.rows()) == (files, rows)
        assert len(world.heard.plans) == 1
        fresh = await service.restore_plan(world.older.id)
        assert (await service.restore(world.older.id, agreed=fresh.token)).ok


async def test_a_plan_is_outdated_by_another_file_at_the_databases_place(tmp_path: Path) -> None:
    """Somebody copied an old database over the live one while the person thought about it."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        plan = await service.restore_plan(world.older.id)
        await service._context.probe.close()
        copy = tmp_path / "copy.db"
        copy.write_bytes(world.database.read_bytes())
        copy.replace(world.database)
        before = world.database_files()
        for token in (plan.token, "", "nonsense"):
            with pytest.raises(PlanOutdated):
                await service.restore(world.older.id, agreed=token)
        assert world.database_files() == before
        assert world.heard.plans == []


async def test_a_plan_is_outdated_where_the_snapshot_turns_out_damaged(tmp_path: Path) -> None:
    """A verification between the look and the click counts."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        plan = await service.restore_plan(world.older.id)
        flip_byte(world.file_of(world.older))
        await service.verify(world.older.id)
        with pytest.raises(PlanOutdated):
            await service.restore(world.older.id, agreed=plan.token)


async def test_a_second_restore_while_one_runs_is_busy_at_once(tmp_path: Path) -> None:
    """Two clicks are one restore; the second does not wait to undo the first."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        first = asyncio.create_task(service.restore(world.older.id))
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="restore is running"):
            await service.restore(world.newer.id)
        report = await first
        assert report.restored.id == world.older.id
        assert world.rows() == world.rows_in(world.older)
        assert (await service.restore(world.newer.id)).ok


async def test_an_event_during_a_restore_waits_and_is_covered_after_it(tmp_path: Path) -> None:
    """It is neither lost nor mixed up with the restore: its snapshot begins after the new state is in place."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        restoring = asyncio.create_task(service.restore(world.older.id))
        while not world.heard.plans:
            await asyncio.sleep(0.001)
        ticket = service.request(Kind.CRITICAL, "pack_published_7")
        report = await restoring
        covering = await ticket.wait()
        assert covering.began_at > ticket.request.at
        assert report.safety is not None
        assert covering.sequence > report.safety.sequence
        assert covering.rows["users"] == world.older.rows["users"]
        assert ids(await service.list())[0] == covering.id
        assert (await service.get("latest")).id == covering.id
