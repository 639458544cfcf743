"""The restore of a snapshot. A crash at any moment leaves the old database or the new one, whole.

The steps: rebuild the snapshot as an image and verify its fingerprint; check the image; take a safety snapshot of the
database, as late as possible so that it misses as little as possible; replace the database; check it again. If that
fails, go back to the safety snapshot or, after an exchange of files, to the files in quarantine.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from pathlib import Path

import msgspec

from ..engines import ReplaceResult, creates_databases
from ..errors import AnotherDatabase, PlanOutdated, RestoreFailed, SnapshotDamaged, SnapshotError, StateUnfit
from ..files import remove, require_space
from ..models import (
    NOBODY,
    Actor,
    DatabaseState,
    Finding,
    IntegrityReport,
    Kind,
    Lost,
    Method,
    OnProgress,
    RestorePlan,
    RestoreRecord,
    RestoreReport,
    Snapshot,
    Verdict,
)
from ..policies.health import judge
from ..policies.space import needed_for_restore
from ..policies.timeline import timeline
from ..repository.catalog import Contents
from ..worker.protocol import DiscardJob, InspectJob, PutBackJob, RebuildJob, ReplaceJob, VerifyResult
from .context import Context
from .create import CreateRequest, create_locked
from .exclusive import exclusive
from .identity import require_own
from .journal import Journal, journaled
from .rebuild_catalog import readable_contents
from .verify import record_outcome

__all__ = ["plan_for", "restore", "restore_locked"]

log = logging.getLogger(__name__)

RESTORE_PREFIX = 4
"""A shorter beginning of an id never restores: too easily it is another snapshot's."""


async def plan_for(context: Context, contents: Contents, snapshot: Snapshot) -> RestorePlan:
    """Return what restoring a snapshot would do to the database as it is now; change nothing.

    Raises DatabaseBusy or DatabaseUnavailable; neither means damage.
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
        another_database=await _another_database(context, contents),
    )


async def _another_database(context: Context, contents: Contents) -> str | None:
    try:
        await require_own(context, contents)
    except AnotherDatabase as error:
        return f"These are snapshots of {error.recorded}, and the settings name {error.present}."
    return None


def _rows_then_and_now(
    context: Context, snapshot: Snapshot, database: DatabaseState
) -> dict[str, tuple[int | None, int | None]]:
    tables = dict.fromkeys((*context.settings.database.critical_tables, *snapshot.rows, *database.rows))
    return {table: (snapshot.rows.get(table), database.rows.get(table)) for table in tables}


def _token(contents: Contents, snapshot: Snapshot, method: Method, database: DatabaseState) -> str:
    """Return a token for what a plan shows: the snapshot, the method, the database, and no restore since.

    Rows are left out: a game in progress would outdate every plan before anyone could read it.
    """
    last = contents.restores[-1] if contents.restores else None
    shown = (snapshot.id, snapshot.fingerprint, snapshot.damaged, method, database.token, last and last.at.isoformat())
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


async def restore(
    context: Context, text: str, *, agreed: str | None, actor: Actor = NOBODY, on_progress: OnProgress | None = None
) -> RestoreReport:
    """Restore the snapshot named by ``text``; see ``restore_locked``."""
    async with exclusive(context, "a restore"):
        contents = await readable_contents(context)
        plan = await plan_for(context, contents, contents.find(text, shortest=RESTORE_PREFIX))
        if plan.another_database is not None and agreed is None:
            await require_own(context, contents)  # raises: only a person who saw both may put one over the other
        return await restore_locked(context, contents, plan, agreed=agreed, actor=actor, on_progress=on_progress)


async def restore_locked(
    context: Context,
    contents: Contents,
    plan: RestorePlan,
    *,
    agreed: str | None,
    actor: Actor,
    automatic: bool = False,
    unfit: tuple[Finding, ...] = (),
    on_progress: OnProgress | None = None,
) -> RestoreReport:
    """Carry out a plan inside an operation that holds the repository.

    ``agreed`` is the token that somebody agreed to; PlanOutdated is raised if the state is another one now. An
    ``automatic`` restore is refused (StateUnfit) if the state in the snapshot cannot be read, or has one of the
    ``unfit`` findings; a restore by hand is not. Raises SnapshotDamaged if the snapshot does not give back its state,
    DatabaseBusy at the deadline, RestoreFailed if the result failed its check and the way back was taken. After any of
    them the database is as it was. What went wrong after the change was made is in the report, and raises nothing.
    """
    if agreed is not None and agreed != plan.token:
        raise PlanOutdated(
            "The database or the snapshots changed since this restore was shown. Look at it again, then decide."
        )
    await context.notify(lambda listener: listener.restore_starting(plan))
    image = context.repository.work / f"restore-{plan.snapshot.id}-{context.token_hex(4)}" / "rebuilt.db"
    work = _Restore(context, contents, plan, image, automatic, unfit, on_progress)
    report: RestoreReport | None = None
    try:
        async with journaled(
            context,
            "start-up restore" if automatic else "restore",
            actor,
            snapshot=plan.snapshot.id,
            sequence=plan.snapshot.sequence,
            method=plan.method.value,
            automatic=automatic,
        ) as journal:
            try:
                report = await work.carry_out(journal)
            except BaseException as error:
                if not journal.entry.committed:
                    raise
                # The database is the snapshot's now, and that is what must be reported.
                report = await asyncio.shield(work.finished_without_comparison(journal, error))
                if not isinstance(error, Exception):
                    raise  # a cancellation: the report goes to the listeners
        return report
    except BaseException as error:
        report = report or work.failure(error)
        raise
    finally:
        # Also after a cancellation: a listener that paused the game must let it go on.
        final = report
        if final is not None:
            await context.notify(lambda listener: listener.restore_finished(final))
        await _release(context, image)


async def _release(context: Context, image: Path) -> None:
    """Remove a rebuilt image, and its scratch database if there is one; a later clean-up removes what is left."""
    if creates_databases(context.url) and await context.in_thread(image.exists):
        try:
            await context.work(DiscardJob, type(None), deadline=60.0, image=str(image))
        except SnapshotError as error:
            log.warning("What was rebuilt for a restore could not be removed yet: %s", error)
    await context.in_thread(remove, image.parent)


class _Restore:
    """The steps of one restore, with what all of them need."""

    def __init__(
        self,
        context: Context,
        contents: Contents,
        plan: RestorePlan,
        image: Path,
        automatic: bool,
        unfit: tuple[Finding, ...],
        on_progress: OnProgress | None,
    ) -> None:
        self._context = context
        self._contents = contents
        self._plan = plan
        self._image = image
        self._automatic = automatic
        self._unfit = unfit
        self._on_progress = on_progress
        self._started = time.monotonic()
        self._safety: Snapshot | None = None
        self._quarantine = context.repository.work / "unused"

    async def carry_out(self, journal: Journal) -> RestoreReport:
        """Rebuild and check, take the safety snapshot, replace, check, and record it or take the way back."""
        context, plan = self._context, self._plan
        rebuilt = await self._rebuild()
        self._safety = await self._take_safety_snapshot()
        self._quarantine = await context.in_thread(context.repository.quarantine_folder, context.clock())
        await journal.note(safety=self._safety.id if self._safety else None, quarantine=str(self._quarantine))
        await context.probe.close()
        context.covered = None
        replaced = await self._replace(plan, self._image, self._quarantine, journal)
        if replaced.identical is False or _is_worse(replaced.integrity, rebuilt):
            await self._go_back(replaced)
        await self._record(replaced.quarantine)
        log.info("Restored snapshot %s of %s (%s)", plan.snapshot.id, plan.snapshot.created_at, plan.method)
        report = self._report(replaced.integrity, replaced.identical, replaced.quarantine, ok=True)
        return msgspec.structs.replace(report, left_out=replaced.left_out)

    async def finished_without_comparison(self, journal: Journal, error: BaseException) -> RestoreReport:
        """Record a restore whose change was made, and whose check or comparison was not finished."""
        log.error("The restore of %s is made; it was not compared: %s", self._plan.snapshot.id, error)
        quarantine = self._quarantine.name if await self._context.in_thread(self._quarantine.is_dir) else None
        await self._record(quarantine)
        why = str(error) or type(error).__name__
        message = f"Restored. The comparison with the snapshot was not finished: {why}"
        return self._report(None, None, quarantine, ok=True, error=message)

    def failure(self, error: BaseException) -> RestoreReport:
        """Return the report of a restore that did not happen."""
        return self._report(None, None, None, ok=False, error=str(error) or type(error).__name__)

    def _report(
        self,
        integrity: IntegrityReport | None,
        identical: bool | None,
        quarantine: str | None,
        *,
        ok: bool,
        error: str | None = None,
    ) -> RestoreReport:
        return RestoreReport(
            restored=self._plan.snapshot,
            safety=self._safety if ok else None,
            quarantine=quarantine,
            method=self._plan.method,
            lost=self._plan.lost,
            integrity=integrity,
            identical=identical,
            automatic=self._automatic,
            seconds=time.monotonic() - self._started,
            ok=ok,
            error=error,
        )

    async def _record(self, quarantine: str | None) -> None:
        """Write the restore into the catalog, and point ``latest.*`` at the timeline's newest state."""
        context, snapshot = self._context, self._plan.snapshot
        record = RestoreRecord(
            at=context.clock(),
            snapshot=snapshot.id,
            sequence=snapshot.sequence,
            before=context.repository.catalog.contents.next_sequence,
            safety=self._safety.id if self._safety else None,
            automatic=self._automatic,
            quarantine=quarantine,
        )
        try:
            await context.in_thread(context.repository.catalog.change, lambda now: now.recording(record))
        except OSError as error:
            # The database is restored, and that is what must be told; what is missing is a line of history.
            log.error("The restore of %s could not be written into the catalog: %s", snapshot.id, error)

    async def _rebuild(self) -> IntegrityReport | None:
        """Rebuild the snapshot as an image, check it, and record the verification."""
        context, snapshot = self._context, self._plan.snapshot
        settings, repository = context.settings, context.repository
        chain = await context.in_thread(repository.chain, snapshot)
        size, elsewhere = await context.probe.size(), creates_databases(context.url)
        needed = needed_for_restore(snapshot.database_size, size, self._contents.snapshots, elsewhere=elsewhere)
        await context.in_thread(require_space, repository.root, needed, int(settings.repository.min_free))
        await context.in_thread(self._image.parent.mkdir, mode=0o700)
        verified = await context.work(
            RebuildJob,
            VerifyResult,
            self._on_progress,
            deadline=float(settings.schedule.restore_deadline),
            min_free=int(settings.repository.min_free),
            chain=chain,
            image=str(self._image),
            checks=context.checks(self._contents, quick=False, of=snapshot),
        )
        await record_outcome(context, snapshot, verified.level, verified, context.clock())
        if not verified.ok:
            first = verified.findings[0].message if verified.findings else "it failed its check."
            raise SnapshotDamaged(
                f"Snapshot {snapshot.id} cannot be restored: {first} It is marked damaged; nothing was changed. Choose "
                "another one.",
                snapshot_id=snapshot.id,
                findings=[finding.message for finding in verified.findings],
            )
        if self._automatic:
            self._require_fit(verified.findings)
        return verified.integrity

    def _require_fit(self, findings: tuple[Finding, ...]) -> None:
        unreadable = [each for each in findings if judge([each]) is Verdict.UNREADABLE]
        unwanted = {(each.check, each.table) for each in self._unfit}
        same = [each for each in findings if (each.check, each.table) in unwanted]
        if unreadable or same:
            raise StateUnfit(
                f"Snapshot {self._plan.snapshot.id} would not help: {(unreadable or same)[0].message}",
                snapshot_id=self._plan.snapshot.id,
            )

    async def _take_safety_snapshot(self) -> Snapshot | None:
        """Take a snapshot of the present state; return None if it cannot be read, and only quarantine keeps it."""
        if not self._plan.database.openable:
            return None
        wanted = CreateRequest(
            kind=Kind.SAFETY,
            reasons=(f"before_restore_{self._plan.snapshot.id}",),
            deadline=float(self._context.settings.schedule.snapshot_deadline),
        )
        contents = self._context.repository.catalog.contents
        return (await create_locked(self._context, contents, wanted, self._on_progress)).snapshot

    async def _replace(
        self, plan: RestorePlan, image: Path, quarantine: Path, journal: Journal | None = None
    ) -> ReplaceResult:
        return await self._context.work(
            ReplaceJob,
            ReplaceResult,
            self._on_progress,
            None if journal is None else journal.committed,
            deadline=float(self._context.settings.schedule.restore_deadline),
            image=str(image),
            method=plan.method,
            quarantine=str(quarantine),
            details=plan.snapshot.details,
            checks=self._context.checks(self._contents, quick=False, of=plan.snapshot),
        )

    async def _go_back(self, replaced: ReplaceResult) -> None:
        """Undo the replacement, because its result is not the snapshot's state; always raise RestoreFailed."""
        findings = [finding.message for finding in replaced.integrity.errors] or ["it differs from the snapshot"]
        what = f"The restored database failed its check ({findings[0]})"
        safety = self._safety.id if self._safety else None
        try:
            if replaced.quarantine is not None:
                await self._context.work(PutBackJob, type(None), deadline=300.0, quarantine=str(self._quarantine))
                back = "the files that were there before are back"
                if self._plan.method is Method.EXCHANGE:
                    back = "the database that was there before is back"
            elif self._safety is not None:
                await self._write_back(self._safety)
                back = f"the database is back at the safety snapshot {safety}"
            else:
                back = "there was nothing before it to go back to"
        except SnapshotError as error:
            raise RestoreFailed(
                f"{what}, and the way back failed too: {error} Stop the bot and restore "
                f"{safety or 'another snapshot'} from a shell.",
                safety=safety,
                findings=findings,
            ) from error
        raise RestoreFailed(f"{what}; {back}.", safety=safety, findings=findings)

    async def _write_back(self, safety: Snapshot) -> None:
        context = self._context
        image = context.repository.work / f"back-{safety.id}" / "rebuilt.db"
        await context.in_thread(image.parent.mkdir, mode=0o700)
        try:
            await context.work(
                RebuildJob,
                VerifyResult,
                self._on_progress,
                deadline=float(context.settings.schedule.restore_deadline),
                chain=await context.in_thread(context.repository.chain, safety),
                image=str(image),
                checks=context.checks(self._contents, quick=True, of=safety),
            )
            method = self._plan.database.method or Method.ONLINE
            back = msgspec.structs.replace(self._plan, snapshot=safety, method=method)
            replaced = await self._replace(back, image, context.repository.work / "unused")
        finally:
            await _release(context, image)
        if replaced.identical is False:
            raise RestoreFailed("what was written back differs from it", safety=safety.id)


def _is_worse(replaced: IntegrityReport, rebuilt: IntegrityReport | None) -> bool:
    """Return True if the database cannot be read though the rebuilt image could: the replacing went wrong."""
    was = judge(rebuilt.findings) if rebuilt is not None else Verdict.SOUND
    return judge(replaced.findings) is Verdict.UNREADABLE and was is not Verdict.UNREADABLE
