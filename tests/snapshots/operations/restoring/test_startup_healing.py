"""A bot that starts with a damaged database: what is restored, from which snapshot, and what the owner is told."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from core.snapshots import Form, Kind, Method, StartupOutcome
from tests.worlds.database_harm import (
    emptied,
    header_destroyed,
    header_destroyed_beside_a_log,
    log_left_behind,
    missing,
    pages_of_a_minor_table_damaged,
    pages_of_a_table_damaged,
    truncated,
)
from tests.worlds.game_database import OtherProcess, assert_consistent
from tests.worlds.service_world import PlayedWorld, flip_byte, ids, messages, played_world

pytestmark = pytest.mark.process


@pytest.mark.kill
@pytest.mark.parametrize(
    ("harm", "journal_mode", "form"),
    [
        (pages_of_a_table_damaged, "wal", Form.FULL),
        (pages_of_a_table_damaged, "wal", Form.INCREMENTAL),
        (pages_of_a_minor_table_damaged, "delete", Form.FULL),
        (header_destroyed, "wal", Form.FULL),
        (header_destroyed, "delete", Form.INCREMENTAL),
        (header_destroyed_beside_a_log, "wal", Form.FULL),
        (truncated, "delete", Form.FULL),
        (emptied, "wal", Form.FULL),
        (missing, "delete", Form.FULL),
        (missing, "wal", Form.INCREMENTAL),
        (log_left_behind, "wal", Form.FULL),
    ],
)
async def test_a_damaged_database_is_restored_from_the_newest_snapshot(
    tmp_path: Path, journal_mode: str, harm: Callable[[PlayedWorld], None], form: Form
) -> None:
    """Every row of the snapshot, the damaged file in quarantine as it was, and the owner told what is lost."""
    world = await played_world(tmp_path, journal_mode=journal_mode, newer=form)
    harm(world)
    damaged = world.database.read_bytes() if world.database.exists() else None
    async with world.opened() as service:
        report = await service.start_up()
        assert report.outcome is StartupOutcome.RESTORED, report.message
        assert report.integrity is not None
        assert report.integrity.errors
        assert any(found.rstrip(".") in report.message for found in messages(report.integrity))
        assert report.tried == (world.newer.id,)
        restored = report.restore
        assert restored is not None
        assert (restored.ok, restored.automatic, restored.restored.id) == (True, True, world.newer.id)
        assert (restored.method, restored.identical) == (Method.SWAP, True)
        assert world.newer.id in report.message
        assert "Lost is what was written after that. " in report.message
        rows = [count for pair in restored.lost.rows.values() for count in pair]
        assert ("How many rows that is cannot be counted" in report.message) is (None in rows)
        assert 590 < restored.lost.seconds < 660
        if damaged is not None:
            assert restored.quarantine is not None
            assert restored.quarantine in report.message
            assert (world.repository / "quarantine" / restored.quarantine / "game.db").read_bytes() == damaged
        assert world.heard.reports == [restored]
        assert len(world.heard.plans) == 1
        assert world.temporary_files() == set()
    assert world.rows() == world.rows_in(world.newer)
    assert_consistent(world.database)
    assert world.beside_the_database() == []


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="only Linux has these calls")
async def test_rights_and_attributes_of_the_file_survive_healing(tmp_path: Path) -> None:
    """Its mode, the access list by which a web panel's user may read it, and what others attached to it."""
    world = await played_world(tmp_path)
    entries = ((1, 6, -1), (2, 4, 12345), (4, 0, -1), (16, 4, -1), (32, 0, -1))  # tag, rights, user: see acl(5)
    access_list = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    wanted = {}
    for name, value in (("user.note", b"the panel's"), ("system.posix_acl_access", access_list)):
        try:
            os.setxattr(world.database, name, value)
            wanted[name] = value
        except OSError as error:
            if error.errno != errno.ENOTSUP:  # this file system has none
                raise
    mode = world.database.stat().st_mode
    header_destroyed(world)
    async with world.opened() as service:
        assert (await service.start_up()).outcome is StartupOutcome.RESTORED
    assert world.database.stat().st_mode == mode
    assert {name: os.getxattr(world.database, name) for name in wanted} == wanted


async def test_the_owner_is_told_which_events_are_lost(tmp_path: Path) -> None:
    """Where the newest snapshots are damaged, what was recorded after the one that is restored is named and counted."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        for number in range(7):
            service.request(Kind.CRITICAL, f"marketplace_buy_{number}")
        world.play()
        await service.settled()
        newest = (await service.list())[0]
    flip_byte(world.file_of(newest))
    flip_byte(world.file_of(world.newer))
    header_destroyed(world)
    async with world.opened() as service:
        report = await service.start_up()
        assert report.outcome is StartupOutcome.RESTORED
        assert report.tried == (newest.id, world.newer.id, world.older.id)
        assert "and 7 recorded events (marketplace_buy_0, marketplace_buy_1, " in report.message
        assert "marketplace_buy_5" not in report.message
        assert {snapshot.id: snapshot.damaged for snapshot in await service.list()} == {
            newest.id: True,
            world.newer.id: True,
            world.older.id: False,
        }
    assert world.rows() == world.rows_in(world.older)


async def test_a_start_up_restore_does_not_undo_what_the_owner_restored(tmp_path: Path) -> None:
    """After a restore by hand the present comes from the older snapshot: neither the newer one nor the safety one."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        await service.restore(world.older.id)
    header_destroyed(world)
    async with world.opened() as service:
        report = await service.start_up()
        assert report.outcome is StartupOutcome.RESTORED
        assert report.tried == (world.older.id,)
    assert world.rows() == world.rows_in(world.older)


async def test_a_second_automatic_restore_within_the_pause_is_refused(tmp_path: Path) -> None:
    """Something damages the database again and again: a person is asked, nothing is touched; later it is mended
    again.
    """
    world = await played_world(tmp_path)
    header_destroyed(world)
    async with world.opened() as service:
        assert (await service.start_up()).outcome is StartupOutcome.RESTORED
    world.clock.advance(minutes=59)
    header_destroyed(world)
    async with world.opened() as service:
        before = world.database_files()
        refused = await service.start_up()
        assert refused.outcome is StartupOutcome.REFUSED
        assert refused.restore is None
        assert world.newer.id in refused.message
        assert "nothing was touched" in refused.message
        assert world.database_files() == before
        world.clock.advance(minutes=2)
        assert (await service.start_up()).outcome is StartupOutcome.RESTORED


async def test_a_restore_by_hand_is_no_reason_to_refuse_an_automatic_one(tmp_path: Path) -> None:
    """Only automatic ones count for the pause."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        await service.restore(world.newer.id)
    header_destroyed(world)
    async with world.opened() as service:
        assert (await service.start_up()).outcome is StartupOutcome.RESTORED


async def test_a_damaged_database_that_somebody_has_open_is_mended_in_place(tmp_path: Path) -> None:
    """Files are never exchanged under a process that uses them; where SQLite can write it goes through SQLite."""
    world = await played_world(tmp_path)
    pages_of_a_minor_table_damaged(world)
    with OtherProcess(world.database, "SELECT count(*) FROM users") as game:
        async with world.opened(database={"busy_timeout": 0.3}) as service:
            report = await service.start_up()
            assert report.outcome is StartupOutcome.RESTORED, report.message
            assert report.restore is not None
            assert report.restore.method is Method.ONLINE
            assert report.restore.safety is not None
            assert len(world.heard.plans) == len(world.heard.reports)
        assert game.execute("PRAGMA integrity_check") == [["ok"]]
    assert world.rows() == world.rows_in(world.newer)


async def test_a_database_that_cannot_be_opened_and_is_in_use_is_left_alone(tmp_path: Path) -> None:
    """The sentence names who has it open; nothing is touched."""
    world = await played_world(tmp_path)
    with OtherProcess(world.database, "SELECT count(*) FROM users") as game:
        header_destroyed(world)
        before = world.database_files()
        async with world.opened(database={"busy_timeout": 0.3}) as service:
            report = await service.start_up()
            assert report.outcome is StartupOutcome.DAMAGED
            assert f"process {game.pid}" in report.message
            assert world.database_files() == before
            assert not (world.repository / "quarantine").exists()


async def test_a_snapshot_that_lost_its_file_is_passed_over(tmp_path: Path) -> None:
    """The newest file was removed by hand after the start: the older one is tried next."""
    world = await played_world(tmp_path)
    header_destroyed(world)
    async with world.opened() as service:
        world.file_of(world.newer).unlink()
        report = await service.start_up()
        assert report.outcome is StartupOutcome.RESTORED
        assert report.tried[-1] == world.older.id
        assert ids(await service.list())[-1] == world.older.id
    assert world.rows() == world.rows_in(world.older)
