"""The service's methods about the past: questions, and rows that are put back."""

from __future__ import annotations

from ...models import NOBODY, Actor, OnProgress, RescuePlan, RescueReport
from .queries import HistoryQueries
from .rescue import Rescue, rescue, rescue_plan, undo_rescue

__all__ = ["PastMethods"]


class PastMethods(HistoryQueries):
    """A part of ``SnapshotService``."""

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
