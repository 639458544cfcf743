"""What runs beside something that takes long: looking, events and the shutdown wait for no check."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from core.snapshots import Actor, IntegrityReport, Kind, Level, Rescue, RescueScope, Snapshot
from core.snapshots.operations import context as context_module
from core.snapshots.repository.lock import RepositoryLock
from core.snapshots.worker import client
from core.snapshots.worker.protocol import VerifyJob
from tests.worlds.service_world import ServiceWorld, played_world
from tests.worlds.waiting import PATIENCE


async def test_six_checks_at_once_leave_threads_for_everybody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Six admins may ask at once, and each check keeps a thread as long as it lasts: the lists are shown."""
    world = ServiceWorld(tmp_path)
    may_end = threading.Event()
    begun = threading.Semaphore(0)

    def slow() -> IntegrityReport:
        begun.release()
        may_end.wait(PATIENCE)
        return IntegrityReport(findings=(), checked={"tables": 1}, rows={}, seconds=1.0)

    async def run(pool: Any, *_: object, **__: object) -> IntegrityReport:
        return await asyncio.get_running_loop().run_in_executor(pool, slow)

    async with world.opened() as service:
        monkeypatch.setattr(client, "run", run)
        checks = [asyncio.create_task(service.integrity()) for _ in range(6)]
        try:
            for _ in checks:
                assert await asyncio.to_thread(begun.acquire, timeout=PATIENCE)
            async with asyncio.timeout(PATIENCE):
                assert await service.list() == ()
                assert await service.audit() == ()
        finally:
            may_end.set()
            reports = await asyncio.gather(*checks)
        assert all(report.ok for report in reports)
    assert "could not be recorded" not in caplog.text


@pytest.mark.process
async def test_an_event_and_the_end_of_the_bot_do_not_wait_for_a_verification(tmp_path: Path) -> None:
    """Only the record of its outcome takes the lock; what was asked for meanwhile is covered meanwhile.

    The status has it all the while, with who asked for it.
    """
    world = await played_world(tmp_path)
    meanwhile: list[Snapshot | None] = []
    ann, asked_by = Actor(source="discord", name="Ann", id=7), list[Actor | None]()
    async with world.opened() as service:
        original = service._context.work

        async def work(kind: Any, *arguments: Any, **fields: Any) -> Any:
            if kind is VerifyJob:
                asked_by.extend(each.actor for each in (await service.status()).doing)
                async with asyncio.timeout(PATIENCE):
                    meanwhile.append(await service.request(Kind.CRITICAL, "marketplace_buy_7").wait())
                    meanwhile.append(await service.create_last())
            return await original(kind, *arguments, **fields)

        service._context.work = work  # type: ignore[method-assign]
        report = await service.verify(world.older.id, Level.RESTORED, actor=ann)
        assert report.ok
        assert (await service.get(world.older.id)).restored_at is not None
    assert [snapshot is not None for snapshot in meanwhile] == [True, True]
    assert asked_by == [ann]


@pytest.mark.process
async def test_a_check_needs_no_room_on_the_disk_of_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where that is full, temporary files go to the system's folder, and damage is found all the same."""
    world = await played_world(tmp_path)
    world.play("UPDATE creator_packs SET cards_data = '[{' WHERE id = 1")
    async with world.opened() as service:
        monkeypatch.setattr(context_module, "free_space", lambda path: 4096)
        assert service._context.scratch_root() == Path(tempfile.gettempdir())
        assert not (await service.integrity()).ok


@pytest.mark.process
async def test_whoever_has_to_wait_is_told_for_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each operation that a person asks for holds the lock in that person's name."""
    world = await played_world(tmp_path)
    held, actors = RepositoryLock.held, {}
    ann = Actor(source="discord", name="Ann", id=7)

    def recorded(self: RepositoryLock, operation: str, *args: Any, **named: Any) -> Any:
        actors[operation] = named["actor"]
        return held(self, operation, *args, **named)

    async with world.opened() as service:
        monkeypatch.setattr(RepositoryLock, "held", recorded)
        await service.create(actor=ann)
        await service.pin(world.older.id, actor=ann)
        await service.prune(actor=ann)
        await service.import_file(world.file_of(world.newer).rename(tmp_path / "another.db.gz"), actor=ann)
        await service.rebuild_catalog(actor=ann)
        await service.claim(actor=ann)
        await service.rescue(Rescue(scope=RescueScope(player="7"), when=world.older.id), actor=ann)
        await service.restore(world.older.id, actor=ann)
    assert set(actors.values()) == {ann}
    assert len(actors) == 8
