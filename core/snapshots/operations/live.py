"""What is known of the live database: remembered, shown in every status until a check passes, and reported once."""

from __future__ import annotations

import logging

import msgspec

from ..models import Check, DatabaseState, Finding, Health, Severity, Verdict
from ..policies.health import health_of, judge, means
from ..repository.state import StateFile
from ..worker.protocol import InspectJob
from .context import Context

__all__ = ["live_health", "record_capture", "record_check", "record_refusal"]

log = logging.getLogger(__name__)

_LASTING = (Verdict.UNREADABLE, Verdict.INCONSISTENT, Verdict.SUSPICIOUS)
"""Verdicts that only a check of the database itself takes back."""


class _Live(msgspec.Struct, frozen=True, kw_only=True):
    """The last verdict, and what the owner was last told of, so that he is told once."""

    health: Health
    reported: tuple[str, ...] = ()


def _file(context: Context) -> StateFile[_Live]:
    return StateFile(context.repository.root, "live", _Live)


async def record_check(context: Context, findings: tuple[Finding, ...], *, quick: bool) -> Health:
    """Record the outcome of a check of the live database and return the verdict.

    A quick check does not compare indexes with their tables, so it leaves what a full one found about them.
    """
    before = await context.in_thread(_file(context).read)
    if quick and before is not None:
        known = {(each.check, each.message) for each in findings}
        kept = [each for each in before.health.findings if each.check is Check.INDEXES]
        findings += tuple(each for each in kept if (each.check, each.message) not in known)
    health = health_of(findings, context.clock())
    await _record(context, before, health)
    return health


async def record_capture(context: Context, findings: tuple[Finding, ...] | None) -> None:
    """Record what a snapshot met while it was taken; None if it did not look."""
    if findings is None:
        return
    before = await context.in_thread(_file(context).read)
    if judge(findings) is Verdict.SOUND and before is not None and before.health.verdict in _LASTING:
        return
    await _record(context, before, health_of(findings, context.clock()))


async def record_refusal(context: Context, message: str) -> None:
    """Record that the database could not be read at all."""
    finding = Finding(check=Check.FILE, severity=Severity.ERROR, message=message)
    before = await context.in_thread(_file(context).read)
    await _record(context, before, health_of((finding,), context.clock()))


async def _record(context: Context, before: _Live | None, health: Health) -> None:
    signature = _signature(health)
    reported = before.reported if before is not None else ()
    worth_saying = health.verdict in _LASTING or health.verdict is Verdict.UNKNOWN
    new = worth_saying and not set(signature) <= set(reported)
    recovered = before is not None and before.health.verdict in _LASTING and health.verdict is Verdict.SOUND
    document = _Live(health=health, reported=signature if worth_saying else ())
    try:
        await context.in_thread(_file(context).write, document)
    except OSError as error:
        log.error("The verdict on the database could not be recorded: %s", error)
    if new or recovered:
        await context.notify(lambda listener: listener.health_changed(health))


def _signature(health: Health) -> tuple[str, ...]:
    """Return what tells one set of findings from another, without counts that change from check to check."""
    telling = [each for each in health.findings if means(each) is not Verdict.SOUND]
    return tuple(sorted({f"{each.check}:{each.table or ''}" for each in telling}))


async def live_health(context: Context) -> Health:
    """Return what is known of the live database, after a cheap look at whether it can be opened at all.

    Raises SnapshotError if not even that could be done.
    """
    recorded = await context.in_thread(_file(context).read)
    state = await context.work(
        InspectJob,
        DatabaseState,
        deadline=float(context.settings.schedule.integrity_deadline),
        tables=None,
    )
    if state.finding is not None:
        return health_of((state.finding,), context.clock())
    if not state.exists:
        if context.repository.catalog.contents.snapshots:
            missing = Finding(check=Check.FILE, severity=Severity.ERROR, message=state.problem or "It is not there.")
        else:
            missing = Finding(
                check=Check.MISSING, severity=Severity.WARNING, message=state.problem or "It is not there."
            )
        return health_of((missing,), context.clock())
    if recorded is not None and recorded.health.verdict is not Verdict.MISSING:
        return recorded.health
    return Health(verdict=Verdict.UNKNOWN, checked_at=context.clock())
