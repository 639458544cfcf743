"""Operations of the service under faults: the bot and its workers are killed or disturbed, then started again."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

from core.snapshots import Form, StartupOutcome
from tests.faults import injector
from tests.worlds.database_harm import header_destroyed
from tests.worlds.game_database import contents_of
from tests.worlds.service_world import PlayedWorld, played_world

ROOT = Path(__file__).parents[2]
_PATIENCE = 120.0


class ServiceFaults:
    """One operation in one journal mode; each run has a fresh copy of the same world."""

    def __init__(self, folder: Path, operation: str, journal_mode: str) -> None:
        self._folder, self.operation, self._journal_mode = folder, operation, journal_mode
        self._number = 0

    async def _world(self) -> PlayedWorld:
        self._number += 1
        folder = self._folder / f"{self.operation}-{self._number}"
        folder.mkdir(parents=True)
        world = await played_world(folder, journal_mode=self._journal_mode, newer=Form.INCREMENTAL)
        if self.operation == "heal":
            header_destroyed(world)
        return world

    def _start(self, world: PlayedWorld, *, at: int, how: int, from_then_on: bool) -> tuple[int, int]:
        """Run the bot; return its exit status and the number of file calls."""
        counter = injector.new_counter(self._folder)
        environment = injector.environment(world.folder, counter, at=at, how=how, from_then_on=from_then_on)
        program = [sys.executable, "-m", "tests.faults.bot", self.operation, str(world.folder)]
        ended = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, timeout=_PATIENCE)
        return ended.returncode, int(struct.unpack("q", counter.read_bytes())[0])

    async def calls(self) -> int:
        """Return how many file calls the operation makes, in the bot and its workers together."""
        world = await self._world()
        status, calls = self._start(world, at=-1, how=injector.KILL, from_then_on=False)
        shutil.rmtree(world.folder)
        assert status == 0
        return calls

    async def problem_after(self, at: int, how: int, *, from_then_on: bool = False) -> str | None:
        """Disturb the operation at one file call, start again; return what is wrong then, None if nothing is."""
        world = await self._world()
        try:
            before = _rows(world.database)
            allowed = [before, world.rows_in(world.older), world.rows_in(world.newer)]
            status, _ = self._start(world, at=at, how=how, from_then_on=from_then_on)
            if status not in (0, 3, -signal.SIGKILL):
                return f"the bot ended with {status}"
            if _rows(world.database) not in allowed:
                return "neither the old nor the new database before the next start"
            return await self._problem_at_the_next_start(world, allowed)
        finally:
            shutil.rmtree(world.folder)

    async def _problem_at_the_next_start(self, world: PlayedWorld, allowed: list[Any]) -> str | None:
        async with world.opened() as service:
            report = await service.start_up()
            listed = await service.list()
            if {snapshot.path for snapshot in listed} != world.files():
                return "the catalog and the files differ"
            for snapshot in listed:
                if snapshot.damaged:
                    return f"{snapshot.path} is marked damaged"
                world.rows_in(snapshot)
        if report.outcome not in (StartupOutcome.CLEAN, StartupOutcome.RESTORED):
            return f"the next start: {report.outcome}: {report.message}"
        if _rows(world.database) not in allowed or _rows(world.database) == "unreadable":
            return "another database after the next start"
        left = world.temporary_files() | {path.name for path in (world.repository / "state").glob("[ej]*.json")}
        left |= {path.name for path in world.folder.glob(".*") if not path.name.endswith(".savepoint")}
        return f"left over: {sorted(left)}" if left else None


def _rows(database: Path) -> Any:
    """Return the rows as the next process would find them, looked at in a copy."""
    copied = database.parent / "copied"
    copied.mkdir()
    try:
        for path in database.parent.glob(f"{database.name}*"):
            shutil.copy(path, copied)
        if not (copied / database.name).exists():
            return "none"
        return contents_of(copied / database.name)
    except sqlite3.DatabaseError:
        return "unreadable"
    finally:
        shutil.rmtree(copied)
