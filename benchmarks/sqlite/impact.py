"""What each kind of work costs the game meanwhile: the loop's stalls, a writer's commits, the worker's memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from core.snapshots import Level

from ..measure import MemoryObserver, StallProbe, percentile
from ..subject import Subject, opened
from .player import OtherPlayer
from .results import Impact
from .workspace import Workspace

__all__ = ["WRITER_RATE", "measure_impact"]

WRITER_RATE = 100.0
_SECONDS = 6.0


async def measure_impact(workspace: Workspace) -> tuple[Impact, ...]:
    """Repeat each kind of work for six seconds, at least once, while a player commits; do nothing before and after."""
    with OtherPlayer(workspace.database) as player:
        found = [await _impact("nothing", player, _nothing, busy=False)]
        found.append(await _impact("first snapshots", player, lambda: _first(workspace)))
        async with opened(workspace.database, workspace.repository) as subject:
            await subject.request("first")
            found.append(await _impact("repeat snapshots", player, subject.request))
            found.append(await _impact("standalone fulls", player, subject.full))
            found.append(await _impact("a rebuild, checked", player, lambda: _verify(subject)))
        await asyncio.to_thread(player.checkpoint)
        found.append(await _impact("nothing, again", player, _nothing, busy=False))
    return tuple(found)


async def _nothing() -> None:
    await asyncio.sleep(0.05)


async def _first(workspace: Workspace) -> None:
    async with opened(workspace.database, workspace.folder / "other") as subject:
        await subject.request("first")


async def _verify(subject: Subject) -> None:
    report = await subject.service.verify(subject.service.known[0].id, Level.RESTORED)
    if not report.ok:
        raise RuntimeError(f"a snapshot is not sound: {report.findings}")


async def _impact(
    during: str, player: OtherPlayer, work: Callable[[], Awaitable[object]], *, busy: bool = True
) -> Impact:
    with MemoryObserver() as memory:
        player.start(WRITER_RATE)
        async with StallProbe() as probe:
            ends = time.perf_counter() + _SECONDS
            while time.perf_counter() < ends:
                await work()
        waited = await asyncio.to_thread(player.stop)
    return Impact(
        during=during,
        busy=busy,
        stall=probe.worst,
        p50=percentile(waited, 50),
        p99=percentile(waited, 99),
        transactions=len(waited),
        memory=memory.peak,
    )
