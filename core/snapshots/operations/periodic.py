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
        """The time when the last periodic snapshot was taken or found unnecessary; None if never."""
        return self._last(self._context.clock())

    def _last(self, now: dt.datetime) -> dt.datetime | None:
        contents = self._context.repository.catalog.contents
        return last_periodic(contents.snapshots, contents.periodic_checked_at, now)

    def due(self, now: dt.datetime | None = None) -> dt.datetime:
        """Return when the next periodic snapshot is due, by the catalog as this process last read it.

        Whoever compares it with the clock must give the same ``now``: it can be what is returned, and a clock that is
        read again is always later.
        """
        schedule, now = self._context.settings.schedule, now or self._context.clock()
        return next_periodic(
            self._last(now),
            self._started_at,
            now,
            float(schedule.periodic_interval),
            float(schedule.first_after),
        )

    async def join(self, *, eligible: bool) -> bool:
        """Join the bot's processes, and return True if this one is the leader, which keeps the schedule.

        A process that is not ``eligible`` is counted, but never becomes the leader.
        """
        return await self._context.probe.join(self._context.group, eligible=eligible)

    async def is_wanted(self, *, eligible: bool) -> bool:
        """Join, and return True if this process should take the periodic snapshot now.

        The leader takes it when it is due. Another process takes it only when it is overdue by a whole interval, in
        case the leader hangs.
        """
        context = self._context
        leads = await self.join(eligible=eligible)
        now = context.clock()
        if not eligible or now < self.due(now):
            return False
        try:
            await context.in_thread(context.repository.refresh)
        except SnapshotError:
            return leads  # taking the snapshot repairs the catalog, or reports what is wrong with it
        now = context.clock()
        due = self.due(now)
        if now < due:
            await context.notify(lambda listener: listener.covered())  # by another process
            return False
        return leads or now >= due + dt.timedelta(seconds=float(context.settings.schedule.periodic_interval))
