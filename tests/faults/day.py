"""Simulated days of a busy bot: play, events, periodic snapshots, drills, restarts, and a clock that is set.

The clock stands still but for what is told here, so an hour takes seconds. Every snapshot must give back the rows that
the game had when it was asked for.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from core.snapshots import Kind, SnapshotService, StartupOutcome
from tests.worlds.game_database import connected, play
from tests.worlds.service_world import PLAYERS, ServiceWorld

__all__ = ["Days"]

_STEP = dt.timedelta(minutes=5)


class Days:
    """A bot, and the days that it lives through."""

    def __init__(self, folder: Path, seed: int = 3, journal_mode: str = "wal") -> None:
        self._world, self._dice = ServiceWorld(folder, journal_mode=journal_mode), random.Random(seed)
        self._rows: dict[str, Any] = {}
        self._since_periodic = dt.timedelta()
        self.problems: list[str] = []
        self.snapshots = self.restarts = self.clock_steps = 0

    async def live(self, hours: int, *, until: float = float("inf"), now: Any = None) -> int:
        """Live for so many simulated hours, or until a real moment; return how many it were."""
        for hour in range(hours):
            if now is not None and now() > until:
                return hour
            async with self._bot() as service:
                for _ in range(12):
                    await self._five_minutes(service)
            self.restarts += 1
        return hours

    @contextlib.asynccontextmanager
    async def _bot(self) -> AsyncIterator[SnapshotService]:
        async with self._world.opened() as service:
            report = await service.start_up()
            first = not service.known
            if report.outcome is not StartupOutcome.CLEAN and not first:
                self.problems.append(f"a start: {report.outcome}: {report.message}")
            yield service
            if self._dice.random() < 0.5:
                await service.create_last()
            self._look(service)

    async def _five_minutes(self, service: SnapshotService) -> None:
        world, dice = self._world, self._dice
        world.clock.advance(seconds=_STEP.total_seconds())
        self._since_periodic += _STEP
        if dice.random() < 0.02:
            world.clock.advance(hours=dice.choice([-2, -1, 1, 2]))
            self.clock_steps += 1
            self._since_periodic = dt.timedelta()
        with connected(world.database) as connection:
            for _ in range(dice.randrange(4)):
                play(connection, dice, PLAYERS)
        if dice.random() < 0.5:
            ticket = service.request(Kind.CRITICAL, f"marketplace_buy_{dice.randrange(99)}")
            self._keep((await ticket.wait()).id)
        if await service.periodic_wanted():
            self._keep((await service.create(Kind.PERIODIC)).snapshot.id)
            self._since_periodic = dt.timedelta()
        if self._since_periodic > dt.timedelta(minutes=40):
            self.problems.append("no periodic snapshot for 40 minutes")
            self._since_periodic = dt.timedelta()
        await service.verify_due()

    def _keep(self, snapshot: str) -> None:
        """Remember the rows of now, which nobody has changed since the snapshot was asked for."""
        self._rows.setdefault(snapshot, self._world.rows())

    def _look(self, service: SnapshotService) -> None:
        """Look at what there is: no failure, the files are those of the catalog, and each gives back its rows."""
        self.problems += [f"{operation}: {error}" for operation, error in self._world.heard.failures]
        self._world.heard.failures.clear()
        listed = service.known
        if {snapshot.path for snapshot in listed} != self._world.files():
            self.problems.append("the catalog and the files differ")
        if not listed:
            self.problems.append("there is no snapshot")
        fresh = [snapshot for snapshot in listed if snapshot.id in self._rows]
        for snapshot in fresh:
            if snapshot.damaged or self._world.rows_in(snapshot) != self._rows.pop(snapshot.id):
                self.problems.append(f"{snapshot.path} does not give back its rows")
        self.snapshots += len(fresh)
