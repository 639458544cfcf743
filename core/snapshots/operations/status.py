"""The repository and the database at a glance."""

from __future__ import annotations

import datetime as dt
import logging

from ..errors import SnapshotError
from ..models import AuditLine, Check, Finding, Health, IntegrityReport, Kind, OnProgress, Severity, Snapshot, Status
from ..policies.health import health_of, usable_state
from ..policies.space import free_space_lasts
from ..repository.audit import AuditLog
from ..worker.protocol import IntegrityJob
from .context import Context
from .events import EventCoverage
from .live import live_health, record_check
from .past.watch import unanswered
from .periodic import PeriodicSchedule

__all__ = ["check_integrity", "status"]

log = logging.getLogger(__name__)
_AUDIT_LINES = 5


async def status(context: Context, events: EventCoverage, schedule: PeriodicSchedule) -> Status:
    """Return the repository at a glance. Raises CatalogError."""
    repository = context.repository
    contents = await context.in_thread(repository.refresh)
    snapshots = tuple(reversed(contents.snapshots))
    free = await context.in_thread(repository.free)
    return Status(
        engine=context.url.engine,
        database=context.url.redacted,
        repository=str(repository.root),
        snapshots=len(snapshots),
        damaged=sum(snapshot.damaged for snapshot in snapshots),
        pinned=sum(snapshot.pinned for snapshot in snapshots),
        size=sum(snapshot.size for snapshot in snapshots),
        free=free,
        newest=next(iter(snapshots), None),
        newest_restored=next((each for each in snapshots if each.restored_at and usable_state(each)), None),
        pending=events.waiting,
        running=context.lock.operation is not None,
        next_periodic=schedule.due(),
        kinds={kind.value: sum(snapshot.kind is kind for snapshot in snapshots) for kind in Kind},
        remarks=await context.probe.remarks(),
        live=await _live(context),
        verified=max((each for each in snapshots if each.verification.seconds is not None), key=_at, default=None),
        lacking=await context.probe.lacking(),
        users=await context.probe.users(),
        audit=await _audit(context),
        doing=tuple(context.doing),
        restored=max((each for each in snapshots if each.restored_at), key=_restored_at, default=None),
        lasts=free_space_lasts(free, snapshots, context.clock()),
        unanswered=await unanswered(context),
    )


def _at(snapshot: Snapshot) -> dt.datetime:
    return snapshot.verification.at


def _restored_at(snapshot: Snapshot) -> dt.datetime:
    assert snapshot.restored_at is not None
    return snapshot.restored_at


async def _audit(context: Context) -> tuple[AuditLine, ...]:
    """Return the newest lines of the audit log; that it cannot be read is an outage of its own, and hides nothing."""
    try:
        return await context.in_thread(AuditLog(context.repository.root).last, _AUDIT_LINES)
    except (OSError, SnapshotError) as error:
        log.warning("The audit log cannot be read: %s", error)
        return ()


async def _live(context: Context) -> Health | None:
    """Return what is known of the live database; a status is shown even if that cannot be told."""
    try:
        return await live_health(context)
    except SnapshotError as error:
        finding = Finding(check=Check.ACCESS, severity=Severity.ERROR, message=str(error))
        return health_of((finding,), context.clock())


async def check_integrity(
    context: Context, *, quick: bool = False, on_progress: OnProgress | None = None
) -> IntegrityReport:
    """Check the database as it is now. Damage is a finding; raises DatabaseBusy and DatabaseUnavailable."""
    contents = await context.in_thread(context.repository.refresh)
    with context.shown("an integrity check"):
        report = await context.work(
            IntegrityJob,
            IntegrityReport,
            on_progress,
            deadline=float(context.settings.schedule.integrity_deadline),
            checks=context.checks(contents, quick=quick),
        )
    await record_check(context, report.findings, quick=quick)
    return report
