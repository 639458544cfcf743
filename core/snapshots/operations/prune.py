"""The removal of expired snapshots, and of old databases that an engine left on the server.

Those are scratch databases, and databases that a restore replaced. A scratch database in use is never removed, because
only those are that are older than any operation can last.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ..engines import creates_databases
from ..errors import SnapshotError
from ..models import NOBODY, Actor, PruneDecision, PruneReport, Snapshot
from ..policies.retention import decide
from ..repository.catalog import Contents
from ..worker.protocol import CleanedUp, CleanUpJob
from .context import Context
from .exclusive import exclusive
from .identity import require_own
from .journal import journaled
from .latest import refresh_latest
from .past.asked import forget_records
from .rebuild_catalog import readable_contents

__all__ = ["clean_up_locked", "drop", "expired", "prune", "prune_locked"]

log = logging.getLogger(__name__)

_CLEAN_UP_DEADLINE = 60.0
"""Seconds."""


async def prune(context: Context, *, dry_run: bool, actor: Actor = NOBODY) -> PruneReport:
    """Apply retention and clean up; with ``dry_run``, only return the decisions and their reasons."""
    if dry_run:
        contents = await context.in_thread(context.repository.refresh)
        decisions = await context.in_thread(expired, context, contents)
        return PruneReport(decisions=tuple(decisions), dry_run=True, freed=0)
    async with exclusive(context, "pruning", actor=actor):
        contents = await readable_contents(context)
        await require_own(context, contents)
        async with journaled(context, "prune", actor):
            decisions, freed = await context.in_thread(prune_locked, context, contents)
        await refresh_latest(context)
        await clean_up_locked(context)
        return PruneReport(decisions=tuple(decisions), dry_run=False, freed=freed)


def expired(context: Context, contents: Contents) -> Sequence[PruneDecision]:
    """Return retention's decision for every snapshot."""
    return decide(contents.snapshots, context.settings.retention, context.clock(), contents.restores)


def prune_locked(context: Context, contents: Contents) -> tuple[Sequence[PruneDecision], int]:
    """Remove expired snapshots; return all decisions and the number of bytes freed. Blocks."""
    decisions = expired(context, contents)
    dropped = [decision.snapshot for decision in decisions if not decision.keep]
    for snapshot in dropped:
        log.info("Retention removes snapshot %s of %s", snapshot.id, snapshot.created_at)
    return decisions, drop(context, dropped)


def drop(context: Context, snapshots: Sequence[Snapshot]) -> int:
    """Remove snapshots and what is of no use without them; return the number of bytes freed. Blocks."""
    freed = context.repository.drop(snapshots)
    if snapshots:
        forget_records(context, {snapshot.id for snapshot in snapshots})
    return freed


async def clean_up_locked(context: Context) -> None:
    """Remove old databases that the engine left on the server; the caller holds the exclusive lock.

    A failure is logged only: the next run tries again.
    """
    if not creates_databases(context.url):
        return
    schedule = context.settings.schedule
    restoring = 2 * float(schedule.restore_deadline) + float(schedule.snapshot_deadline)
    try:
        removed = await context.work(
            CleanUpJob,
            CleanedUp,
            deadline=_CLEAN_UP_DEADLINE,
            scratch_age=max(restoring, float(schedule.verify_deadline)),
            kept_age=float(context.settings.retention.safety),
        )
    except SnapshotError as error:
        log.info("Databases left on the server could not be cleaned up: %s", error)
        return
    for name in removed.dropped:
        log.warning("Removed the left-over database %s", name)
