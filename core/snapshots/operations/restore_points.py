"""Restore points: names for critical events in the server's log, for operators who recover with their own tools.

They are created one after another, and never delay a snapshot. A failure is reported once, until one succeeds again.
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
"""Longest name of a restore point of PostgreSQL, in bytes, without the terminating zero."""
_MOST_WAITING = 1000


def restore_point_name(reason: str, stamp: str) -> str:
    """Return the name of an event's restore point: the reason, and the time in UTC."""
    return f"{slug(reason)[: _LONGEST - len(stamp) - 1]}_{stamp}"


class RestorePoints:
    """Creates restore points for events, if the settings ask for them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._waiting: deque[str] = deque(maxlen=_MOST_WAITING)
        self._task: asyncio.Task[None] | None = None
        self._failing = False

    def add(self, reason: str) -> None:
        """Create a restore point soon. Call it in the loop's thread; it never raises and never waits."""
        if not self._context.settings.database.restore_points:
            return
        now = self._context.clock()
        self._waiting.append(restore_point_name(reason, f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03}"))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work(), name="savepoint restore points")

    async def close(self) -> None:
        """Create the restore points that wait, within a second, and stop."""
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
                log.log(logging.DEBUG if self._failing else logging.ERROR, "%s", error)
                if not self._failing:
                    self._failing = True
                    await self._context.notify(functools.partial(_notify, error))
            else:
                self._failing = False
                log.info("Restore point %s", name)
                await self._context.notify(lambda listener: listener.succeeded("restore point"))


async def _notify(error: SnapshotError, listener: Listener) -> None:
    await listener.failed("restore point", error)
