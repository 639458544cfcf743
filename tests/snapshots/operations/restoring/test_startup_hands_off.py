"""A start-up check that must not touch anything: nothing is wrong, that is unknown, or no restore would help."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core.snapshots import Check, NotEnoughSpace, SnapshotError, StartupOutcome
from tests.worlds.database_harm import (
    header_destroyed,
    missing,
    pages_of_a_minor_table_damaged,
    pages_of_a_table_damaged,
)
from tests.worlds.game_database import CRITICAL_TABLES, OtherProcess, assert_consistent, connected
from tests.worlds.service_world import PLAYERS, PlayedWorld, ServiceWorld, flip_byte, played_world

pytestmark = pytest.mark.process

_POSIX = pytest.mark.skipif(os.name == "nt", reason="has no pipes and few links")


@pytest.mark.parametrize(("check", "journal_mode"), [("quick", "wal"), ("full", "delete")])
async def test_a_sound_database_passes(tmp_path: Path, check: str, journal_mode: str) -> None:
    """Clean, in a sentence; the database is not changed by looking."""
    world = await played_world(tmp_path, journal_mode=journal_mode)
    before = world.rows()
    async with world.opened(startup={"check": check}) as service:
        report = await service.start_up()
        assert report.outcome is StartupOutcome.CLEAN
        assert report.integrity is not None
        assert report.integrity.findings == ()
        assert report.integrity.rows["users"] == PLAYERS + 2
        assert report.message.startswith("The database passed its start-up check in ")
        assert world.heard.plans == []
    assert world.rows() == before


@pytest.mark.parametrize("file", [None, b""])
async def test_a_bot_that_starts_for_the_first_time_is_not_damaged(tmp_path: Path, file: bytes | None) -> None:
    """No database and no snapshot is a new beginning; the file is not made by us."""
    world = ServiceWorld(tmp_path, game=False)
    if file is not None:
        world.database.write_bytes(file)
    async with world.opened() as service:
        report = await service.start_up()
        assert report.outcome is StartupOutcome.NEW
        assert world.database.exists() == (file is not None)


async def test_a_database_without_tables_and_without_snapshots_is_new(tmp_path: Path) -> None:
    """A host that made its file and not yet its tables is at the beginning, too."""
    world = ServiceWorld(tmp_path, game=False)
    with connected(world.database) as connection:
        connection.execute("PRAGMA journal_mode = wal")
    async with world.opened() as service:
        assert (await service.start_up()).outcome is StartupOutcome.NEW


async def test_warnings_are_reported_and_nothing_more(tmp_path: Path) -> None:
    """An emptied table and rows that refer to nothing are for a person to look at, not for us to undo."""
    world = await played_world(tmp_path)
    world.play("DELETE FROM creator_packs")
    world.play("DELETE FROM cards WHERE id = 1")
    before = world.rows()
    async with world.opened() as service:
        report = await service.start_up()
        assert report.outcome is StartupOutcome.SUSPICIOUS
        assert report.integrity is not None
        assert {finding.check for finding in report.integrity.warnings} == {Check.ROWS, Check.FOREIGN_KEYS}
        assert "Nothing was touched" in report.message
    assert world.rows() == before


@pytest.mark.kill
async def test_a_log_of_a_killed_game_is_recovered_and_not_taken_for_damage(tmp_path: Path) -> None:
    """What was committed into the write-ahead log is there after the check."""
    world = await played_world(tmp_path)
    with OtherProcess(world.database) as game:
        game.execute("PRAGMA wal_autocheckpoint = 0")
        game.execute("INSERT INTO users (id, name, dust) VALUES (777, 'only in the log', 1000)")
        game.kill()
    async with world.opened() as service:
        assert (await service.start_up()).outcome is StartupOutcome.CLEAN
    assert 777 in [row[0] for row in world.rows()["users"]]


@pytest.mark.kill
async def test_a_hot_journal_of_a_killed_game_is_rolled_back_and_not_taken_for_damage(tmp_path: Path) -> None:
    """What was not committed is gone after the check, and the database is sound."""
    world = await played_world(tmp_path, journal_mode="delete")
    before = world.rows()
    with OtherProcess(world.database) as game:
        for statement in ("PRAGMA cache_size = 1", "PRAGMA cache_spill = 1", "BEGIN", "DELETE FROM user_cards"):
            game.execute(statement)
        game.execute("UPDATE cards SET story = hex(randomblob(450))")
        game.kill()
    assert world.database.with_name("game.db-journal").stat().st_size > 512
    async with world.opened() as service:
        assert (await service.start_up()).outcome is StartupOutcome.CLEAN
        assert world.rows() == before
        assert_consistent(world.database)


async def test_a_busy_database_is_not_taken_for_damage(tmp_path: Path) -> None:
    """Somebody holds it: it was not checked, and nothing was touched."""
    world = await played_world(tmp_path, journal_mode="delete")
    before = world.database_files()
    async with world.opened(database={"busy_timeout": 0.2}) as service:
        with OtherProcess(world.database, "BEGIN EXCLUSIVE"):
            report = await service.start_up()
        assert report.outcome is StartupOutcome.UNCHECKED
        assert "busy" in report.message
    assert world.database_files() == before


@pytest.mark.parametrize(
    ("put", "said"),
    [
        (Path.mkdir, "folder"),
        pytest.param(lambda path: os.mkfifo(path), "pipe", marks=_POSIX),
        pytest.param(lambda path: path.symlink_to(path.name), "links", marks=_POSIX),
    ],
    ids=["a folder", "a pipe", "a link to itself"],
)
async def test_no_file_in_the_databases_place_is_not_taken_for_damage(
    tmp_path: Path, put: Callable[[Path], None], said: str
) -> None:
    """A wrong path or a volume mounted wrongly says nothing about the data, and nobody waits for a pipe."""
    world = await played_world(tmp_path)
    world.database.unlink()
    put(world.database)
    async with world.opened() as service:
        report = await service.start_up()
        assert report.outcome is StartupOutcome.UNCHECKED
        assert said in report.message
        with pytest.raises(SnapshotError):
            await service.create()
    assert world.database.is_symlink() or world.database.exists()
    assert not world.database.is_file()


async def test_a_check_that_takes_too_long_is_not_taken_for_damage(tmp_path: Path) -> None:
    """The bot starts; the owner is told that nothing was checked."""
    world = await played_world(tmp_path)
    async with world.opened(startup={"deadline": 1e-6}) as service:
        report = await service.start_up()
        assert report.outcome is StartupOutcome.UNCHECKED
        assert report.restore is None


async def test_a_worker_that_dies_is_not_taken_for_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever kept us from looking, it is our trouble and not the database's."""
    world = await played_world(tmp_path)
    dying = tmp_path / "dying-python"
    dying.write_text("#!/bin/sh\nkill -9 $$\n")
    dying.chmod(0o700)
    async with world.opened() as service:
        monkeypatch.setattr("core.snapshots.worker.client.sys.executable", str(dying))
        report = await service.start_up()
        assert report.outcome is StartupOutcome.UNCHECKED
        assert report.restore is None


def nothing_stored(world: PlayedWorld) -> None:
    """Remove every snapshot with the catalog."""
    for path in [*world.repository.rglob("*.gz"), *world.repository.glob("*.json")]:
        path.unlink()


def all_damaged(world: PlayedWorld) -> None:
    """Damage every snapshot."""
    flip_byte(world.file_of(world.older))
    flip_byte(world.file_of(world.newer))


@pytest.mark.parametrize("spoil", [nothing_stored, all_damaged])
@pytest.mark.parametrize("harm", [header_destroyed, pages_of_a_table_damaged])
async def test_without_a_usable_snapshot_nothing_is_touched(
    tmp_path: Path, harm: Callable[[PlayedWorld], None], spoil: Callable[[PlayedWorld], None]
) -> None:
    """The damaged database is all there is: it stays byte for byte, and the sentence says so."""
    world = await played_world(tmp_path)
    harm(world)
    spoil(world)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("game.db")}
    async with world.opened() as service:
        report = await service.start_up()
        assert report.outcome is StartupOutcome.DAMAGED
        assert "nothing was touched" in report.message
        assert report.restore is None
        assert {path.name: path.read_bytes() for path in tmp_path.glob("game.db")} == before
        assert not (world.repository / "quarantine").exists()


async def test_a_missing_database_without_a_usable_snapshot_is_not_made(tmp_path: Path) -> None:
    """No file appears where none was."""
    world = await played_world(tmp_path)
    missing(world)
    all_damaged(world)
    async with world.opened() as service:
        report = await service.start_up()
        assert report.outcome is StartupOutcome.DAMAGED
        assert not world.database.exists()


async def test_a_table_that_no_snapshot_has_either_is_a_matter_of_settings(tmp_path: Path) -> None:
    """Going back in time would lose play and mend nothing."""
    world = await played_world(tmp_path)
    before = world.rows()
    async with world.opened(database={"critical_tables": (*CRITICAL_TABLES, "guilds")}) as service:
        report = await service.start_up()
        assert report.outcome is StartupOutcome.SUSPICIOUS
        assert "guilds" in report.message
        assert "Nothing was touched" in report.message
    assert world.rows() == before


async def test_a_misnamed_table_does_not_keep_a_damaged_database_from_being_mended(tmp_path: Path) -> None:
    """With a real damage beside it, the newest snapshot goes back: it mends what can be mended."""
    world = await played_world(tmp_path)
    pages_of_a_minor_table_damaged(world)
    async with world.opened(database={"critical_tables": (*CRITICAL_TABLES, "guilds")}) as service:
        assert (await service.start_up()).outcome is StartupOutcome.RESTORED
    assert world.rows() == world.rows_in(world.newer)


@pytest.mark.parametrize(
    ("startup", "outcome"),
    [({"check": "off"}, StartupOutcome.SKIPPED), ({"restore": "never"}, StartupOutcome.DAMAGED)],
)
async def test_what_is_switched_off_is_not_done(
    tmp_path: Path, startup: dict[str, object], outcome: StartupOutcome
) -> None:
    """Neither the check nor the restore happens against the owner's will; the sentence names the setting."""
    world = await played_world(tmp_path)
    header_destroyed(world)
    before = world.database_files()
    async with world.opened(startup=startup) as service:
        report = await service.start_up()
        assert report.outcome is outcome
        assert "[startup]" in report.message
        assert world.database_files() == before
        assert world.heard.plans == []


async def test_a_full_disk_stops_the_mending_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence has the figures; the damaged database stays where it is."""
    world = await played_world(tmp_path)
    header_destroyed(world)
    before = world.database_files()
    async with world.opened() as service:
        monkeypatch.setattr("core.snapshots.files.free_space", lambda path: 4096)
        report = await service.start_up()
        assert report.outcome is StartupOutcome.DAMAGED
        assert "4.0 KiB free" in report.message
        assert world.database_files() == before
        assert world.temporary_files() == set()
        with pytest.raises(NotEnoughSpace):
            await service.restore(world.newer.id)
