"""Putting a snapshot back, so that at every instant a crash leaves the old database or the new one.

The order: rebuild the snapshot beside and prove its fingerprint; check the rebuilt; take a safety snapshot of what is
there now, last of all so that it misses as little as can be; replace; check again; and if that fails, go back to the
safety snapshot (or, after an exchange of files, to the files in quarantine).
"""

from __future__ import annotations

import hashlib
import logging
import time
from pathlib import Path

import msgspec

from ..engines import ReplaceResult, creates_databases
from ..errors import PlanOutdated, RestoreFailed, SnapshotDamaged, SnapshotError
from ..files import remove, require_space
from ..models import DatabaseState, Kind, Lost, Method, OnProgress, RestorePlan, RestoreRecord, RestoreReport, Snapshot
from ..policies.space import needed_for_restore
from ..policies.timeline import timeline
from ..repository.catalog import Contents
from ..worker.protocol import DiscardJob, InspectJob, PutBackJob, RebuildJob, ReplaceJob, VerifyResult
from .context import Context
from .create import CreateRequest, create_locked
from .exclusive import exclusive
from .rebuild_catalog import readable_contents
from .verify import record_outcome

__all__ = ["plan_for", "restore", "restore_locked"]

log = logging.getLogger(__name__)


async def plan_for(context: Context, contents: Contents, snapshot: Snapshot) -> RestorePlan:
    """Look at the database and say what restoring a snapshot would do now; changes nothing.

    Raises DatabaseBusy or DatabaseUnavailable: neither is damage.
    """
    database = await context.work(
        InspectJob,
        DatabaseState,
        deadline=float(context.settings.schedule.integrity_deadline),
        tables=context.settings.database.critical_tables,
    )
    method = database.method or (Method.ONLINE if database.openable else Method.SWAP)
    now = context.clock()
    age = max(0.0, (now - snapshot.began_at).total_seconds())
    line = timeline(contents.snapshots, contents.restores)
    later = [other for other in reversed(line) if other.sequence > snapshot.sequence]
    lost = Lost(
        since=snapshot.began_at,
        until=now,
        seconds=age,
        rows=_rows_then_and_now(context, snapshot, database),
        events=tuple(dict.fromkeys(reason for other in later if other.requests for reason in other.reasons)),
        event_count=sum(other.requests for other in later),
    )
    return RestorePlan(
        snapshot=snapshot,
        age=age,
        method=method,
        lost=lost,
        database=database,
        token=_token(contents, snapshot, method, database),
    )


def _rows_then_and_now(
    context: Context, snapshot: Snapshot, database: DatabaseState
) -> dict[str, tuple[int | None, int | None]]:
    tables = dict.fromkeys((*context.settings.database.critical_tables, *snapshot.rows))
    return {table: (snapshot.rows.get(table), database.rows.get(table)) for table in tables}


def _token(contents: Contents, snapshot: Snapshot, method: Method, database: DatabaseState) -> str:
    """Bind an agreement to what was shown: this snapshot, this way, this database, no restore in between.

    Not to each row: a game that goes on playing would outdate every plan before anyone could read it.
    """
    last = contents.restores[-1] if contents.restores else None
    shown = (snapshot.id, snapshot.fingerprint, snapshot.damaged, method, database.token, last and last.at.isoformat())
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


async def restore(
    context: Context, text: str, *, agreed: str | None, on_progress: OnProgress | None = None
) -> RestoreReport:
    """Restore the snapshot that ``text`` names; see ``restore_locked``."""
    async with exclusive(context, "a restore"):
        contents = await readable_contents(context)
        plan = await plan_for(context, contents, contents.find(text))
        return await restore_locked(context, contents, plan, agreed=agreed, automatic=False, on_progress=on_progress)


async def restore_locked(
    context: Context,
    contents: Contents,
    plan: RestorePlan,
    *,
    agreed: str | None,
    automatic: bool,
    on_progress: OnProgress | None = None,
) -> RestoreReport:
    """Carry out a plan inside an operation that holds the repository.

    ``agreed`` is the token somebody agreed to; another state than that is PlanOutdated. Raises SnapshotDamaged where
    the snapshot does not give back its state, DatabaseBusy at the deadline, RestoreFailed where the result failed its
    check and the way back was taken. After any of them the database is as it was.
    """
    if agreed is not None and agreed != plan.token:
        raise PlanOutdated(
            "The database or the snapshots changed since this restore was shown. Look at it again, then decide."
        )
    started = time.monotonic()
    snapshot = plan.snapshot
    await context.notify(lambda listener: listener.restore_starting(plan))
    image = context.repository.work / f"restore-{snapshot.id}-{context.token_hex(4)}" / "rebuilt.db"
    try:
        report = await _carry_out(context, contents, plan, image, automatic, started, on_progress)
        return report
    except BaseException as error:  # also a cancellation: whoever paused the game must hear that it can go on
        report = _failure(plan, error, automatic, started)
        raise
    finally:
        await context.notify(lambda listener: listener.restore_finished(report))
        await _let_go(context, image)


async def _let_go(context: Context, image: Path) -> None:
    """Remove a rebuilt image with what the engine made for it elsewhere; a later tidying finds what cannot go now."""
    if creates_databases(context.url) and await context.in_thread(image.exists):
        try:
            await context.work(DiscardJob, type(None), deadline=60.0, image=str(image))
        except SnapshotError as error:
            log.warning("What was rebuilt for a restore could not be removed yet: %s", error)
    await context.in_thread(remove, image.parent)


async def _carry_out(
    context: Context,
    contents: Contents,
    plan: RestorePlan,
    image: Path,
    automatic: bool,
    started: float,
    on_progress: OnProgress | None,
) -> RestoreReport:
    snapshot = plan.snapshot
    await _rebuild(context, contents, snapshot, image, on_progress)
    safety = await _safety(context, contents, plan, on_progress)
    quarantine = context.repository.quarantine_folder(context.clock())
    await context.probe.close()
    context.covered = None
    replaced = await _replace(context, contents, plan, image, quarantine, on_progress)
    if not replaced.integrity.ok or replaced.identical is False:
        await _go_back(context, contents, plan, safety, quarantine, replaced, on_progress)
    record = RestoreRecord(
        at=context.clock(),
        snapshot=snapshot.id,
        sequence=snapshot.sequence,
        before=context.repository.catalog.contents.next_sequence,
        safety=safety.id if safety else None,
        automatic=automatic,
        quarantine=replaced.quarantine,
    )
    try:
        await context.in_thread(context.repository.catalog.change, lambda now: now.recording(record))
    except OSError as error:
        # The database is restored, and that is what must be told; what is missing is a line of history.
        log.error("The restore of %s could not be written into the catalog: %s", snapshot.id, error)
    log.warning("Restored snapshot %s of %s (%s)", snapshot.id, snapshot.created_at, plan.method)
    return RestoreReport(
        restored=snapshot,
        safety=safety,
        quarantine=replaced.quarantine,
        method=plan.method,
        lost=plan.lost,
        integrity=replaced.integrity,
        identical=replaced.identical,
        automatic=automatic,
        seconds=time.monotonic() - started,
        ok=True,
    )


def _failure(plan: RestorePlan, error: BaseException, automatic: bool, started: float) -> RestoreReport:
    return RestoreReport(
        restored=plan.snapshot,
        safety=None,
        quarantine=None,
        method=plan.method,
        lost=plan.lost,
        integrity=None,
        identical=None,
        automatic=automatic,
        seconds=time.monotonic() - started,
        ok=False,
        error=str(error) or type(error).__name__,
    )


async def _rebuild(
    context: Context, contents: Contents, snapshot: Snapshot, image: Path, on_progress: OnProgress | None
) -> None:
    """Rebuild and check the snapshot beside; record what that proved."""
    settings, repository = context.settings, context.repository
    chain = await context.in_thread(repository.chain, snapshot)
    size, elsewhere = await context.probe.size(), creates_databases(context.url)
    needed = needed_for_restore(snapshot.database_size, size, contents.snapshots, elsewhere=elsewhere)
    await context.in_thread(require_space, repository.root, needed, int(settings.repository.min_free))
    await context.in_thread(image.parent.mkdir, mode=0o700)
    verified = await context.work(
        RebuildJob,
        VerifyResult,
        on_progress,
        deadline=float(settings.schedule.restore_deadline),
        min_free=int(settings.repository.min_free),
        chain=chain,
        image=str(image),
        checks=context.checks(contents, quick=False, of=snapshot),
    )
    await record_outcome(context, snapshot, verified.level, verified, context.clock())
    if not verified.ok:
        first = verified.findings[0].message if verified.findings else "it failed its check"
        raise SnapshotDamaged(
            f"Snapshot {snapshot.id} cannot be restored: {first} It is marked damaged; nothing was changed. Choose "
            "another one.",
            snapshot_id=snapshot.id,
            findings=[finding.message for finding in verified.findings],
        )


async def _safety(
    context: Context, contents: Contents, plan: RestorePlan, on_progress: OnProgress | None
) -> Snapshot | None:
    """Take a snapshot of what is there now; None where nothing can be read, and then quarantine keeps it."""
    if not plan.database.openable:
        return None
    wanted = CreateRequest(
        kind=Kind.SAFETY,
        reasons=(f"before_restore_{plan.snapshot.id}",),
        deadline=float(context.settings.schedule.snapshot_deadline),
    )
    created = await create_locked(context, context.repository.catalog.contents, wanted, on_progress)
    return created.snapshot


async def _replace(
    context: Context,
    contents: Contents,
    plan: RestorePlan,
    image: Path,
    quarantine: Path,
    on_progress: OnProgress | None,
) -> ReplaceResult:
    return await context.work(
        ReplaceJob,
        ReplaceResult,
        on_progress,
        deadline=float(context.settings.schedule.restore_deadline),
        image=str(image),
        method=plan.method,
        quarantine=str(quarantine),
        details=plan.snapshot.details,
        checks=context.checks(contents, quick=False, of=plan.snapshot),
    )


async def _go_back(
    context: Context,
    contents: Contents,
    plan: RestorePlan,
    safety: Snapshot | None,
    quarantine: Path,
    replaced: ReplaceResult,
    on_progress: OnProgress | None,
) -> None:
    """Take the way back after a result that failed its check; always raises RestoreFailed."""
    findings = [finding.message for finding in replaced.integrity.errors] or ["it differs from the snapshot"]
    what = f"The restored database failed its check ({findings[0]})"
    try:
        if replaced.quarantine is not None:
            await context.work(PutBackJob, type(None), deadline=300.0, quarantine=str(quarantine))
            back = "the files that were there before are back"
            if plan.method is Method.EXCHANGE:
                back = "the database that was there before is back"
        elif safety is not None:
            await _write_back(context, contents, plan, safety, on_progress)
            back = f"the database is back at the safety snapshot {safety.id}"
        else:
            back = "there was nothing before it to go back to"
    except SnapshotError as error:
        raise RestoreFailed(
            f"{what}, and the way back failed too: {error} Stop the bot and restore "
            f"{safety.id if safety else 'another snapshot'} from a shell.",
            safety=safety.id if safety else None,
            findings=findings,
        ) from error
    raise RestoreFailed(f"{what}; {back}.", safety=safety.id if safety else None, findings=findings)


async def _write_back(
    context: Context, contents: Contents, plan: RestorePlan, safety: Snapshot, on_progress: OnProgress | None
) -> None:
    image = context.repository.work / f"back-{safety.id}" / "rebuilt.db"
    await context.in_thread(image.parent.mkdir, mode=0o700)
    try:
        chain = await context.in_thread(context.repository.chain, safety)
        await context.work(
            RebuildJob,
            VerifyResult,
            on_progress,
            deadline=float(context.settings.schedule.restore_deadline),
            chain=chain,
            image=str(image),
            checks=context.checks(contents, quick=True, of=safety),
        )
        back = msgspec.structs.replace(plan, snapshot=safety, method=plan.database.method or Method.ONLINE)
        replaced = await _replace(context, contents, back, image, context.repository.work / "unused", on_progress)
    finally:
        await _let_go(context, image)
    if replaced.identical is False:
        raise RestoreFailed("what was written back differs from it", safety=safety.id)
