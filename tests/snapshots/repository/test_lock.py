"""One operation at a time per repository, across tasks, services and processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.snapshots import Busy, Kind, RepositoryError
from core.snapshots.repository.lock import RepositoryLock
from tests.worlds.service_world import ServiceWorld, TickingClock
from tests.worlds.waiting import until
from tests.worlds.workers import is_running, only_worker, wait_until_gone

HOLDER = """
import asyncio, sys
from pathlib import Path
from core.snapshots.repository.lock import RepositoryLock
from tests.worlds.service_world import TickingClock

async def main():
    lock = RepositoryLock(Path(sys.argv[1]), asyncio.to_thread, TickingClock())
    async with lock.held("a restore", 1.0):
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""

ORPHAN = """
import asyncio, sys
from pathlib import Path
from tests.worlds.service_world import ServiceWorld

async def main():
    service = ServiceWorld(Path(sys.argv[1]), game=False).service()
    await service.open()
    print("open", flush=True)
    while True:
        await service.create()

asyncio.run(main())
"""

IN_TURN = """
import asyncio, os, sys
from pathlib import Path
from core.snapshots.repository.lock import RepositoryLock
from tests.worlds.service_world import TickingClock

async def main():
    folder, name = Path(sys.argv[1]), sys.argv[2]
    lock, order = RepositoryLock(folder, asyncio.to_thread, TickingClock()), folder / "order"
    print("ready", flush=True)
    sys.stdin.readline()
    while not order.exists() or order.stat().st_size < 80:
        async with lock.held("a snapshot", 60.0):
            with order.open("a") as file:
                file.write(name)

asyncio.run(main())
"""


def lock_in(folder: Path) -> RepositoryLock:
    """Return a lock like that of another service."""
    return RepositoryLock(folder, asyncio.to_thread, TickingClock())


def started(program: str, folder: Path) -> subprocess.Popen[str]:
    """Start a program and wait for the first line that it says."""
    process = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


async def test_a_second_operation_is_told_what_the_first_one_is(tmp_path: Path) -> None:
    """Also by another lock object of this process, as a reloaded cog has one."""
    async with lock_in(tmp_path).held("a snapshot", 1.0):
        with pytest.raises(Busy, match="Busy: a snapshot is running"):
            async with lock_in(tmp_path).held("a restore", 0.0):
                raise AssertionError("held twice")


@pytest.mark.process
@pytest.mark.kill
async def test_another_process_is_named_by_its_number_and_lets_go_when_it_is_killed(tmp_path: Path) -> None:
    """The lock is the operating system's: it ends with the process that holds it."""
    holder = started(HOLDER, tmp_path)
    try:
        with pytest.raises(Busy, match=f"a restore is running in process {holder.pid}") as caught:
            async with lock_in(tmp_path).held("a snapshot", 0.0):
                raise AssertionError("held twice")
        assert (caught.value.operation, caught.value.pid) == ("a restore", holder.pid)
    finally:
        holder.kill()
        holder.communicate()
    async with lock_in(tmp_path).held("a snapshot", 5.0):
        pass


async def test_tasks_of_one_service_get_their_turn_in_the_order_they_came(tmp_path: Path) -> None:
    """Nobody is overtaken for ever."""
    lock, order = lock_in(tmp_path), list[int]()

    async def one(number: int) -> None:
        async with lock.held(f"operation {number}", 10.0):
            order.append(number)
            await asyncio.sleep(0.01)

    await asyncio.gather(*(one(number) for number in range(5)))
    assert order == [0, 1, 2, 3, 4]


async def test_whoever_gives_up_waiting_leaves_the_lock_free(tmp_path: Path) -> None:
    """A cancelled wait must not take the lock with it."""
    lock = lock_in(tmp_path)
    async with lock.held("a snapshot", 1.0):
        waiting = asyncio.create_task(lock.held("a restore", 30.0).__aenter__())
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.wait([waiting])
    async with lock_in(tmp_path).held("an export", 1.0):
        assert waiting.cancelled()


@pytest.mark.process
@pytest.mark.kill
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for the worker in /proc, which only Linux has")
async def test_a_worker_whose_bot_was_killed_ends_and_the_next_start_finds_a_sound_repository(tmp_path: Path) -> None:
    """Killed amid snapshots: no process stays, no temporary file stays, what is listed restores."""
    world = ServiceWorld(tmp_path)
    bot = started(ORPHAN, tmp_path)
    worker = only_worker(bot.pid)
    bot.kill()
    bot.communicate()
    wait_until_gone(worker)

    async with world.opened() as service:
        assert world.temporary_files() == set()
        for snapshot in await service.list():
            assert (await service.verify(snapshot.id)).ok
        assert not (await service.create(Kind.MANUAL)).snapshot.damaged


@pytest.mark.process
@pytest.mark.kill
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for the worker in /proc, which only Linux has")
async def test_a_frozen_worker_whose_bot_was_killed_is_ended_before_anybody_else_begins(tmp_path: Path) -> None:
    """It still holds its bot's lock, and may be about to move files: a start at once ends it, and only then begins."""
    world = ServiceWorld(tmp_path)
    bot = started(ORPHAN, tmp_path)
    worker = only_worker(bot.pid)
    os.kill(worker, signal.SIGSTOP)
    bot.kill()
    bot.communicate()
    async with world.opened() as service:
        assert not is_running(worker)
        assert world.temporary_files() == set()
        assert not (await service.create(Kind.MANUAL)).snapshot.damaged


@pytest.mark.process
async def test_a_worker_of_a_living_bot_is_no_orphan(tmp_path: Path) -> None:
    """Busy is said of a bot that is at work, and its worker is left alone."""
    world = ServiceWorld(tmp_path)
    bot = started(ORPHAN, tmp_path)
    try:
        worker = only_worker(bot.pid)
        os.kill(worker, signal.SIGSTOP)
        with pytest.raises(Busy, match=f"process {bot.pid}"):
            async with lock_in(world.repository / ".work").held("a restore", 0.1):
                raise AssertionError("held twice")
        assert is_running(worker)
        os.kill(worker, signal.SIGCONT)
    finally:
        bot.kill()
        bot.communicate()


async def test_whoever_waited_longest_is_next(tmp_path: Path) -> None:
    """Also among processes, each of which has a lock object of its own: nobody who comes later is served first."""
    order: list[int] = []

    async def one(number: int) -> None:
        async with lock_in(tmp_path).held(f"operation {number}", 30.0):
            order.append(number)

    async with lock_in(tmp_path).held("a restore", 1.0):
        waiting = []
        for number in range(5):
            waiting.append(asyncio.create_task(one(number)))
            await until(lambda: len(list(tmp_path.glob("turn-*"))) == len(waiting), "it waits in the queue")
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2, 3, 4]
    assert list(tmp_path.glob("turn-*")) == []


@pytest.mark.process
def test_four_processes_each_get_their_turn(tmp_path: Path) -> None:
    """Whoever has just had it stands behind those who wait: nobody gets it twice as often as another one."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", IN_TURN, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "abcd"
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    order = (tmp_path / "order").read_text()
    counts = sorted(order.count(name) for name in "abcd")
    assert counts[-1] <= 2 * counts[0], order


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
async def test_a_lock_that_is_no_file_is_refused_with_a_sentence(tmp_path: Path, kind: str) -> None:
    """Whoever can write to the folder must not make the bot wait for ever, or truncate a file elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    lock = tmp_path / "lock"
    if kind == "link":
        lock.symlink_to(elsewhere)
    elif kind == "pipe":
        os.mkfifo(lock)
    else:
        lock.mkdir()
    with pytest.raises(RepositoryError):
        async with lock_in(tmp_path).held("a snapshot", 0.0):
            raise AssertionError("held")
    assert elsewhere.read_bytes() == b"precious"
