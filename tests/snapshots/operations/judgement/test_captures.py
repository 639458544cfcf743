"""What a snapshot meets while it is taken: pages that cannot be read, and pages that changed by themselves."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.snapshots import Check, Form, Kind, Level, Severity, StartupOutcome, Verdict
from tests.worlds.game_database import OtherProcess
from tests.worlds.judgement.pages import leaf_of, page_size_of, write_page, zero_page
from tests.worlds.service_world import PlayedWorld, ServiceWorld, flip_byte, played_world, rows_of_gzip

pytestmark = pytest.mark.process


@pytest.fixture
async def world(tmp_path: Path) -> PlayedWorld:
    return await played_world(tmp_path, journal_mode="delete")


async def test_an_event_of_a_sound_game_is_not_checked_and_has_the_health_of_its_full(world: PlayedWorld) -> None:
    """What an event costs must not grow with the database."""
    async with world.opened() as service:
        full = (await service.create()).snapshot
        world.play()
        event = (await service.create(Kind.CRITICAL)).snapshot
        assert event.form is Form.INCREMENTAL
        assert full.health is not None
        assert full.health.verdict is Verdict.SOUND
        assert event.health == full.health


@pytest.mark.parametrize("content", [b"\xa5" * 4096, bytes(4096), b"\x0d\x00\x00\xff\xff" + b"\x11" * 4091])
async def test_an_event_that_meets_a_page_that_cannot_be_decoded_has_everything_checked(
    world: PlayedWorld, content: bytes
) -> None:
    """It is taken, says of what it is, and the owner hears at once, not at the next start."""
    async with world.opened() as service:
        await service.create()
        write_page(world.database, leaf_of(world.database, "cards"), content)
        world.play()
        event = (await service.create(Kind.CRITICAL)).snapshot
        assert event.form is Form.INCREMENTAL
        assert event.health is not None
        assert event.health.verdict is Verdict.UNREADABLE
        assert {finding.table for finding in event.health.findings if finding.check is Check.PAGES} == {"cards"}
        assert [health.verdict for health in world.heard.healths] == [Verdict.UNREADABLE]
        live = (await service.status()).live
        assert live is not None
        assert live.verdict is Verdict.UNREADABLE
        world.play()
        await service.create(Kind.CRITICAL)
        assert len(world.heard.healths) == 1
        assert (await service.start_up()).outcome is StartupOutcome.RESTORED


async def test_latest_always_unpacks_to_a_database_that_opens(world: PlayedWorld) -> None:
    """Whatever is taken of a database that cannot be read, gunzip gives back the newest that can."""
    async with world.opened() as service:
        zero_page(world.database, leaf_of(world.database, "cards"))
        for kind in (Kind.PERIODIC, Kind.MANUAL, Kind.SHUTDOWN):
            world.clock.advance(hours=1)
            world.play()
            await service.create(kind)
        rows = rows_of_gzip(world.repository / "latest.db.gz", world.folder / "unpacked.db")
    assert rows == world.rows_in(world.newer)


async def test_health_is_in_the_file_and_comes_back_with_a_rebuilt_catalog(world: PlayedWorld) -> None:
    """Nobody looks at a full again because the catalog was lost; an event has that of what it builds on."""
    async with world.opened() as service:
        zero_page(world.database, leaf_of(world.database, "cards"))
        full = (await service.create()).snapshot
        world.play()
        await service.create(Kind.CRITICAL)
        old = {snapshot.id: snapshot.health for snapshot in await service.list()}
        (world.repository / "backup_metadata.json").unlink()
        (world.repository / ".work" / "catalog.previous.json").unlink()
        await service.rebuild_catalog()
        new = {snapshot.id: snapshot.health for snapshot in await service.list()}
        assert new == old
        assert old[full.id] is not None
        assert (await service.get("latest")).id == world.newer.id


async def test_a_verification_of_a_snapshot_of_damage_says_so_and_does_not_count(world: PlayedWorld) -> None:
    """Its bytes are what they were, so it is not marked; it is no proof that a restore works either."""
    async with world.opened() as service:
        zero_page(world.database, leaf_of(world.database, "cards"))
        bad = (await service.create()).snapshot
        assert (await service.verify(bad.id)).ok
        report = await service.verify(bad.id, Level.RESTORED)
        assert not report.ok
        assert report.health is not None
        assert report.health.verdict is Verdict.UNREADABLE
        remembered = await service.get(bad.id)
        assert (remembered.damaged, remembered.restored_at) == (False, None)
        ((operation, error),) = world.heard.failures
        assert operation == "verification"
        assert "the database was damaged when it was taken" in str(error)
        due = await service.verify_due()
        assert due is not None
        assert (due.id, due.ok) == (world.newer.id, True)


@pytest.fixture
def rotting(tmp_path: Path) -> Iterator[tuple[ServiceWorld, OtherProcess]]:
    """Return a world whose game keeps its log, so that the log names every page that was written."""
    world = ServiceWorld(tmp_path)
    with OtherProcess(world.database, "PRAGMA wal_autocheckpoint = 0", "SELECT 1 FROM users") as game:
        yield world, game


def text_of_a_card(path: Path) -> int:
    """Return where in the file a letter of a story is that nobody writes."""
    content, size = path.read_bytes(), page_size_of(path)
    number = content.index(b"Card 3") // size
    return (number + 1) * size - 40


async def test_rot_is_told_from_play_in_rollback_mode_by_the_change_counter(tmp_path: Path) -> None:
    """SQLite counts every transaction in the first page: another page that changed alone was written by nobody."""
    world = ServiceWorld(tmp_path, journal_mode="delete")
    async with world.opened() as service:
        await service.create()
        world.play()
        assert (await service.create(Kind.CRITICAL)).snapshot.form is Form.INCREMENTAL
        assert world.heard.healths == []
        flip_byte(world.database, text_of_a_card(world.database))
        rotten = (await service.create()).snapshot
        assert rotten.health is not None
        assert [finding.check for finding in rotten.health.findings] == [Check.ROT]
        # A restore sets the counter back, so after it nothing is compared with what was before.
        await service.restore(service.known[0].id)
        world.play()
        world.play()
        assert (await service.create(Kind.CRITICAL)).snapshot.form is Form.FULL
    assert [health.verdict for health in world.heard.healths].count(Verdict.INCONSISTENT) == 1


async def test_a_copy_that_the_owner_put_in_place_is_not_taken_for_rot(tmp_path: Path) -> None:
    """What is unpacked of a snapshot is in rollback mode; in WAL mode, where the game was, SQLite counts nothing."""
    world = await played_world(tmp_path)
    for side in tmp_path.glob("game.db*"):
        side.unlink()
    world.database.write_bytes(gzip.decompress(world.file_of(world.older).read_bytes()))
    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        assert snapshot.health is not None
        assert snapshot.health.findings == ()
    assert world.heard.healths == []
    assert world.rows_in(snapshot) == world.rows_in(world.older)


async def test_a_page_that_changed_although_nothing_wrote_it_is_reported_as_rot(
    rotting: tuple[ServiceWorld, OtherProcess],
) -> None:
    """A flipped letter passes every check of SQLite; the log that does not name the page gives it away."""
    world, game = rotting
    play = "UPDATE users SET cards_owned = cards_owned + 1 WHERE id = 1"
    async with world.opened() as service:
        game.execute(play)
        await service.create()
        game.execute(play)
        assert (await service.create(Kind.CRITICAL)).snapshot.form is Form.INCREMENTAL
        flip_byte(world.database, text_of_a_card(world.database))
        game.execute(play)
        rotten = (await service.create(Kind.CRITICAL)).snapshot
        assert rotten.form is Form.FULL
        assert rotten.health is not None
        (finding,) = rotten.health.findings
        assert (finding.check, finding.severity) == (Check.ROT, Severity.ERROR)
        assert "although nothing wrote it" in finding.message
        assert finding.remedy
        assert [health.verdict for health in world.heard.healths] == [Verdict.INCONSISTENT]
        game.execute(play)
        await service.create(Kind.CRITICAL)
        assert len(world.heard.healths) == 1
        await service.integrity(quick=True)
        assert (live := (await service.status()).live)
        assert live.verdict is Verdict.INCONSISTENT
        await service.integrity()
        assert [health.verdict for health in world.heard.healths] == [Verdict.INCONSISTENT, Verdict.SOUND]
