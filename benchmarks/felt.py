"""What the game feels while each kind of work is done: the loop's stalls, a writer's commits, the worker's memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from core.snapshots import Level

from .measure import MemoryObserver, StallProbe, percentile
from .place import Place
from .player import OtherPlayer
from .results import Felt
from .subject import Subject, opened

__all__ = ["WRITER_RATE", "measure_felt"]

WRITER_RATE = 100.0
_SECONDS = 6.0


async def measure_felt(place: Place) -> tuple[Felt, ...]:
    """Do each kind of work for six seconds, at least once, while somebody plays; and nothing, before and after."""
    with OtherPlayer(place.database) as player:
        found = [await _felt("nothing", player, _nothing, busy=False)]
        found.append(await _felt("first snapshots", player, lambda: _first(place)))
        async with opened(place.database, place.repository) as subject:
            await subject.request("first")
            found.append(await _felt("repeat snapshots", player, subject.request))
            found.append(await _felt("standalone fulls", player, subject.full))
            found.append(await _felt("a rebuild, checked", player, lambda: _verify(subject)))
        await asyncio.to_thread(player.checkpoint)
        found.append(await _felt("nothing, again", player, _nothing, busy=False))
    return tuple(found)


async def _nothing() -> None:
    await asyncio.sleep(0.05)


async def _first(place: Place) -> None:
    async with opened(place.database, place.folder / "other") as subject:
        await subject.request("first")


async def _verify(subject: Subject) -> None:
    report = await subject.service.verify(subject.service.known[0].id, Level.RESTORED)
    if not report.ok:
        raise RuntimeError(f"a snapshot is not sound: {report.findings}")


async def _felt(during: str, player: OtherPlayer, work: Callable[[], Awaitable[object]], *, busy: bool = True) -> Felt:
    with MemoryObserver() as memory:
        player.start(WRITER_RATE)
        async with StallProbe() as probe:
            ends = time.perf_counter() + _SECONDS
            while time.perf_counter() < ends:
                await work()
        waited = await asyncio.to_thread(player.stop)
    return Felt(
        during=during,
        busy=busy,
        stall=probe.worst,
        p50=percentile(waited, 50),
        p99=percentile(waited, 99),
        transactions=len(waited),
        memory=memory.peak,
    )
