"""What is done when the bot shuts down: the last snapshot, and the end of the write-ahead log."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from ..errors import DeadlineExceeded, SnapshotError
from ..models import Kind, Snapshot
from ..units import duration_text
from ..worker.protocol import FinishJob
from .context import Context
from .create import CreateRequest, create
from .events import EventCoverage

__all__ = ["create_last", "finish"]

log = logging.getLogger(__name__)


async def create_last(context: Context, events: EventCoverage, seconds: float | None = None) -> Snapshot | None:
    """Take the shutdown snapshot within ``seconds`` (``shutdown_deadline`` if None), with the events that still wait.

    Returns None if shutdown snapshots are switched off, or if other processes still use the database: the last of them
    takes it. Raises DeadlineExceeded, and whatever ``create`` raises.
    """
    schedule = context.settings.schedule
    limit = float(schedule.shutdown_deadline) if seconds is None else seconds
    wanted = CreateRequest(kind=Kind.SHUTDOWN, reasons=(Kind.SHUTDOWN.value,), skip_unchanged=True, deadline=limit)
    try:
        async with asyncio.timeout(limit):
            is_last = await context.probe.leave(context.group)
            created = await create(context, wanted) if is_last and schedule.shutdown else None
            await events.flush()
    except TimeoutError as error:
        if isinstance(error, SnapshotError):
            raise
        raise DeadlineExceeded(
            f"The shutdown snapshot was not done in the {duration_text(limit)} that were left of [schedule] "
            "shutdown_deadline.",
            seconds=limit,
            setting="schedule.shutdown_deadline",
        ) from error
    return created.snapshot if created else None


async def finish(context: Context, seconds: float) -> None:
    """Let the engine clean up the database, within ``seconds``; a failure is logged, because nothing is lost by it."""
    # Without a log beside a file there is nothing to do, and no worker need be started for that.
    if context.url.path is None or not await context.in_thread(Path(f"{context.url.path}-wal").exists):
        return
    try:
        async with asyncio.timeout(seconds):
            written = await context.work(FinishJob, bool, deadline=seconds)
    except (SnapshotError, OSError, TimeoutError) as error:
        # Somebody else still has the database open, and the last one to close it does the same.
        log.info("The write-ahead log stays: %s", error or "there was no time left")
    else:
        if written:
            log.info("The write-ahead log was written into the database's file")
