"""Restores whose change was made and whose comparison was not: what is reported is what happened."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from core.snapshots import RestoreReport, SnapshotService, Verdict
from core.snapshots.models import Actor
from tests.worlds.service_world import PlayedWorld, played_world, rows_of_gzip
from tests.worlds.workers import HeldWorkers, only_worker

pytestmark = [pytest.mark.process, pytest.mark.kill]

OWNER = Actor(source="discord", name="owner", id=7)


@pytest.fixture
async def world(tmp_path: Path) -> PlayedWorld:
    return await played_world(tmp_path)


async def comparing(
    world: PlayedWorld, service: SnapshotService, monkeypatch: pytest.MonkeyPatch
) -> asyncio.Task[RestoreReport]:
    """Return a restore of the older snapshot that has been committed and whose worker compares the result."""
    with monkeypatch.context() as patch:
        held = HeldWorkers(world.folder, patch, "result.db")
        restoring = asyncio.create_task(service.restore(world.older.id, actor=OWNER))
        await held.until_one_waits()
    return restoring


async def expect_restored(world: PlayedWorld, service: SnapshotService) -> None:
    """See that everybody knows that the database is the older snapshot, and that nobody compared it."""
    (told,) = world.heard.reports
    assert (told.ok, told.identical, told.integrity) == (True, None, None)
    assert told.error is not None
    assert "comparison with the snapshot was not finished" in told.error
    assert told.safety is not None
    assert world.rows() == world.rows_in(world.older)
    assert (await service.get("latest")).id == world.older.id
    (line,) = [each for each in await service.audit() if each.action == "restore"]
    assert (line.actor, line.snapshot, line.outcome) == (OWNER, world.older.id, "done, not compared")
    live = (await service.status()).live
    assert live is not None
    assert live.verdict is Verdict.UNKNOWN
    assert "not checked since" in live.findings[0].message


async def test_a_restore_that_is_cancelled_while_it_is_compared_is_a_restore(
    world: PlayedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bot goes down at that moment: whoever paused the game hears that it is done, and so does the next start."""
    async with world.opened() as service:
        restoring = await comparing(world, service, monkeypatch)
        restoring.cancel()
        with pytest.raises(asyncio.CancelledError):
            await restoring
        await expect_restored(world, service)
        assert world.temporary_files() == set()
    async with world.opened() as later:
        assert later.interrupted is None
        assert (await later.get("latest")).id == world.older.id
        assert (await later.integrity()).ok
        world.play()
        newest = (await later.create()).snapshot
        assert (await later.get("latest")).id == newest.id
        unpacked = rows_of_gzip(world.repository / "latest.db.gz", world.folder / "unpacked.db")
        assert unpacked == world.rows()


async def test_a_worker_that_dies_while_it_compares_has_restored(
    world: PlayedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The restore returns: it is done, and says that nobody compared the result."""
    async with world.opened() as service:
        restoring = await comparing(world, service, monkeypatch)
        os.kill(only_worker(os.getpid()), signal.SIGKILL)
        report = await restoring
        assert report == world.heard.reports[0]
        await expect_restored(world, service)
        assert (await service.integrity()).ok
        live = (await service.status()).live
        assert live is not None
        assert live.verdict is Verdict.SOUND


async def test_a_restore_of_what_was_damaged_is_the_end_of_the_damage(tmp_path: Path) -> None:
    """A restore by hand is a check of its own: the status is green after it, and the owner hears it."""
    world = await played_world(tmp_path)
    world.play("UPDATE creator_packs SET cards_data = '[{' WHERE id = 1")
    async with world.opened() as service:
        assert not (await service.integrity()).ok
        await service.restore(world.newer.id)
        live = (await service.status()).live
        assert live is not None
        assert live.verdict is Verdict.SOUND
        assert [health.verdict for health in world.heard.healths] == [Verdict.SUSPICIOUS, Verdict.SOUND]


async def test_a_restore_of_a_state_with_findings_says_so_in_the_status(tmp_path: Path) -> None:
    """What the owner decided to take back is known, and told once."""
    world = await played_world(tmp_path)
    world.play("UPDATE creator_packs SET cards_data = '[{' WHERE id = 1")
    async with world.opened() as service:
        broken = (await service.create()).snapshot
        world.play("UPDATE creator_packs SET cards_data = '[]' WHERE id = 1")
        await service.restore(broken.id)
        live = (await service.status()).live
        assert live is not None
        assert live.verdict is Verdict.SUSPICIOUS
        assert [health.verdict for health in world.heard.healths] == [Verdict.SUSPICIOUS]
