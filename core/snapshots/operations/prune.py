"""Removing what engines left elsewhere than in the repository: scratch databases, states that a restore kept.

What a running operation uses is never touched: all of it is younger than an operation can last.
"""

from __future__ import annotations

import logging

from ..engines import works_elsewhere
from ..errors import SnapshotError
from ..worker.protocol import Tidied, TidyJob
from .context import Context

__all__ = ["tidy_locked"]

log = logging.getLogger(__name__)

_WITHIN = 60.0


async def tidy_locked(context: Context) -> None:
    """Remove what is old enough, inside an operation that holds the repository; that it fails changes nothing."""
    if not works_elsewhere(context.url):
        return
    schedule = context.settings.schedule
    restoring = 2 * float(schedule.restore_deadline) + float(schedule.snapshot_deadline)
    try:
        tidied = await context.work(
            TidyJob,
            Tidied,
            deadline=_WITHIN,
            scratch_age=max(restoring, float(schedule.verify_deadline)),
            kept_age=float(context.settings.retention.safety),
        )
    except SnapshotError as error:
        log.info("What restores left on the server could not be tidied: %s", error)
        return
    for name in tidied.dropped:
        log.warning("Removed the left-over database %s", name)
