"""A rescue: rows of the past are put back into the live database, in the order that makes every crash harmless.

The plan is made and agreed to; a safety snapshot of the state before is taken; what will be written is recorded, so
that it can be taken back; one transaction writes it; a critical snapshot holds the result.
"""

from __future__ import annotations

import datetime as dt
import logging
import time

import msgspec

from ...errors import (
    DatabaseUnavailable,
    DeadlineExceeded,
    PlanOutdated,
    QueryError,
    SnapshotError,
    WorkerFailed,
)
from ...history.rescue.asked import require_settled
from ...models import (
    NOBODY,
    Actor,
    Kind,
    OnProgress,
    RescuePlan,
    RescueRecord,
    RescueReport,
    RescueScope,
    Snapshot,
)
from ...repository.catalog import Contents
from ...units import count_text
from ..context import Context
from ..create import CreateRequest, create_locked
from ..exclusive import exclusive, require_open
from ..identity import require_own
from ..journal import Journal, journaled
from ..rebuild_catalog import readable_contents
from .asked import Rescue, record_file, work
from .outcome import look_at_them, was_written

__all__ = ["Rescue", "rescue", "rescue_plan", "undo_rescue"]

log = logging.getLogger(__name__)

_ID_BYTES = 3
_ATTEMPTS = 3
"""How often a rescue that nobody was shown is planned anew because the game writes these rows meanwhile."""


async def rescue_plan(context: Context, asked: Rescue) -> RescuePlan:
    """Return what a rescue would do now; changes nothing and takes no lock.

    Raises QueryError, SnapshotNotFound, SnapshotDamaged, DatabaseBusy or DatabaseUnavailable.
    """
    require_open(context)
    contents = await context.in_thread(context.repository.refresh)
    return await work(context, contents, asked)


async def rescue(
    context: Context,
    asked: Rescue,
    *,
    agreed: str | None,
    actor: Actor = NOBODY,
    on_progress: OnProgress | None = None,
) -> RescueReport:
    """Carry out a rescue; ``agreed`` is the token of the plan that a person agreed to, or None.

    Raises what ``rescue_plan`` raises, Busy, PlanOutdated, and RestoreFailed if a constraint or a conflict stands
    against it. After any of them no row was changed.
    """
    async with exclusive(context, "a rescue", actor=actor):
        contents = await readable_contents(context)
        await require_own(context, contents)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                report, snapshot = await _rescue_locked(context, contents, asked, agreed, actor, on_progress)
                break
            except PlanOutdated as error:
                if agreed is not None:
                    raise
                if attempt == _ATTEMPTS:
                    raise PlanOutdated(
                        "These rows change faster than they can be put back: pause the game, then try again. Nothing "
                        "was changed."
                    ) from error
    if snapshot is not None:
        await context.notify(lambda listener: listener.created(snapshot))
    if report.done:
        await context.notify(lambda listener: listener.rescued(report))
    return report


async def undo_rescue(
    context: Context, rescue_id: str, *, actor: Actor = NOBODY, on_progress: OnProgress | None = None
) -> RescueReport:
    """Take a rescue back: exactly the rows that it wrote become what they were before; those that changed since stay.

    Raises QueryError if there is no record of it, and what ``rescue`` raises.
    """
    record = await context.in_thread(record_file(context, rescue_id).read) if rescue_id.isalnum() else None
    if record is None:
        raise QueryError(f"There is no record of a rescue {rescue_id!r}.", rescue=rescue_id)
    asked = Rescue(scope=RescueScope(rows=record.rows), when=record.safety, damaged_at=record.snapshot)
    return await rescue(context, asked, agreed=None, actor=actor, on_progress=on_progress)


async def _rescue_locked(
    context: Context,
    contents: Contents,
    asked: Rescue,
    agreed: str | None,
    actor: Actor,
    on_progress: OnProgress | None,
) -> tuple[RescueReport, Snapshot | None]:
    started = time.monotonic()
    plan = await work(context, contents, asked)
    if agreed is not None and agreed != plan.token:
        raise PlanOutdated("The rows changed since this rescue was shown. Look at it again, then decide.")
    require_settled(plan)
    # By their ids from now on: "latest" will soon be another one.
    asked = msgspec.structs.replace(asked, when=plan.then, damaged_at=plan.damaged_at)
    rescue_id = context.token_hex(_ID_BYTES)
    if not plan.writes:
        nothing = RescueReport(
            id=rescue_id, plan=plan, done=False, safety=None, snapshot=None, seconds=time.monotonic() - started
        )
        return nothing, None
    async with journaled(context, "rescue", actor, rescue=rescue_id) as journal:
        safety = await _snapshot(context, Kind.SAFETY, f"before_rescue_{rescue_id}", on_progress)
        await journal.note(safety=safety.id)
        record = RescueRecord(
            id=rescue_id,
            at=context.clock(),
            actor=actor,
            then=plan.then,
            safety=safety.id,
            snapshot=None,
            rows=plan.rows,
        )
        file = record_file(context, rescue_id)
        await context.in_thread(file.write, record)
        try:
            await _perform(context, asked, plan, record, journal)
        except BaseException:
            if journal.entry.committed:
                log.warning("The rows were put back before it was stopped. Taken back by: rescue --undo %s", rescue_id)
            raise
        journal.detail = f"{rescue_id}: {count_text(plan.writes, 'row')} as in {plan.then}"
        snapshot, problem = await _snapshot_after(context, rescue_id, on_progress)
        if snapshot is not None:
            await context.in_thread(file.write, msgspec.structs.replace(record, snapshot=snapshot.id))
    log.warning("Rescue %s wrote %s as in %s", rescue_id, count_text(plan.writes, "row"), plan.then)
    report = RescueReport(
        id=rescue_id,
        plan=plan,
        done=True,
        safety=safety.id,
        snapshot=None if snapshot is None else snapshot.id,
        seconds=time.monotonic() - started,
        error=problem,
    )
    return report, snapshot


async def _perform(context: Context, asked: Rescue, plan: RescuePlan, record: RescueRecord, journal: Journal) -> None:
    """Have a worker write the rows. What it raises is raised unless they are written; the record goes if they are not.

    A worker that died, or lost its server, between the commit and the word of it leaves that to be found out.
    """
    written: bool | None = False
    try:
        contents = context.repository.catalog.contents
        await work(context, contents, asked, perform=True, agreed=plan.token, journal=journal)
        written = True
    except (WorkerFailed, DeadlineExceeded, DatabaseUnavailable) as error:
        written = journal.entry.committed or await was_written(context, record)
        if written is None:
            raise WorkerFailed(
                f"{error} Whether the rows were put back cannot be told any more. {look_at_them(record.id)}",
                exit_status=None,
                stderr="",
            ) from error
        if not written:
            raise
        if not journal.entry.committed:
            await context.in_thread(journal.committed)
    finally:
        if written is False and not journal.entry.committed:
            await context.in_thread(record_file(context, record.id).remove)


async def _snapshot(context: Context, kind: Kind, reason: str, on_progress: OnProgress | None) -> Snapshot:
    """Take a snapshot before or after a rescue. To take that back needs both, so both stay for as long."""
    kept = dt.timedelta(seconds=float(context.settings.retention.safety))
    request = CreateRequest(
        kind=kind,
        reasons=(reason,),
        requests=int(kind is Kind.CRITICAL),
        may_be_incremental=True,
        kept_until=context.clock() + kept,
        deadline=float(context.settings.schedule.snapshot_deadline),
    )
    return (await create_locked(context, context.repository.catalog.contents, request, on_progress)).snapshot


async def _snapshot_after(
    context: Context, rescue_id: str, on_progress: OnProgress | None
) -> tuple[Snapshot | None, str | None]:
    """Take the snapshot of the result. The rows are back whatever becomes of it, and that is what must be reported."""
    context.covered = None
    try:
        return await _snapshot(context, Kind.CRITICAL, f"rescue_{rescue_id}", on_progress), None
    except (SnapshotError, OSError) as error:
        log.error("The rows are back, but no snapshot of that could be taken: %s", error)
        return None, f"The rows are back, but no snapshot of that could be taken: {error}"
