"""What became of a rescue whose worker or process died before it could say it. The rows themselves tell.

They are written in one transaction: all are as in the safety snapshot from before it, or all as they were to become.
"""

from __future__ import annotations

import logging

from ...errors import SnapshotError
from ...models import RescueRecord, RescueScope
from ..context import Context
from .asked import Rescue, work

__all__ = ["look_at_them", "was_written"]

log = logging.getLogger(__name__)


def look_at_them(rescue_id: str) -> str:
    """Return what the owner can do where nobody can tell whether the rows of a rescue were put back."""
    return f"Look at them; rescue --undo {rescue_id} makes them what they were before."


async def was_written(context: Context, record: RescueRecord) -> bool | None:
    """Return True if the rows of a rescue were written, False if not, None if that cannot be told any more."""
    try:
        if await _are_as_in(context, record, record.safety):
            return False
        return True if await _are_as_in(context, record, record.then) else None
    except (SnapshotError, OSError) as error:
        log.warning("What became of rescue %s could not be found out: %s", record.id, error)
        return None


async def _are_as_in(context: Context, record: RescueRecord, snapshot: str) -> bool:
    contents = await context.in_thread(context.repository.refresh)
    plan = await work(context, contents, Rescue(scope=RescueScope(rows=record.rows), when=snapshot))
    return not (plan.writes or plan.conflicts or plan.left_out)
