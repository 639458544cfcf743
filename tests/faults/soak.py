"""Several bots and a fast game on one database for a while, frozen and killed at random: sums hold, nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from core.snapshots import Snapshot, StartupOutcome, StartupReport
from core.snapshots.engines.sqlite import SUFFIX, rebuild
from core.snapshots.progress import Watch
from core.snapshots.repository.repository import Repository
from tests.worlds.game_database import Writer, assert_consistent
from tests.worlds.service_world import ServiceWorld
from tests.worlds.workers import left_behind_by, wait_until_gone

__all__ = ["soak"]

ROOT = Path(__file__).parents[2]
_BOT = """
import asyncio, random, sys
from pathlib import Path
from core.snapshots import Kind, Level, SnapshotError, SnapshotService
from tests.worlds.service_world import ServiceWorld

async def main(folder, seed):
    world, dice = ServiceWorld(folder, game=False), random.Random(seed)
    settings = world.settings(database={"busy_timeout": 5.0}, repository={"lock_timeout": 5.0})
    async def do(service):
        step = dice.random()
        if step < 0.6:
            await service.create(Kind.CRITICAL, reason="soak")
        elif step < 0.75:
            await service.create(note="soak")
        elif step < 0.85:
            await service.verify("latest", dice.choice([Level.CHECKSUM, Level.RESTORED]))
        elif step < 0.95:
            await service.prune()
        else:
            await service.rebuild_catalog()
    service = SnapshotService(settings)  # its own clock and its own ids
    try:
        await service.open()
        await service.start_up()
        print("up", flush=True)
        while True:
            try:
                await do(service)
            except SnapshotError as error:
                if "amaged" in type(error).__name__ or "Catalog" in type(error).__name__:
                    print(f"{type(error).__name__}: {error}", flush=True)
    finally:
        await service.close()

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


class _Bots:
    """Three bots, each started again after it was killed."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._seed = folder, 0
        self.running = [self._start() for _ in range(3)]
        self.said: list[str] = []
        self.killed = self.frozen = 0

    def _start(self) -> subprocess.Popen[str]:
        self._seed += 1
        return subprocess.Popen(
            [sys.executable, "-c", _BOT, str(self._folder), str(self._seed)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def kill(self, number: int) -> None:
        """Kill a bot and start another one."""
        self.end(number)
        self.running[number] = self._start()
        self.killed += 1

    def freeze(self, number: int, seconds: float) -> None:
        """Stop a bot and its workers for a moment."""
        bot = self.running[number]
        processes = [bot.pid, *left_behind_by(bot)]
        for what, pause in ((signal.SIGSTOP, seconds), (signal.SIGCONT, 0.0)):
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, what)
            time.sleep(pause)
        self.frozen += 1

    def end(self, number: int) -> None:
        """Kill a bot, wait for its workers, and keep what it complained of."""
        bot = self.running[number]
        bot.kill()
        bot.wait()
        wait_until_gone(*left_behind_by(bot))
        assert bot.stdout is not None
        self.said += [line.strip() for line in bot.stdout if line != "up\n"]
        bot.stdout.close()


async def _next_start(world: ServiceWorld) -> tuple[StartupReport, tuple[Snapshot, ...]]:
    async with world.opened(repository={"lock_timeout": 60.0}) as service:
        return await service.start_up(), await service.list()


def soak(folder: Path, seconds: float, seed: int = 5) -> tuple[int, list[str]]:
    """Let them run for so long; return how often one was frozen or killed, and what is wrong then."""
    world, dice = ServiceWorld(folder), random.Random(seed)
    until, problems = time.monotonic() + seconds, []
    with Writer(world.database, seconds=seconds + 60.0) as game:
        bots = _Bots(folder)
        try:
            while time.monotonic() < until:
                time.sleep(dice.uniform(0.2, 2.0))
                number = dice.randrange(3)
                if dice.random() < 0.5:
                    bots.kill(number)
                else:
                    bots.freeze(number, dice.uniform(0.1, 1.0))
        finally:
            for number in range(3):
                bots.end(number)
        if game.stop() < 1:
            problems.append("the game committed nothing")
    problems += bots.said
    assert_consistent(world.database)
    report, listed = asyncio.run(_next_start(world))
    if report.outcome is not StartupOutcome.CLEAN:
        problems.append(f"the next start: {report.outcome}: {report.message}")
    if {snapshot.path for snapshot in listed} != world.files():
        problems.append("the catalog and the files differ")
    repository = Repository(world.repository, SUFFIX)
    repository.refresh()
    for snapshot in listed:
        if snapshot.damaged:
            problems.append(f"{snapshot.path} is marked damaged")
        image = folder / "image.db"
        rebuild.rebuild(repository.chain(snapshot), image, Watch())
        assert_consistent(image)
        image.unlink()
    if not listed:
        problems.append("no snapshot was taken")
    if world.temporary_files():
        problems.append(f"left over: {sorted(world.temporary_files())}")
    return bots.killed + bots.frozen, problems
