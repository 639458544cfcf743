"""The service's methods about the past: moments, questions, and rows that are put back."""

from __future__ import annotations

import datetime as dt

from ...models import NOBODY, Actor, OnProgress, RescuePlan, RescueReport, Snapshot
from ...policies.moments import resolve_moment
from .queries import HistoryQueries
from .rescue import Rescue, rescue, rescue_plan, undo_rescue

__all__ = ["PastMethods"]


class PastMethods(HistoryQueries):
    """A part of ``SnapshotService``."""

    async def snapshot_at(self, when: str, zone: dt.tzinfo = dt.UTC) -> Snapshot | None:
        """Return the snapshot that ``policies.moments`` finds, None for "now". Raises SnapshotNotFound.

        ``zone`` is that of times which are written without one.
        """
        await self._context.in_thread(self._context.repository.refresh)
        return self.known_at(when, zone)

    def known_at(self, when: str, zone: dt.tzinfo = dt.UTC) -> Snapshot | None:
        """Return what ``snapshot_at`` does, by the catalog as this process last read it. The disk is not read."""
        contents = self._context.repository.catalog.contents
        return resolve_moment(when, contents.snapshots, contents.restores, self._context.clock(), zone)

    async def rescue_plan(self, asked: Rescue) -> RescuePlan:
        """Return what putting rows back would do now; changes nothing."""
        return await rescue_plan(self._context, asked)

    async def rescue(
        self,
        asked: Rescue,
        *,
        agreed: str | None = None,
        actor: Actor = NOBODY,
        on_progress: OnProgress | None = None,
    ) -> RescueReport:
        """Put rows of the past back; ``agreed`` is the token of the plan that a person agreed to (None: as it is now).

        Raises what ``look`` raises, Busy, PlanOutdated or RestoreFailed; no row was changed then.
        """
        return await rescue(self._context, asked, agreed=agreed, actor=actor, on_progress=on_progress)

    async def undo_rescue(
        self, rescue_id: str, *, actor: Actor = NOBODY, on_progress: OnProgress | None = None
    ) -> RescueReport:
        """Take a rescue back, row by row; rows that changed since stay as they are."""
        return await undo_rescue(self._context, rescue_id, actor=actor, on_progress=on_progress)
