"""A bot that is killed beside a frozen worker: the next start is at once, and what the game commits then must stay."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from core.snapshots import StartupOutcome
from tests.faults import injector
from tests.faults.services import ROOT, ServiceFaults, rows_of
from tests.worlds.game_database import connected
from tests.worlds.service_world import PlayedWorld
from tests.worlds.waiting import wait_until
from tests.worlds.workers import is_running, left_behind_by

__all__ = ["OrphanFaults"]

_ROW = (9999, "bought after the start", 1)


class OrphanFaults(ServiceFaults):
    """One operation of a bot whose worker, or which itself, is frozen at a file call; then the bot is killed."""

    async def problem_beside(self, at: int) -> str | None:
        """Freeze one of them at a call and kill the bot, start, let the game commit, let all go on that is left."""
        world = await self.world(self.place())
        counter = injector.new_counter(self._folder)
        environment = injector.environment(world.folder, counter, at=at, how=injector.STOP)
        program = [sys.executable, "-m", "tests.faults.bot", self.operation, str(world.folder)]
        bot = subprocess.Popen(program, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        left: list[int] = []
        try:
            wait_until(lambda: bot.poll() is not None or _frozen(bot), "one of them was frozen, or all was done")
            bot.kill()
            bot.wait()
            left = left_behind_by(bot)
            return await self._problem(world, left)
        finally:
            for process in left:
                _send(process, signal.SIGKILL)
            shutil.rmtree(world.folder)

    async def _problem(self, world: PlayedWorld, left: list[int]) -> str | None:
        async with world.opened(repository={"lock_timeout": 60.0}) as service:
            report = await service.start_up()
            if report.outcome not in (StartupOutcome.CLEAN, StartupOutcome.RESTORED):
                return f"the next start: {report.outcome}: {report.message}"
            with connected(world.database) as connection:
                connection.execute("INSERT INTO users (id, name, dust) VALUES (?, ?, ?)", _ROW)
            for process in left:
                _send(process, signal.SIGCONT)
            wait_until(lambda: not any(is_running(each) for each in left), "what was left of the bot ended")
            for snapshot in await service.list():
                if snapshot.damaged:
                    return f"{snapshot.path} is marked damaged"
                world.rows_in(snapshot)
        rows = rows_of(world.database)
        if not isinstance(rows, dict) or not any(row[0] == _ROW[0] for row in rows["users"]):
            return "a row that was committed after the start is lost"
        return None


def _frozen(bot: subprocess.Popen[bytes]) -> bool:
    return any(_state(process) == "T" for process in (bot.pid, *left_behind_by(bot)))


def _state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _send(process: int, what: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, what)
