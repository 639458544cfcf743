"""From the engine room to the host: what happens there becomes events that any cog can listen to, and alerts.

The events: ``backup_created(snapshot)``, ``backup_failed(error)``, ``backup_restore_starting(plan)`` and
``backup_restore_finished(report)``. Around a restore the host's listeners are waited for, so that play is paused before
the database changes and caches are dropped before anybody is told that it is done.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from .alerts import Alerts
from .core_api import RestorePlan, RestoreReport, Snapshot, SnapshotError
from .permissions import Bot

__all__ = ["HostEvents"]

log = logging.getLogger(__name__)
_LISTENERS_SECONDS = 5.0


class HostEvents:
    """The service's listener."""

    def __init__(self, bot: Bot, alerts: Alerts) -> None:
        """Take the host's bot and whoever tells the owner."""
        self._bot = bot
        self._alerts = alerts

    async def created(self, snapshot: Snapshot) -> None:
        """Tell the host of a new snapshot."""
        self._dispatch("backup_created", snapshot)

    async def failed(self, operation: str, error: SnapshotError) -> None:
        """Tell the host and the owner of a failure that nobody waits for."""
        self._alerts.failed(operation, error)
        self._dispatch("backup_failed", error)

    async def covered(self) -> None:
        """Take note that the newest state is safe."""
        self._alerts.covered()

    async def restore_starting(self, plan: RestorePlan) -> None:
        """Let the host pause play before the database changes."""
        await self._dispatch_and_wait("backup_restore_starting", plan)

    async def restore_finished(self, report: RestoreReport) -> None:
        """Let the host drop its caches and go on."""
        await self._dispatch_and_wait("backup_restore_finished", report)

    def _dispatch(self, event: str, payload: Any) -> None:
        try:
            self._bot.dispatch(event, payload)
        except Exception:
            # A bot that is not started yet has no loop to run its listeners on; the backup does not depend on them.
            log.exception("The event %s could not be dispatched", event)

    async def _dispatch_and_wait(self, event: str, payload: Any) -> None:
        """Dispatch, and wait for the listeners' tasks, which discord.py names after the event, for a bounded time."""
        name = f"discord.py: on_{event}"
        before = asyncio.all_tasks()
        self._dispatch(event, payload)
        tasks = [task for task in asyncio.all_tasks() - before if task.get_name() == name]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=_LISTENERS_SECONDS)
        if late:
            log.warning("%d listeners of %s are not done after %g s; going on", len(late), event, _LISTENERS_SECONDS)
