"""The schedule: when the next periodic snapshot is due, and which of the bot's processes takes it."""

from __future__ import annotations

import datetime as dt

from ..errors import SnapshotError
from ..policies.schedule import last_periodic, next_periodic
from .context import Context

__all__ = ["PeriodicSchedule"]


class PeriodicSchedule:
    """The periodic snapshots of one repository, as one of the bot's processes sees them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._started_at = context.clock()

    @property
    def last(self) -> dt.datetime | None:
        """When the last periodic snapshot was taken or found unnecessary; None if never."""
        contents = self._context.repository.catalog.contents
        return last_periodic(contents.snapshots, contents.periodic_checked_at, self._context.clock())

    def due(self) -> dt.datetime:
        """Return when the next periodic snapshot is due, from what this process knows of the catalog."""
        schedule = self._context.settings.schedule
        return next_periodic(
            self.last,
            self._started_at,
            self._context.clock(),
            float(schedule.periodic_interval),
            float(schedule.first_after),
        )

    async def join(self, *, eligible: bool) -> bool:
        """Count as one of the bot's processes; return whether this one is the leader, which keeps the schedule."""
        return await self._context.probe.join(self._context.group, eligible=eligible)

    async def is_wanted(self, *, eligible: bool) -> bool:
        """Join, and return whether this process is to take the periodic snapshot now.

        The leader is when it is due. Another process is only when it is overdue by a whole interval, so that a leader
        that hangs does not end the periodic snapshots of all.
        """
        context = self._context
        leads = await self.join(eligible=eligible)
        if not eligible or context.clock() < self.due():
            return False
        try:
            await context.in_thread(context.repository.refresh)
        except SnapshotError:
            return leads  # taking the snapshot will mend it, or say what is wrong
        now, due = context.clock(), self.due()
        if now < due:
            await context.notify(lambda listener: listener.covered())  # by another process
            return False
        return leads or now >= due + dt.timedelta(seconds=float(context.settings.schedule.periodic_interval))
