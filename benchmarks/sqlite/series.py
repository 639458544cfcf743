"""A hundred event snapshots in a row: what an evening of play leaves on the disk."""

from __future__ import annotations

import asyncio

from core.snapshots import Form

from ..measure import median
from ..subject import opened
from .player import OtherPlayer
from .results import Series
from .rounds import TRANSACTIONS
from .workspace import Workspace

__all__ = ["measure_series"]


async def measure_series(workspace: Workspace, megabytes: int, count: int = 100) -> Series:
    """Take event snapshots of twenty transactions each, after a first one; all of them are kept."""
    seconds: list[float] = []
    with OtherPlayer(workspace.database) as player:
        async with opened(workspace.database, workspace.repository, kept=count + 1) as subject:
            _, first = await subject.request("first")
            for _ in range(count):
                await asyncio.to_thread(player.play, TRANSACTIONS)
                seconds.append((await subject.request("series"))[0])
            snapshots = [each for each in subject.service.known if each.id != first.id]
    fulls = [snapshot.size for snapshot in snapshots if snapshot.form is Form.FULL]
    return Series(
        megabytes=megabytes,
        first_bytes=first.size,
        snapshots=len(snapshots),
        fulls=len(fulls),
        full_bytes=sum(fulls),
        incremental_bytes=sum(snapshot.size for snapshot in snapshots) - sum(fulls),
        median=median(seconds),
        mean=sum(seconds) / len(seconds),
        worst=max(seconds),
    )
