"""What happens before the host's own cogs load: look at the database, and heal it if it is damaged.

Damage is what the engine calls damage. A busy database, missing permissions and input/output errors are never taken for
it. Two automatic restores within ``restore_pause`` mean that something damages the database again and again: the second
is refused and a person is asked.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Sequence

import msgspec

from ..errors import DatabaseBusy, SnapshotDamaged, SnapshotError, SnapshotNotFound
from ..models import (
    Check,
    Finding,
    IntegrityReport,
    Method,
    RestoreRecord,
    RestoreReport,
    Snapshot,
    StartupOutcome,
    StartupReport,
)
from ..policies.timeline import timeline_first
from ..repository.catalog import Contents
from ..units import duration_text
from ..worker.protocol import IntegrityJob
from .context import Context
from .exclusive import exclusive
from .rebuild_catalog import readable_contents
from .restore import plan_for, restore_locked

__all__ = ["candidates", "recent_automatic", "start_up", "start_up_locked"]

log = logging.getLogger(__name__)

_EVENTS_NAMED = 5


async def start_up(context: Context) -> StartupReport:
    """Check the database before anybody uses it, heal it if it is damaged, and report both."""
    async with exclusive(context, "a start-up check"):
        return await start_up_locked(context, await readable_contents(context))


async def start_up_locked(context: Context, contents: Contents) -> StartupReport:
    """Check the database and heal it if need be, inside an operation that holds the repository.

    Never raises for the state of the database: whatever was seen is in the report.
    """
    started = time.monotonic()
    report = await _start_up(context, contents)
    return msgspec.structs.replace(report, seconds=time.monotonic() - started)


async def _start_up(context: Context, contents: Contents) -> StartupReport:
    if context.settings.startup.check == "off":
        return StartupReport(
            outcome=StartupOutcome.SKIPPED, message="The start-up check is switched off ([startup] check)."
        )
    try:
        integrity = await _check(context, contents)
    except SnapshotError as error:
        return StartupReport(
            outcome=StartupOutcome.UNCHECKED, message=f"The database was not checked at start-up: {error}"
        )
    if not integrity.ok:
        return await _heal(context, contents, integrity)
    if not contents.snapshots and any(finding.check is Check.EMPTY for finding in integrity.findings):
        message = "There is no database yet, and no snapshot of one: a new beginning."
        return StartupReport(outcome=StartupOutcome.NEW, message=message, integrity=integrity)
    return StartupReport(outcome=StartupOutcome.CLEAN, message=_clean_sentence(integrity), integrity=integrity)


async def _check(context: Context, contents: Contents) -> IntegrityReport:
    startup = context.settings.startup
    return await context.work(
        IntegrityJob,
        IntegrityReport,
        deadline=float(startup.deadline),
        checks=context.checks(contents, quick=startup.check == "quick", wait_for_server=True),
    )


def _clean_sentence(integrity: IntegrityReport) -> str:
    warnings = len(integrity.warnings)
    extra = f", {warnings} warning{'s' if warnings != 1 else ''}" if warnings else ""
    return f"The database passed its start-up check in {duration_text(integrity.seconds)}{extra}."


async def _heal(context: Context, contents: Contents, integrity: IntegrityReport) -> StartupReport:
    """Restore the newest snapshot that passes, or say why nothing was touched."""
    by_hand = next((finding for finding in integrity.errors if finding.by_hand), None)
    if by_hand is not None:
        return StartupReport(
            outcome=StartupOutcome.DAMAGED,
            message=f"The database is damaged: {by_hand.message}",
            integrity=integrity,
        )
    damage = f"The database is damaged: {integrity.errors[0].message.rstrip('.')}."
    if not context.settings.startup.restore:
        message = f"{damage} Automatic restore is switched off ([startup] restore); nothing was touched."
        return StartupReport(outcome=StartupOutcome.DAMAGED, message=message, integrity=integrity)
    pause = context.settings.startup.restore_pause
    last = recent_automatic(contents.restores, context.clock(), float(pause))
    if last is not None:
        message = (
            f"{damage} It was restored automatically less than {duration_text(pause)} ago (from {last.snapshot}), so "
            "something keeps damaging it: nothing was touched. Look at the disk and at what else writes to the file, "
            "then restore by hand."
        )
        return StartupReport(outcome=StartupOutcome.REFUSED, message=message, integrity=integrity)
    tried: list[str] = []
    for snapshot in candidates(contents.snapshots, contents.restores, integrity):
        tried.append(snapshot.id)
        try:
            restored = await _restore(context, snapshot)
        except (SnapshotDamaged, SnapshotNotFound) as error:
            log.warning("Start-up restore: %s", error)
            continue
        except SnapshotError as error:
            message = f"{damage} The automatic restore of {snapshot.id} failed: {error}"
            return StartupReport(
                outcome=StartupOutcome.DAMAGED, message=message, integrity=integrity, tried=tuple(tried)
            )
        return StartupReport(
            outcome=StartupOutcome.RESTORED,
            message=f"{damage} {_restored_sentence(restored)}",
            integrity=integrity,
            restore=restored,
            tried=tuple(tried),
        )
    message = f"{damage} There is no usable snapshot ({len(tried)} tried); nothing was touched."
    return StartupReport(outcome=StartupOutcome.DAMAGED, message=message, integrity=integrity, tried=tuple(tried))


async def _restore(context: Context, snapshot: Snapshot) -> RestoreReport:
    """Exchange the files, so that the damaged ones stay to be looked at; online where others have them open."""
    contents = context.repository.catalog.contents
    plan = await plan_for(context, contents, snapshot)
    exchange = msgspec.structs.replace(plan, method=plan.database.method or Method.SWAP)
    try:
        return await restore_locked(context, contents, exchange, agreed=None, automatic=True)
    except DatabaseBusy:
        if not plan.database.openable or exchange.method is plan.method:
            raise
        return await restore_locked(context, contents, plan, agreed=None, automatic=True)


def _restored_sentence(report: RestoreReport) -> str:
    lost = report.lost
    events = ""
    if lost.event_count:
        named = ", ".join(lost.events[:_EVENTS_NAMED]) + (", …" if len(lost.events) > _EVENTS_NAMED else "")
        events = f" and {lost.event_count} recorded events ({named})"
    kept = ""
    if report.quarantine:
        kept = (
            f" The database that was there is kept as {report.quarantine}."
            if report.method is Method.EXCHANGE
            else f" The damaged files are in quarantine/{report.quarantine}."
        )
    return (
        f"Snapshot {report.restored.id} of {report.restored.began_at:%Y-%m-%d %H:%M:%S} UTC was restored and checked. "
        f"Lost is what was written in the {duration_text(lost.seconds)} after it{events}.{kept}"
    )


def candidates(
    snapshots: Sequence[Snapshot], restores: Sequence[RestoreRecord], integrity: IntegrityReport
) -> tuple[Snapshot, ...]:
    """Give the snapshots that could mend what was found: those of the present line newest first, then the others.

    A table that is missing now and was not in a snapshot either is a matter of settings: for that alone, the snapshot
    would be no help.
    """
    return tuple(
        snapshot
        for snapshot in timeline_first(snapshots, restores)
        if not snapshot.damaged and any(_would_mend(snapshot, finding) for finding in integrity.errors)
    )


def _would_mend(snapshot: Snapshot, finding: Finding) -> bool:
    return finding.check is not Check.TABLES or finding.table in snapshot.rows


def recent_automatic(restores: Sequence[RestoreRecord], now: dt.datetime, pause: float) -> RestoreRecord | None:
    """Give the last automatic restore if it was less than ``pause`` seconds ago, by whichever way the clock moved."""
    automatic = [record for record in restores if record.automatic]
    if automatic and abs((now - automatic[-1].at).total_seconds()) < pause:
        return automatic[-1]
    return None
