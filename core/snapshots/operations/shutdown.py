"""The snapshot that is taken when the bot shuts down."""

from __future__ import annotations

import asyncio

from ..errors import DeadlineExceeded, SnapshotError
from ..models import Kind, Snapshot
from ..units import duration_text
from .context import Context
from .create import CreateRequest, create
from .events import EventCoverage

__all__ = ["create_last"]


async def create_last(context: Context, events: EventCoverage) -> Snapshot | None:
    """Take the shutdown snapshot within ``shutdown_deadline``; it covers the events that still wait.

    Returns None if shutdown snapshots are switched off, or if other processes still use the database: the last of them
    takes it. Raises DeadlineExceeded, and whatever ``create`` raises.
    """
    schedule = context.settings.schedule
    limit = float(schedule.shutdown_deadline)
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
            f"The shutdown snapshot was not done within {duration_text(limit)} ([schedule] shutdown_deadline); the "
            "newest one before it stands.",
            seconds=limit,
        ) from error
    return created.snapshot if created else None
