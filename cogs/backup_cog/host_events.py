"""What happens in the core, passed on: to the host as events that any cog can listen to, and to the owner as alerts.

The events: ``backup_created(snapshot)``, ``backup_failed(error)``, ``backup_restore_starting(plan)``,
``backup_restore_finished(report)`` and ``backup_rescued(report)``. The last three wait for the host's listeners, so
that the game is paused before the database changes, and caches are dropped before anybody learns that it is done.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from .core_api import (
    AuditLine,
    Health,
    RescueReport,
    RestorePlan,
    RestoreReport,
    Snapshot,
    SnapshotError,
    count_text,
)
from .notices.alerts import Alerts
from .permissions import Bot

__all__ = ["HostEvents"]

log = logging.getLogger(__name__)
_LISTENERS_SECONDS = 5.0
"""How long a restore waits for the host's listeners."""


class HostEvents:
    """The service's listener."""

    def __init__(self, bot: Bot, alerts: Alerts) -> None:
        self._bot = bot
        self._alerts = alerts

    async def created(self, snapshot: Snapshot) -> None:
        """Notify the host of a new snapshot."""
        self._dispatch("backup_created", snapshot)

    async def failed(self, operation: str, error: SnapshotError) -> None:
        """Notify the host and the owner of the failure of an operation that nobody waits for."""
        self._alerts.failed(operation, error)
        self._dispatch("backup_failed", error)

    async def succeeded(self, operation: str) -> None:
        """End the outage of an operation, if there is one."""
        self._alerts.succeeded(operation)

    async def health_changed(self, health: Health) -> None:
        """Notify the owner of a new verdict on the live database."""
        self._alerts.health_changed(health)

    async def noticed(self, key: str, message: str) -> None:
        """Notify the owner of something that the service came upon."""
        self._alerts.noticed(key, message)

    async def audited(self, line: AuditLine) -> None:
        """Notify the owner of what somebody did."""
        self._alerts.audited(line)

    async def interrupted(self, message: str) -> None:
        """Notify the owner of an operation that a crash interrupted."""
        self._alerts.interrupted(message)

    async def shutdown_failed(self, error: SnapshotError, newest: Snapshot | None) -> None:
        """Notify the host and the owner that the bot shuts down without a last snapshot."""
        self._alerts.shutdown_failed(error, newest)
        self._dispatch("backup_failed", error)

    async def covered(self) -> None:
        """Record that the current state is covered."""
        self._alerts.covered()

    async def restore_starting(self, plan: RestorePlan) -> None:
        """Let the host pause the game before the database changes."""
        await self._dispatch_and_wait("backup_restore_starting", plan)

    async def restore_finished(self, report: RestoreReport) -> None:
        """Let the host drop its caches and resume the game."""
        await self._dispatch_and_wait("backup_restore_finished", report)

    async def rescued(self, report: RescueReport) -> None:
        """Let the host drop its caches of rows that were put back."""
        await self._dispatch_and_wait("backup_rescued", report)

    def _dispatch(self, event: str, payload: Any) -> None:
        try:
            self._bot.dispatch(event, payload)
        except Exception:
            # A bot that has not started has no loop for its listeners; the backup does not depend on them.
            log.exception("The event %s could not be dispatched", event)

    async def _dispatch_and_wait(self, event: str, payload: Any) -> None:
        """Dispatch an event and wait, for a limited time, for the tasks in which discord.py runs its listeners."""
        name = f"discord.py: on_{event}"
        before = asyncio.all_tasks()
        self._dispatch(event, payload)
        tasks = [task for task in asyncio.all_tasks() - before if task.get_name() == name]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=_LISTENERS_SECONDS)
        if late:
            listeners = count_text(len(late), "listener")
            log.warning("%s of %s did not end within %g s; going on", listeners, event, _LISTENERS_SECONDS)
