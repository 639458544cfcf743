"""Proving stored snapshots: what passes, what does not, and what is remembered of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from core.snapshots import Check, Form, Level, Severity, SnapshotDamaged, Verdict
from tests.worlds.game_database import CRITICAL_TABLES
from tests.worlds.service_world import PlayedWorld, ServiceWorld, flip_byte, played_world

pytestmark = pytest.mark.process


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("form", Form)
async def test_a_sound_snapshot_passes_and_the_catalog_remembers_when_and_how(
    tmp_path: Path, level: Level, form: Form
) -> None:
    """Both levels, both forms; only ``restored`` counts as one."""
    world = await played_world(tmp_path, newer=form)
    made = world.newer
    async with world.opened() as service:
        report = await service.verify(made.id, level)
        assert (report.id, report.level, report.ok, report.findings) == (made.id, level, True, ())
        remembered = await service.get(made.id)
        assert remembered.verification.level is level
        assert remembered.verification.at == report.at > made.verification.at
        assert remembered.restored_at == (report.at if level is Level.RESTORED else None)
        assert remembered.restored_seconds == (report.seconds if level is Level.RESTORED else None)
        await service.verify(made.id)
        newer = await service.get(made.id)
        assert newer.restored_seconds == remembered.restored_seconds, "a quicker verification says nothing of it"
        remembered = newer
        assert world.heard.failures == []
    async with world.opened() as later:
        assert await later.get(made.id) == remembered
        assert world.temporary_files() == set()


def flipped_inside(world: PlayedWorld) -> None:
    """Change one byte in the middle."""
    flip_byte(world.file_of(world.newer))


def flipped_at_the_end(world: PlayedWorld) -> None:
    """Change the last byte."""
    flip_byte(world.file_of(world.newer), world.newer.size - 1)


def cut_off(world: PlayedWorld) -> None:
    """Cut the last byte off."""
    with world.file_of(world.newer).open("r+b") as file:
        file.truncate(world.newer.size - 1)


def removed(world: PlayedWorld) -> None:
    """Remove the file."""
    world.file_of(world.newer).unlink()


def emptied(world: PlayedWorld) -> None:
    """Leave an empty file."""
    world.file_of(world.newer).write_bytes(b"")


def exchanged(world: PlayedWorld) -> None:
    """Put another sound snapshot in its place."""
    shutil.copyfile(world.file_of(world.older), world.file_of(world.newer))


@pytest.mark.parametrize(
    ("harm", "level"),
    [
        (flipped_inside, Level.CHECKSUM),
        (flipped_at_the_end, Level.RESTORED),
        (cut_off, Level.CHECKSUM),
        (removed, Level.RESTORED),
        (emptied, Level.CHECKSUM),
        (exchanged, Level.CHECKSUM),
        (exchanged, Level.RESTORED),
    ],
)
@pytest.mark.parametrize("form", Form)
async def test_a_damaged_snapshot_is_marked_told_and_kept(
    tmp_path: Path, harm: Callable[[PlayedWorld], None], level: Level, form: Form
) -> None:
    """Whatever happened to the file: not ok, with a reason, marked in the catalog, not deleted, not taken for
    newest.
    """
    world = await played_world(tmp_path, newer=form)
    older, made = world.older, world.newer
    async with world.opened() as service:
        harm(world)
        files = world.files()
        report = await service.verify(made.id, level)
        assert not report.ok
        assert [(finding.check, finding.severity) for finding in report.findings] == [(Check.FILE, Severity.ERROR)]
        assert report.findings[0].message
        assert world.files() == files
        remembered = await service.get(made.id)
        assert remembered.damaged
        assert remembered.verification.at == report.at
        assert await service.get("latest") == older
        (told,) = world.heard.failures
        assert told[0] == "verification"
        assert isinstance(told[1], SnapshotDamaged)
        assert told[1].snapshot_id == made.id
        assert (world.repository / "latest.db.gz").readlink() == Path(older.path)


@pytest.mark.parametrize("form", Form)
async def test_a_file_that_was_put_back_passes_again(tmp_path: Path, form: Form) -> None:
    """A mark is the outcome of the last look, not a sentence for life."""
    world = await played_world(tmp_path, newer=form)
    made = world.newer
    async with world.opened() as service:
        flip_byte(world.file_of(made))
        assert not (await service.verify(made.id)).ok
        flip_byte(world.file_of(made))
        assert (await service.verify(made.id)).ok
        assert not (await service.get(made.id)).damaged


async def test_what_is_found_in_a_state_does_not_damage_the_snapshot_of_it(tmp_path: Path) -> None:
    """Its bytes are as they were, so both levels pass; what is wrong with the state is reported as its health."""
    world = ServiceWorld(tmp_path)
    world.play("UPDATE creator_packs SET cards_data = '[{broken' WHERE id = 3")
    async with world.opened() as service:
        made = (await service.create()).snapshot
        assert (await service.verify(made.id, Level.CHECKSUM)).ok
        report = await service.verify(made.id, Level.RESTORED)
        assert report.ok
        assert [finding.check for finding in report.findings] == [Check.JSON]
        listed = await service.get(made.id)
        assert not listed.damaged
        assert listed.health == report.health
        assert report.health is not None
        assert (report.health.verdict, report.health.findings) == (Verdict.SUSPICIOUS, report.findings)
        assert world.heard.failures == []


async def test_a_table_that_a_snapshot_never_had_says_nothing_against_it(tmp_path: Path) -> None:
    """Settings that name a table of another game must not condemn every snapshot of this one."""
    world = ServiceWorld(tmp_path)
    async with world.opened(database={"critical_tables": (*CRITICAL_TABLES, "guilds")}) as service:
        made = (await service.create()).snapshot
        assert "guilds" not in made.rows
        assert (await service.verify(made.id, Level.RESTORED)).ok


async def test_the_newest_is_verified_automatically_once_an_interval(tmp_path: Path) -> None:
    """``verify_due`` verifies the newest if none was verified for ``verify_interval``, and otherwise does nothing."""
    assert await _due_in_an_empty_repository(tmp_path / "empty") is None
    world = await played_world(tmp_path)
    async with world.opened(schedule={"verify_interval": 3600.0}) as service:
        newest = world.newer
        report = await service.verify_due()
        assert report is not None
        assert (report.id, report.level, report.ok) == (newest.id, Level.RESTORED, True)
        assert await service.verify_due() is None
        world.clock.advance(hours=1)
        assert (await service.verify_due()) is not None


async def _due_in_an_empty_repository(folder: Path) -> object:
    folder.mkdir()
    async with ServiceWorld(folder).opened() as service:
        return await service.verify_due()
