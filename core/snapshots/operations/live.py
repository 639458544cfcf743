"""What is known of the live database: remembered, shown in every status until a check passes, and reported once."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from ..errors import Busy
from ..models import Check, DatabaseState, Finding, Health, IntegrityReport, RestoreReport, Severity, Verdict
from ..policies.health import health_of, judge, means
from ..repository.state import StateFile
from ..worker.protocol import InspectJob, IntegrityJob
from .context import Context

__all__ = ["live_health", "record_capture", "record_check", "record_refusal", "record_restore"]

log = logging.getLogger(__name__)

_LASTING = (Verdict.UNREADABLE, Verdict.INCONSISTENT, Verdict.SUSPICIOUS)
"""Verdicts that only a check of the database itself takes back."""
_FULL_ONLY = (Check.INDEXES, Check.UNIQUE, Check.ROT)
"""What a quick check does not look at, so that it says nothing against it."""


_NOT_LOOKED = (Check.ACCESS, Check.MOUNT)
"""What a check finds that saw nothing of the database."""


class _Live(msgspec.Struct, frozen=True, kw_only=True):
    """The last verdict, and what the owner was told of since the database was last sound, so that he is told once."""

    health: Health
    reported: tuple[str, ...] = ()


def _file(context: Context) -> StateFile[_Live]:
    return StateFile(context.repository.root, "live", _Live)


async def _recorded(context: Context) -> _Live | None:
    """Return what is recorded; None also if that cannot be read, because what was found now counts all the same."""
    try:
        return await context.in_thread(_file(context).read)
    except OSError as error:
        log.error("What is known of the database could not be read: %s", error)
        return None


async def record_check(context: Context, findings: tuple[Finding, ...], *, quick: bool) -> Health:
    """Record the outcome of a check of the live database and return the verdict.

    A quick check does not compare indexes with their tables, so it leaves what a full one found about them. A check
    that could not look at the database leaves everything.
    """
    before = await _recorded(context)
    if before is not None and findings and all(each.check in _NOT_LOOKED for each in findings):
        findings = _with_others(findings, before.health.findings if before.health.verdict in _LASTING else ())
    if quick and before is not None:
        findings = _with_others(findings, [each for each in before.health.findings if each.check in _FULL_ONLY])
    health = health_of(findings, context.clock())
    await _record(context, before, health)
    return health


async def record_capture(context: Context, findings: tuple[Finding, ...] | None) -> None:
    """Record what a snapshot met while it was taken; None if it did not look."""
    if findings is None:
        return
    before = await _recorded(context)
    if before is not None and before.health.verdict in _LASTING:
        if judge(findings) is Verdict.SOUND:
            return
        findings = _with_others(findings, before.health.findings)
    await _record(context, before, health_of(findings, context.clock()))


async def record_restore(context: Context, report: RestoreReport, rebuilt: tuple[Finding, ...]) -> None:
    """Record what is known of the database after a restore; ``rebuilt`` is what the image's full check found."""
    if report.identical and report.integrity is not None:
        await record_check(context, _with_others(report.integrity.findings, rebuilt), quick=False)
    elif report.integrity is not None:
        await record_check(context, report.integrity.findings, quick=False)
    else:
        message = f"The database was restored from {report.restored.id} and not checked since."
        unchecked = Finding(check=Check.ACCESS, severity=Severity.WARNING, message=message)
        before = await _recorded(context)
        await _record(context, before, health_of((unchecked,), context.clock()))


def _with_others(findings: Sequence[Finding], others: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings and those of ``others`` that are not among them."""
    known = {(each.check, each.table, each.message) for each in findings}
    return (*findings, *(each for each in others if (each.check, each.table, each.message) not in known))


async def record_refusal(context: Context, message: str) -> None:
    """Record that the database could not be read at all."""
    finding = Finding(check=Check.FILE, severity=Severity.ERROR, message=message)
    before = await _recorded(context)
    await _record(context, before, health_of((finding,), context.clock()))


async def _record(context: Context, before: _Live | None, health: Health) -> None:
    reported = set(before.reported) if before is not None else set()
    worth_saying = health.verdict in _LASTING or health.verdict is Verdict.UNKNOWN
    signature = _signature(health) if worth_saying else set()
    new = not signature <= reported
    recovered = health.verdict is Verdict.SOUND and _was_bad(reported)
    document = _Live(health=health, reported=tuple(sorted(reported | signature)) if worth_saying else ())
    try:
        # Who checks at a shell, in a folder that has no repository, does not get one by that.
        if await context.in_thread(context.repository.root.exists):
            # Several checks can end at once, each with its verdict: one after another, or one of them would be lost.
            await context.in_thread(_file(context).change, lambda _: document)
    except (OSError, Busy) as error:
        log.error("The verdict on the database could not be recorded: %s", error)
    if new or recovered:
        await context.notify(lambda listener: listener.health_changed(health))


def _signature(health: Health) -> set[str]:
    """Return what tells one set of findings from another, without counts that change from check to check."""
    telling = [each for each in health.findings if means(each) is not Verdict.SOUND]
    return {f"{means(each)}:{each.check}:{each.table or ''}" for each in telling}


def _was_bad(reported: set[str]) -> bool:
    """Return True if the owner was told of more than that the database could not be checked."""
    return any(each.partition(":")[0] in _LASTING for each in reported)


async def live_health(context: Context) -> Health:
    """Return what is known of the live database, after a cheap look at whether it can be opened at all.

    Raises SnapshotError if not even that could be done.
    """
    state = await context.work(
        InspectJob,
        DatabaseState,
        deadline=float(context.settings.schedule.integrity_deadline),
        tables=None,
    )
    if state.finding is not None:
        return health_of((state.finding,), context.clock())
    if not state.exists:
        return await _health_of_missing(context)
    recorded = await _recorded(context)
    if recorded is not None and recorded.health.verdict is not Verdict.MISSING:
        return recorded.health
    return Health(verdict=Verdict.UNKNOWN, checked_at=context.clock())


async def _health_of_missing(context: Context) -> Health:
    """Return the verdict on a database that is not there: gone, on a volume that is not mounted, or not there yet."""
    report = await context.work(
        IntegrityJob,
        IntegrityReport,
        deadline=float(context.settings.schedule.integrity_deadline),
        checks=context.checks(context.repository.catalog.contents, quick=True),
    )
    return health_of(report.findings, context.clock())
