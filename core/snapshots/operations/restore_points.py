"""Naming critical events in the database's own log, for operators whose own tools can go back to a name.

One after another, beside the snapshots and never in their way. That it cannot be done is told once, until it can again.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import deque

from ..errors import SnapshotError
from ..models import Listener
from ..repository.names import slug
from .context import Context

__all__ = ["RestorePoints", "restore_point_name"]

log = logging.getLogger(__name__)

_LONGEST = 63
"""Bytes in the name of a restore point of PostgreSQL, the ending zero not counted."""
_MOST_WAITING = 1000


def restore_point_name(reason: str, stamp: str) -> str:
    """Give the name of the point that an event gets: what happened, and when in UTC."""
    return f"{slug(reason)[: _LONGEST - len(stamp) - 1]}_{stamp}"


class RestorePoints:
    """Takes events and names them; does nothing where the settings do not ask for it."""

    def __init__(self, context: Context) -> None:
        """Take the service's context."""
        self._context = context
        self._waiting: deque[str] = deque(maxlen=_MOST_WAITING)
        self._task: asyncio.Task[None] | None = None
        self._told = False

    def add(self, reason: str) -> None:
        """Name this moment soon; call it in the loop's thread. Never raises and never waits."""
        if not self._context.settings.database.restore_points:
            return
        now = self._context.clock()
        self._waiting.append(restore_point_name(reason, f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03}"))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work(), name="savepoint restore points")

    async def close(self) -> None:
        """Name what waits, within a second, and stop."""
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait([task], timeout=1.0)
            task.cancel()
            await asyncio.wait([task])

    async def _work(self) -> None:
        while self._waiting:
            name = self._waiting.popleft()
            try:
                await self._context.probe.create_restore_point(name)
            except SnapshotError as error:
                log.log(logging.DEBUG if self._told else logging.ERROR, "%s", error)
                if not self._told:
                    self._told = True
                    await self._context.notify(functools.partial(_notify, error))
            else:
                self._told = False
                log.info("Restore point %s", name)


async def _notify(error: SnapshotError, listener: Listener) -> None:
    await listener.failed("restore point", error)
