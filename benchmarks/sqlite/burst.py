"""A thousand requests within a second, as when a marketplace opens: what each costs, and what comes of them."""

from __future__ import annotations

import asyncio
import time

from core.snapshots import Kind, SnapshotService
from core.snapshots.operations.events import Ticket

from ..measure import percentile
from ..subject import opened
from .impact import WRITER_RATE
from .player import OtherPlayer
from .results import Burst
from .workspace import Workspace

__all__ = ["measure_burst"]

_REQUESTS = 1000
_AT_ONCE = 50
_SECONDS = 0.9
_DEFAULT_SPACING = 1.0


async def measure_burst(workspace: Workspace) -> Burst:
    """Send the requests while a player commits, with the default spacing of event snapshots."""
    with OtherPlayer(workspace.database) as player:
        async with opened(workspace.database, workspace.repository, spacing=_DEFAULT_SPACING) as subject:
            await subject.request("first")
            await asyncio.sleep(_DEFAULT_SPACING)
            before = len(subject.service.known)
            player.start(WRITER_RATE)
            began = time.perf_counter()
            costs, tickets = await _send(subject.service)
            within = time.perf_counter() - began
            results = await asyncio.gather(*(ticket.wait() for ticket in tickets), return_exceptions=True)
            settled = time.perf_counter() - began
            await asyncio.to_thread(player.stop)
            return Burst(
                requests=_REQUESTS,
                within=within,
                mean=sum(costs) / len(costs),
                p99=percentile(costs, 99),
                snapshots=len(subject.service.known) - before,
                resolved=sum(not isinstance(result, BaseException) for result in results),
                settled=settled,
            )


async def _send(service: SnapshotService) -> tuple[list[float], list[Ticket]]:
    """Return the microseconds of each request, and the tickets."""
    costs, tickets = [], []
    for number in range(_REQUESTS):
        started = time.perf_counter()
        tickets.append(service.request(Kind.CRITICAL, f"marketplace_buy_{number}"))
        costs.append((time.perf_counter() - started) * 1e6)
        if number % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(_SECONDS * _AT_ONCE / _REQUESTS)
    return costs, tickets
