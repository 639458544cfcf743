"""A rescue: rows of the past are put back into the live database, in the order that makes every crash harmless.

The plan is made and agreed to; a safety snapshot of the state before is taken; what will be written is recorded, so
that it can be taken back; one transaction writes it; a critical snapshot holds the result.
"""

from __future__ import annotations

import logging
import time

import msgspec

from ...errors import PlanOutdated, QueryError, SnapshotError
from ...history.questions import AskRescue
from ...history.rescue.asked import require_settled
from ...models import (
    NOBODY,
    Actor,
    Kind,
    OnProgress,
    RescueOptions,
    RescuePlan,
    RescueRecord,
    RescueReport,
    RescueScope,
    Snapshot,
)
from ...repository.catalog import Contents
from ...repository.state import StateFile
from ...units import count_text
from ...worker.protocol import HistoryJob
from ..context import Context
from ..create import CreateRequest, create_locked
from ..exclusive import exclusive, require_open
from ..identity import require_own
from ..journal import Journal, journaled
from ..rebuild_catalog import readable_contents
from .queries import files_for, moment, player_settings

__all__ = ["Rescue", "rescue", "rescue_plan", "undo_rescue"]

log = logging.getLogger(__name__)

_ID_BYTES = 3


class Rescue(msgspec.Struct, frozen=True, kw_only=True):
    """A rescue as it is asked for: which rows, from when, and how. ``damaged_at`` is a moment after the damage."""

    scope: RescueScope
    when: str
    damaged_at: str | None = None
    options: RescueOptions = RescueOptions()


async def rescue_plan(context: Context, asked: Rescue) -> RescuePlan:
    """Return what a rescue would do now; changes nothing and takes no lock.

    Raises QueryError, SnapshotNotFound, SnapshotDamaged, DatabaseBusy or DatabaseUnavailable.
    """
    require_open(context)
    contents = await context.in_thread(context.repository.refresh)
    return await _work(context, contents, asked)


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
    async with exclusive(context, "a rescue"):
        contents = await readable_contents(context)
        await require_own(context, contents)
        report, snapshot = await _rescue_locked(context, contents, asked, agreed, actor, on_progress)
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
    record = await context.in_thread(_record_file(context, rescue_id).read) if rescue_id.isalnum() else None
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
    plan = await _work(context, contents, asked)
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
    async with journaled(context, "rescue", actor) as journal:
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
        file = _record_file(context, rescue_id)
        await context.in_thread(file.write, record)
        try:
            contents = context.repository.catalog.contents
            plan = await _work(context, contents, asked, perform=True, agreed=plan.token, journal=journal)
        except BaseException:
            if not journal.entry.committed:
                await context.in_thread(file.remove)
            raise
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


async def _snapshot(context: Context, kind: Kind, reason: str, on_progress: OnProgress | None) -> Snapshot:
    request = CreateRequest(
        kind=kind,
        reasons=(reason,),
        requests=int(kind is Kind.CRITICAL),
        may_be_incremental=True,
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


async def _work(
    context: Context,
    contents: Contents,
    asked: Rescue,
    *,
    perform: bool = False,
    agreed: str | None = None,
    journal: Journal | None = None,
) -> RescuePlan:
    then = moment(context, contents, asked.when)
    damaged = None if asked.damaged_at is None else moment(context, contents, asked.damaged_at)
    if then is None:
        raise QueryError("Rows are put back from a snapshot, not from now.")
    if damaged is not None and damaged.began_at < then.began_at:
        raise QueryError(
            f"The state after the damage ({damaged.id}, {damaged.began_at:%Y-%m-%d %H:%M:%S} UTC) is older than the "
            f"one that rows are to come from ({then.id}, {then.began_at:%Y-%m-%d %H:%M:%S} UTC)."
        )
    points = [then] if damaged is None else [then, damaged]
    return await context.work(
        HistoryJob,
        RescuePlan,
        None,
        None if journal is None else journal.committed,
        deadline=float(context.settings.schedule.restore_deadline),
        question=AskRescue(
            scope=asked.scope,
            options=asked.options,
            settings=player_settings(context),
            perform=perform,
            agreed=agreed,
        ),
        files=await context.in_thread(files_for, context, contents, points),
    )


def _record_file(context: Context, rescue_id: str) -> StateFile[RescueRecord]:
    return StateFile(context.repository.root, f"rescue-{rescue_id}", RescueRecord)
