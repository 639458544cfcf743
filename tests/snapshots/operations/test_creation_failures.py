"""Snapshots that fail, are stopped or meet a broken worker: each is an error with its reason, and nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.snapshots import (
    Created,
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseUnavailable,
    DeadlineExceeded,
    OperationCancelled,
    SnapshotError,
    WorkerFailed,
)
from tests.worlds.game_database import OtherProcess
from tests.worlds.service_world import ServiceWorld, damage_pages, played_world
from tests.worlds.waiting import PATIENCE
from tests.worlds.workers import HeldWorkers, only_worker

pytestmark = pytest.mark.process


async def test_a_deadline_ends_a_snapshot_and_leaves_nothing(tmp_path: Path) -> None:
    """Whatever takes too long ends with the time it had, and the next one succeeds."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        with pytest.raises(DeadlineExceeded) as caught:
            await service.create(deadline=1e-6)
        assert caught.value.seconds == 1e-6
        assert world.files() == set()
        assert world.temporary_files() == set()
        assert await service.list() == ()
        assert not (await service.create()).unchanged


async def test_a_cancelled_snapshot_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its worker has ended, the lock is free, and there is no file of it."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        with monkeypatch.context() as held:
            workers = HeldWorkers(tmp_path, held)
            creating = asyncio.create_task(service.create())
            await workers.until_one_waits()
        creating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await creating
        assert world.files() == set()
        assert world.temporary_files() == set()
        assert (await service.create()).snapshot.sequence == 1


async def test_closing_while_somebody_takes_a_snapshot_leaves_the_repository_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cog that is reloaded in the middle of a command does not lock its successor out."""
    world = ServiceWorld(tmp_path)
    service = world.service()
    await service.open()
    with monkeypatch.context() as held:
        workers = HeldWorkers(tmp_path, held)
        creating = asyncio.create_task(service.create())
        await workers.until_one_waits()
    closing = asyncio.create_task(service.close())
    await asyncio.sleep(0)
    workers.release()
    await closing
    (outcome,) = await asyncio.gather(creating, return_exceptions=True)
    assert isinstance(outcome, Created | SnapshotError | asyncio.CancelledError), repr(outcome)
    async with world.opened() as successor:
        made = await successor.create()
        assert {snapshot.path for snapshot in await successor.list()} == world.files()
        assert world.file_of(made.snapshot).exists()
        assert world.temporary_files() == set()


async def test_a_closed_service_takes_no_more_snapshots(tmp_path: Path) -> None:
    """Whoever uses it too late gets a sentence, not the inside of a thread pool."""
    world = await played_world(tmp_path)
    service = world.service()
    await service.open()
    await service.close()
    files = world.files()
    for late in (service.create, service.prune, service.create_last, service.start_up, service.rebuild_catalog):
        with pytest.raises(OperationCancelled, match="closed"):
            await late()
    for late_by_id in (service.verify, service.pin, service.restore):
        with pytest.raises(OperationCancelled, match="closed"):
            await late_by_id(world.older.id)
    assert await service.commit_token() is None
    assert world.files() == files


ENDS = """
import asyncio, sys
from pathlib import Path
from tests.worlds.service_world import ServiceWorld

async def main() -> None:
    world = ServiceWorld(Path(sys.argv[1]))
    service = world.service()
    await service.open()
    await service.create()
    if sys.argv[2] == "forgotten":
        return
    if sys.argv[2] == "queued":
        queued = [asyncio.create_task(service.create()) for _ in range(2)]
        await asyncio.sleep(0)
        await service.close()
        await asyncio.gather(*queued, return_exceptions=True)
        return
    raise RuntimeError("the host's own")

asyncio.run(main())
"""


@pytest.mark.parametrize("ending", ["forgotten", "queued", "raised"])
def test_a_process_ends_whether_or_not_the_service_was_closed(tmp_path: Path, ending: str) -> None:
    """Hosts forget to close, or die on the way: a thread of ours must not keep their process alive for ever."""
    root = Path(__file__).parents[3]
    arguments = [sys.executable, "-c", ENDS, str(tmp_path), ending]
    done = subprocess.run(arguments, cwd=root, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == (1 if ending == "raised" else 0), done.stderr
    assert "Exception ignored" not in done.stderr


async def test_a_worker_that_cannot_be_started_is_an_error_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing Python, or one that dies at once, is an error with its last output."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        with monkeypatch.context() as changed:
            changed.setattr("core.snapshots.worker.client.sys.executable", str(tmp_path / "no-python"))
            with pytest.raises(WorkerFailed, match="cannot be started"):
                await service.create()
        dying = tmp_path / "dying-python"
        dying.write_text("#!/bin/sh\necho I am dying >&2\nexit 3\n")
        dying.chmod(0o700)
        with monkeypatch.context() as changed:
            changed.setattr("core.snapshots.worker.client.sys.executable", str(dying))
            with pytest.raises(WorkerFailed, match="I am dying") as caught:
                await service.create()
        assert caught.value.exit_status == 3
        assert world.files() == set()
        assert world.temporary_files() == set()


@pytest.mark.kill
@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
async def test_a_worker_that_is_killed_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where memory is short the system kills it: no copy of the database may pile up until the next start."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        with monkeypatch.context() as held:
            workers = HeldWorkers(tmp_path, held, opening=2)
            creating = asyncio.create_task(service.create())
            await workers.until_one_waits()
        assert list((world.repository / ".work").glob("snapshot-*"))
        os.kill(only_worker(os.getpid()), signal.SIGKILL)
        with pytest.raises(WorkerFailed) as caught:
            await creating
        assert caught.value.exit_status == -signal.SIGKILL
        assert world.files() == set()
        assert world.temporary_files() == set()
        assert not (await service.create()).unchanged


async def test_what_a_host_prints_at_python_start_does_not_confuse_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some hosts have a sitecustomize that greets on standard output."""
    world = ServiceWorld(tmp_path)
    greeting = tmp_path / "greeting-python"
    greeting.write_text(f'#!/bin/sh\necho "Welcome, {{}}!"\nexec "{sys.executable}" "$@"\n')
    greeting.chmod(0o700)
    async with world.opened() as service:
        monkeypatch.setattr("core.snapshots.worker.client.sys.executable", str(greeting))
        assert world.rows_in((await service.create()).snapshot) == world.rows()


async def test_the_worker_is_told_no_secrets_it_does_not_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token in the bot's environment is in no other process's, and nothing of a job is in an argument list."""
    world = ServiceWorld(tmp_path)
    spying = tmp_path / "spying-python"
    seen = tmp_path / "seen.txt"
    spying.write_text(f'#!/bin/sh\n(env; echo "$@") > "{seen}"\nexec "{sys.executable}" "$@"\n')
    spying.chmod(0o700)
    monkeypatch.setenv("DISCORD_TOKEN", "hunter2.token")
    monkeypatch.setenv("DATABASE_URL", "sqlite:///hunter2.db")
    async with world.opened() as service:
        monkeypatch.setattr("core.snapshots.worker.client.sys.executable", str(spying))
        await service.create()
    assert "hunter2" not in seen.read_text()
    assert "game.db" not in seen.read_text()


async def test_a_busy_database_is_told_after_the_busy_timeout(tmp_path: Path) -> None:
    """A lock that is never released ends in DatabaseBusy, not in a hang; nothing is left, the next one succeeds."""
    world = ServiceWorld(tmp_path, journal_mode="delete")
    async with world.opened(database={"busy_timeout": 0.2}) as service:
        with OtherProcess(world.database, "BEGIN EXCLUSIVE") as other:
            with pytest.raises(DatabaseBusy):
                await service.create()
            assert world.files() == set()
            other.execute("ROLLBACK")
        assert not (await service.create()).unchanged


async def test_a_damaged_database_is_no_reason_to_give_up_its_snapshots(tmp_path: Path) -> None:
    """What cannot be read is DatabaseDamaged or a copy as it is; what was stored before stays as it was."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        sound = (await service.create()).snapshot
        await service._context.probe.close()
        damage_pages(world.database)
        with contextlib.suppress(DatabaseDamaged):
            await service.create()
        assert sound in await service.list()
        assert (await service.verify(sound.id)).ok
        world.database.write_bytes(b"not a database at all" * 1000)
        with pytest.raises(DatabaseDamaged):
            await service.create()
        world.database.unlink()
        world.database.mkdir()
        with pytest.raises(DatabaseUnavailable):
            await service.create()
        assert world.temporary_files() == set()
