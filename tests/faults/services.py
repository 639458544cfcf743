"""Operations of the service under faults: the bot and its workers are killed or disturbed, then started again."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from core.snapshots import Form, StartupOutcome
from tests.faults import injector
from tests.worlds.database_harm import header_destroyed
from tests.worlds.game_database import contents_of
from tests.worlds.service_world import PlayedWorld, played_world

__all__ = ["ServiceFaults", "problem_at_the_next_start", "rows_of"]

ROOT = Path(__file__).parents[2]
_PATIENCE = 120.0
_ENDINGS = (0, 3, -signal.SIGKILL)
"""Done, failed with an error of ours, killed."""


class ServiceFaults:
    """One operation in one journal mode; each run has a fresh copy of the same world."""

    def __init__(self, folder: Path, operation: str, journal_mode: str) -> None:
        self._folder, self.operation, self._journal_mode = folder, operation, journal_mode
        self._number = 0

    def place(self) -> Path:
        """Return a new folder for one run."""
        self._number += 1
        folder = self._folder / f"{self.operation}-{self._number}"
        folder.mkdir(parents=True)
        return folder

    async def world(self, folder: Path) -> PlayedWorld:
        """Return the world of one run, as the operation finds it."""
        world = await played_world(folder, journal_mode=self._journal_mode, newer=Form.INCREMENTAL)
        if self.operation == "heal":
            header_destroyed(world)
        return world

    def start(self, folder: Path, environment: dict[str, str] | None = None, *more: str) -> str | None:
        """Run the bot; return how it ended if no bot may end so."""
        program = [sys.executable, "-m", "tests.faults.bot", self.operation, str(folder), *more]
        ended = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_PATIENCE)
        if ended.returncode in _ENDINGS:
            return None
        return f"the bot ended with {ended.returncode}: {ended.stderr.strip().splitlines()[-1:]}"

    def _disturbed(self, folder: Path, **fault: Any) -> tuple[str | None, int]:
        counter = injector.new_counter(self._folder)
        problem = self.start(folder, injector.environment(folder, counter, **fault))
        return problem, injector.count(counter)

    async def calls(self) -> int:
        """Return how many file calls the operation makes, in the bot and its workers together."""
        world = await self.world(self.place())
        problem, calls = self._disturbed(world.folder, at=-1)
        shutil.rmtree(world.folder)
        assert problem is None, problem
        return calls

    async def problem_after(self, at: int, how: int, *, from_then_on: bool = False) -> str | None:
        """Disturb the operation at one file call, start again; return what is wrong then, None if nothing is."""
        world = await self.world(self.place())
        try:
            allowed = allowed_in(world)
            problem, _ = self._disturbed(world.folder, at=at, how=how, from_then_on=from_then_on)
            if problem is not None:
                return problem
            if rows_of(world.database) not in allowed:
                return "neither the old nor the new database before the next start"
            return await problem_at_the_next_start(world, allowed)
        finally:
            shutil.rmtree(world.folder)


def allowed_in(world: PlayedWorld) -> list[Any]:
    """Return the rows that a world may have after an operation: as now, or those of a snapshot."""
    return [rows_of(world.database), world.rows_in(world.older), world.rows_in(world.newer)]


async def problem_at_the_next_start(world: PlayedWorld, allowed: list[Any]) -> str | None:
    """Start as the bot does; return what is wrong then, None if nothing is."""
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
    now = rows_of(world.database)
    if now not in allowed or now == "unreadable":
        return "another database after the next start"
    left = world.temporary_files() | {path.name for path in (world.repository / "state").glob("[ej]*.json")}
    left |= {path.name for path in world.folder.glob(".*") if not path.name.endswith(".savepoint")}
    return f"left over: {sorted(left)}" if left else None


def rows_of(database: Path) -> Any:
    """Return the rows as the next process would find them, looked at in a copy elsewhere."""
    with tempfile.TemporaryDirectory(prefix="looked-at-") as name:
        copied = Path(name)
        for path in database.parent.glob(f"{database.name}*"):
            shutil.copy(path, copied)
        if not (copied / database.name).exists():
            return "none"
        try:
            return contents_of(copied / database.name)
        except sqlite3.DatabaseError:
            return "unreadable"
