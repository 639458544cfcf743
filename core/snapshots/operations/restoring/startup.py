"""What happens before the host's own cogs load: check the database, and restore it if it cannot be read.

The verdict decides (``policies/health.py``): only a database that cannot be read is restored by itself. One that
somebody changed, that is busy, or that this SQLite does not understand is left as it is, and the owner is told. Two
automatic restores within ``restore_pause`` mean that something damages the database again and again: the second is
refused and a person is asked.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec

from ...errors import AnotherDatabase, Busy, DatabaseBusy, SnapshotDamaged, SnapshotError, SnapshotNotFound, StateUnfit
from ...models import (
    Actor,
    Check,
    Finding,
    Health,
    IntegrityReport,
    Lost,
    Method,
    RestorePlan,
    RestoreRecord,
    RestoreReport,
    Severity,
    Snapshot,
    StartupOutcome,
    StartupReport,
    Verdict,
)
from ...policies.health import capped, judge, means, of_damage, usable_state
from ...policies.timeline import timeline, timeline_first
from ...repository.catalog import Contents
from ...repository.names import QUARANTINE
from ...units import count_text, duration_text
from ...worker.protocol import IntegrityJob
from ..context import Context
from ..exclusive import exclusive
from ..identity import require_own
from ..live import record_check
from ..rebuild_catalog import readable_contents
from .plan import plan_for
from .restore import restore_locked

__all__ = ["candidates", "recent_automatic", "start_up", "start_up_locked"]

log = logging.getLogger(__name__)

_EVENTS_NAMED = 5
_TABLES_NAMED = 5
_OPERATION = "a start-up check"
_WAIT_AGAIN = 5.0
"""Seconds between two looks at what the other process is doing."""
_MAY_CHANGE_DATABASE = (_OPERATION, "a start", "a restore")
"""The operations of another process that a start waits for."""
_ACTOR = Actor(source="startup")


async def start_up(context: Context) -> StartupReport:
    """Check the database before anybody uses it, restore it if it cannot be read, and report both."""
    async with _alone(context):
        contents = await readable_contents(context)
        try:
            await require_own(context, contents)
        except AnotherDatabase as error:
            report = _report(StartupOutcome.REFUSED, str(error))
            return msgspec.structs.replace(report, another_database=True)
        return await start_up_locked(context, contents)


@contextlib.asynccontextmanager
async def _alone(context: Context) -> AsyncIterator[None]:
    """Hold the exclusive lock, waiting for the start or the restore of another process up to ``startup.deadline``.

    That process may be putting the database into its place, and the game must not open it before. Any other operation,
    such as a snapshot, says nothing about the database, and is waited for as usual. Raises Busy.
    """
    deadline = time.monotonic() + float(context.settings.startup.deadline)
    wait = None
    while True:
        stack = contextlib.AsyncExitStack()
        try:
            await stack.enter_async_context(exclusive(context, _OPERATION, wait=wait))
        except Busy as error:
            if error.operation not in _MAY_CHANGE_DATABASE or time.monotonic() >= deadline:
                raise
            log.info("The start-up check waits: %s", error)
            wait = _WAIT_AGAIN
            continue
        async with stack:
            yield
        return


async def start_up_locked(context: Context, contents: Contents) -> StartupReport:
    """Check the database and restore it if it cannot be read; the caller holds the exclusive lock.

    The state of the database raises nothing; it is in the report.
    """
    started = time.monotonic()
    try:
        report = await _start_up(context, contents)
    finally:
        context.first_start = False
    return msgspec.structs.replace(report, seconds=time.monotonic() - started)


async def _start_up(context: Context, contents: Contents) -> StartupReport:
    if context.settings.startup.check == "off":
        return _report(StartupOutcome.SKIPPED, "The start-up check is switched off ([startup] check).")
    quick = context.settings.startup.check == "quick"
    try:
        integrity = await _check(context, contents, quick)
    except SnapshotError as error:
        # Busy, no permission, input/output: all of it says nothing about damage.
        finding = Finding(check=Check.ACCESS, severity=Severity.ERROR, message=str(error))
        await record_check(context, (finding,), quick=quick)
        return _report(StartupOutcome.UNCHECKED, f"The database was not checked at start-up: {error}")
    health = await record_check(context, integrity.findings, quick=quick)
    verdict = judge(integrity.findings)
    if verdict is Verdict.UNREADABLE:
        return await _heal(context, contents, integrity)
    if context.settings.startup.restore == "errors" and integrity.errors and verdict is not Verdict.UNKNOWN:
        return await _heal(context, contents, integrity)
    return _untouched(health, integrity)


def _untouched(health: Health, integrity: IntegrityReport) -> StartupReport:
    """Return the report on a database that is left as it is, with what the owner should know of it.

    That includes what an earlier check found and this one, if it is quick, did not look at.
    """
    verdict = health.verdict
    findings = [each for each in health.findings if means(each) is verdict]
    what = f"{findings[0].message.rstrip('.')}." if findings else ""
    remedy = f" {findings[0].remedy}" if findings and findings[0].remedy else ""
    if verdict is Verdict.MISSING:
        message = f"{what} A new beginning: there is no snapshot of one either."
        return _report(StartupOutcome.NEW, message, integrity)
    if verdict is Verdict.INCONSISTENT:
        changed = next((each.message for each in health.findings if means(each) is Verdict.SUSPICIOUS), "")
        besides = f" Besides: {changed.rstrip('.')}." if changed else ""
        message = f"Every table can be read, but the database is not in order: {what}{remedy}{besides}"
        message += " Nothing was touched."
        return _report(StartupOutcome.INCONSISTENT, message, integrity)
    if verdict is Verdict.SUSPICIOUS:
        return _report(StartupOutcome.SUSPICIOUS, f"{what}{remedy} Nothing was touched.", integrity)
    if verdict is Verdict.UNKNOWN and any(each.check is not Check.EXTENSION for each in findings):
        return _report(StartupOutcome.UNCHECKED, f"{what}{remedy} Nothing was touched.", integrity)
    unseen = f" Not looked at: {what}" if verdict is Verdict.UNKNOWN else ""
    return _report(StartupOutcome.CLEAN, f"{_clean_sentence(integrity)}{unseen}", integrity)


def _report(
    outcome: StartupOutcome,
    message: str,
    integrity: IntegrityReport | None = None,
    *,
    restore: RestoreReport | None = None,
    tried: Sequence[str] = (),
) -> StartupReport:
    return StartupReport(outcome=outcome, message=message, integrity=integrity, restore=restore, tried=tuple(tried))


async def _check(context: Context, contents: Contents, quick: bool) -> IntegrityReport:
    return await context.work(
        IntegrityJob,
        IntegrityReport,
        deadline=float(context.settings.startup.deadline),
        deadline_key="startup.deadline",
        checks=context.checks(contents, quick=quick, wait_for_server=True),
    )


def _clean_sentence(integrity: IntegrityReport) -> str:
    warnings = len(integrity.warnings)
    extra = f" It gave {count_text(warnings, 'warning')}." if warnings else ""
    return f"The database passed its start-up check in {duration_text(integrity.seconds)}.{extra}"


async def _heal(context: Context, contents: Contents, integrity: IntegrityReport) -> StartupReport:
    """Restore the newest snapshot that helps, or say why nothing was touched."""
    gravest = capped(integrity.errors or integrity.findings)[0]
    damage = f"The database cannot be used as it is: {gravest.message.rstrip('.')}."
    refusal = _why_not(context, contents, integrity, damage)
    if refusal is not None:
        return refusal
    by_content = judge(integrity.findings) is not Verdict.UNREADABLE
    tried: list[str] = []
    for snapshot in candidates(contents.snapshots, contents.restores, newest_only=by_content):
        tried.append(snapshot.id)
        try:
            restored = await _restore(context, snapshot, integrity.errors if by_content else ())
        except (SnapshotDamaged, SnapshotNotFound, StateUnfit) as error:
            log.warning("Start-up restore: %s", error)
            continue
        except SnapshotError as error:
            message = f"{damage} The automatic restore of {snapshot.id} failed: {error}"
            return _report(StartupOutcome.DAMAGED, message, integrity, tried=tried)
        message = f"{damage} {_restored_sentence(restored, context.repository.root)}"
        return _report(StartupOutcome.RESTORED, message, integrity, restore=restored, tried=tried)
    message = f"{damage} There is no usable snapshot ({len(tried)} tried); nothing was touched."
    return _report(StartupOutcome.DAMAGED, message, integrity, tried=tried)


def _why_not(context: Context, contents: Contents, integrity: IntegrityReport, damage: str) -> StartupReport | None:
    """Return the report if nothing may be restored by itself: by hand only, switched off, or too soon."""
    startup = context.settings.startup
    by_hand = next((finding for finding in integrity.errors if finding.by_hand), None)
    if by_hand is not None:
        return _report(StartupOutcome.DAMAGED, f"The database is damaged: {by_hand.message}", integrity)
    newest = contents.newest_sound
    hint = f" The newest usable snapshot is {newest.id} of {_moment(newest)}: restore {newest.id}." if newest else ""
    if startup.restore == "never":
        message = f"{damage} Automatic restore is switched off ([startup] restore); nothing was touched.{hint}"
        return _report(StartupOutcome.DAMAGED, message, integrity)
    last = recent_automatic(contents.restores, context.clock(), float(startup.restore_pause))
    if last is None:
        return None
    message = (
        f"{damage} It was restored automatically less than {duration_text(startup.restore_pause)} ago (from "
        f"{last.snapshot}), so something keeps damaging it: nothing was touched. Look at the disk and at what else "
        f"writes to the file, then restore by hand.{hint}"
    )
    return _report(StartupOutcome.REFUSED, message, integrity)


def _moment(snapshot: Snapshot) -> str:
    return f"{snapshot.began_at:%Y-%m-%d %H:%M:%S} UTC"


async def _restore(context: Context, snapshot: Snapshot, findings: tuple[Finding, ...]) -> RestoreReport:
    """Exchange the files, so that the damaged ones stay to be looked at; online if others have them open."""
    contents = context.repository.catalog.contents
    plan = await plan_for(context, contents, snapshot)
    exchange = msgspec.structs.replace(plan, method=plan.database.method or Method.SWAP)

    async def restore_by(plan: RestorePlan) -> RestoreReport:
        return await restore_locked(
            context,
            contents,
            plan,
            agreed=None,
            actor=_ACTOR,
            automatic=True,
            findings=findings,
            # Before its own first start the game has nothing open, and nobody else may have.
            stopped=context.first_start,
        )

    try:
        return await restore_by(exchange)
    except DatabaseBusy:
        if not plan.database.openable or exchange.method is plan.method:
            raise
        return await restore_by(plan)


def _restored_sentence(report: RestoreReport, root: Path) -> str:
    lost = report.lost
    events = ""
    if lost.event_count:
        named = ", ".join(lost.events[:_EVENTS_NAMED]) + (", …" if len(lost.events) > _EVENTS_NAMED else "")
        events = f" and {count_text(lost.event_count, 'recorded event')} ({named})"
    rows = _lost_rows(lost)
    kept = ""
    if report.quarantine:
        kept = (
            f" The database that was there is kept as {report.quarantine}."
            if report.method is Method.EXCHANGE
            else f" The damaged files are in {root / QUARANTINE / report.quarantine}."
        )
    if report.safety is not None:
        kept = f" What was there before is the safety snapshot {report.safety.id}.{kept}"
    return (
        f"Snapshot {report.restored.id} of {report.restored.began_at:%Y-%m-%d %H:%M:%S} UTC was restored and checked. "
        f"Lost is what was written after that{events}. {rows}{kept}"
    )


def _lost_rows(lost: Lost) -> str:
    """Return how many rows a restore took away, by table, in one sentence."""
    both = {table: now - then for table, (then, now) in lost.rows.items() if then is not None and now is not None}
    fewer = [f"{table} {count:,}" for table, count in both.items() if count > 0]
    if fewer:
        more = f" and {len(fewer) - _TABLES_NAMED} more" if len(fewer) > _TABLES_NAMED else ""
        return f"In rows: {', '.join(fewer[:_TABLES_NAMED])}{more}."
    if both:
        return "No table has fewer rows than before."
    return "How many rows that is cannot be counted any more."


def candidates(
    snapshots: Sequence[Snapshot], restores: Sequence[RestoreRecord], *, newest_only: bool
) -> tuple[Snapshot, ...]:
    """Return the snapshots that may be restored by themselves, the best first.

    Those of the timeline come first, newest first, then the others. Left out are snapshots whose bytes are damaged,
    whose state is known to be unreadable, which a start-up restore took of the damage before it, or which were imported
    and never restored by hand. With ``newest_only`` only the timeline's newest is returned, because for its content a
    newer snapshot is never passed over.
    """
    if newest_only:
        present = [each for each in timeline(snapshots, restores) if not of_damage(each)]
        return tuple(each for each in present[:1] if usable_state(each))
    chosen = {record.snapshot for record in restores}
    return tuple(
        each
        for each in timeline_first(snapshots, restores)
        if usable_state(each) and (each.id in chosen or not (of_damage(each) or each.imported is not None))
    )


def recent_automatic(restores: Sequence[RestoreRecord], now: dt.datetime, pause: float) -> RestoreRecord | None:
    """Return the last automatic restore if it is less than ``pause`` seconds away from ``now``, else None.

    One in the future counts too: the clock may have been set back since.
    """
    automatic = [record for record in restores if record.automatic]
    if automatic and abs((now - automatic[-1].at).total_seconds()) < pause:
        return automatic[-1]
    return None
