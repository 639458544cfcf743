"""The steps of a restore, in the order in which a crash at any instant leaves the old database or the new one.

The order: rebuild the snapshot and verify its fingerprint; check the rebuilt; let the host pause; take a safety
snapshot of what is there now, last of all so that it misses nothing; replace; check again; and if the result is not the
snapshot's, go back to the safety snapshot (or, after an exchange of files, to the files in quarantine).
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import msgspec

from ...engines import ParentSnapshot, ReplaceResult, SnapshotResult, creates_databases
from ...errors import RestoreFailed, SnapshotDamaged, SnapshotError, StateUnfit
from ...files import remove, require_space, short_name
from ...models import (
    Check,
    Finding,
    IntegrityReport,
    Kind,
    Method,
    OnProgress,
    RestorePlan,
    RestoreRecord,
    RestoreReport,
    RestoreStep,
    Snapshot,
    Verdict,
)
from ...policies.health import BEFORE_HEALING, judge
from ...policies.space import needed_for_restore
from ...repository.catalog import Contents
from ...units import stopped, why_ended
from ...worker.protocol import DiscardJob, PutBackJob, RebuildJob, ReplaceJob, SnapshotJob, VerifyResult
from ..context import Context, to_the_end
from ..create import CreateRequest, create_locked
from ..journal import Journal
from ..latest import head_of
from ..live import record_restore
from ..verify import record_outcome
from .plan import lost_until
from .settle import forget_commit, record_path, settle
from .stages import Stages, remember_seconds

__all__ = ["RestoreSteps", "release_image"]

log = logging.getLogger(__name__)


class RestoreSteps:
    """The steps of one restore, with what all of them need."""

    def __init__(
        self,
        context: Context,
        contents: Contents,
        plan: RestorePlan,
        image: Path,
        automatic: bool,
        findings: tuple[Finding, ...],
        on_progress: OnProgress | None,
        *,
        read_only: bool,
        stopped: bool = False,
    ) -> None:
        self._context = context
        self._stopped = stopped
        self._contents = contents
        self._plan = plan
        self._image = image
        self._automatic = automatic
        self._findings = findings
        self._stages = Stages(plan.seconds, on_progress, context.monotonic)
        self._started = time.monotonic()
        self._safety: Snapshot | None = None
        self._quarantine = context.repository.work / "unused"
        self._read_only = read_only
        self._kept: Path | None = None
        """What is kept of the state before, if the repository is read-only."""

    async def carry_out(self, journal: Journal) -> RestoreReport:
        """Rebuild and check, pause play, keep what is there, replace, check, and record it or take the way back."""
        context, plan = self._context, self._plan
        rebuilt = await self._rebuild()
        self._stages.reach(RestoreStep.PAUSE)
        await context.notify(lambda listener: listener.restore_starting(plan))
        self._stages.reach(RestoreStep.SAFETY)
        if self._read_only:
            self._quarantine = await self._keep_beside()
        else:
            self._safety = await self._take_safety_snapshot()
            lost = lost_until(plan.lost, self._safety)
            plan = self._plan = msgspec.structs.replace(plan, lost=lost)
            self._quarantine = await context.in_thread(context.repository.quarantine_folder, context.clock())
        await journal.note(safety=self._safety.id if self._safety else None, quarantine=str(self._quarantine))
        await context.probe.close()
        context.covered = None
        if not self._read_only:
            # It tells rot from play by what SQLite counts, and a restore sets that back.
            await context.in_thread(context.repository.page_index.unlink, missing_ok=True)
        self._stages.reach(RestoreStep.REPLACE)
        replaced = await self._replace(plan, self._image, self._quarantine, journal)
        if replaced.identical is False or _is_worse(replaced.integrity, rebuilt):
            await self._go_back(replaced, journal)
        self._stages.reach(RestoreStep.RECORD)
        await self._record(replaced.quarantine)
        if self._read_only and self._kept is not None:
            replaced = msgspec.structs.replace(replaced, quarantine=str(self._kept))
        log.info("Restored snapshot %s of %s (%s)", plan.snapshot.id, plan.snapshot.created_at, plan.method)
        report = self._report(replaced.integrity, replaced.identical, replaced.quarantine, ok=True)
        if not self._read_only:
            await record_restore(context, report, rebuilt.findings if rebuilt else ())
            self._stages.end()
            await remember_seconds(context, self._stages, plan.snapshot, plan.method)
        return msgspec.structs.replace(report, left_out=replaced.left_out)

    async def finished_without_comparison(self, error: BaseException) -> RestoreReport:
        """Record a restore whose change was made, and whose check or comparison was not finished."""
        log.error("The restore of %s is made; it was not compared: %s", self._plan.snapshot.id, why_ended(error))
        quarantine = self._quarantine.name if await self._context.in_thread(self._quarantine.is_dir) else None
        await self._record(quarantine)
        message = f"Restored. The comparison with the snapshot was not finished: {why_ended(error)}"
        report = self._report(None, None, quarantine, ok=True, error=message)
        if not self._read_only:
            await record_restore(self._context, report, ())
        return report

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
        """Write the restore into the catalog, if that can be written."""
        context, snapshot = self._context, self._plan.snapshot
        if self._read_only:
            return
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
        folder = self._image.parent.parent if self._read_only else repository.root
        await context.in_thread(require_space, folder, needed, int(settings.repository.min_free))
        await context.in_thread(self._image.parent.mkdir, mode=0o700)
        verified = await context.work(
            RebuildJob,
            VerifyResult,
            self._stages.rebuilding,
            deadline=float(settings.schedule.restore_deadline),
            min_free=int(settings.repository.min_free),
            chain=chain,
            image=str(self._image),
            checks=context.checks(self._contents, quick=False, of=snapshot),
        )
        if not self._read_only:
            await record_outcome(context, snapshot, verified.level, verified, context.clock())
        if not verified.ok:
            first = verified.findings[0].message if verified.findings else "it failed its check."
            raise SnapshotDamaged(
                f"Snapshot {snapshot.id} cannot be restored: {stopped(first)} It is marked damaged; nothing was "
                "changed. Choose another one.",
                snapshot_id=snapshot.id,
                findings=[finding.message for finding in verified.findings],
            )
        if self._automatic:
            self._require_fit(verified)
        return verified.integrity

    def _require_fit(self, verified: VerifyResult) -> None:
        """Raise StateUnfit if the state in the snapshot cannot be read, or has what the restore is to mend."""
        unwanted = {(each.check, each.table) for each in self._findings}
        wrong = [each for each in verified.findings if judge([each]) is Verdict.UNREADABLE]
        wrong += [each for each in verified.findings if (each.check, each.table) in unwanted]
        if verified.integrity is not None:
            # A snapshot is checked by the tables that it has, so one that it lacks is no finding.
            tables = {table.lower() for table in verified.integrity.rows}
            missing = [each for each in self._findings if each.check is Check.TABLES]
            wrong += [each for each in missing if str(each.table).lower() not in tables]
        if wrong:
            raise StateUnfit(
                f"Snapshot {self._plan.snapshot.id} would not help: {wrong[0].message}",
                snapshot_id=self._plan.snapshot.id,
            )

    async def _keep_beside(self) -> Path:
        """Keep the present state beside the database, because the repository is read-only; return a folder for files.

        What can be read becomes a file of its own (``gunzip`` reads it); files that must be exchanged go to the folder.
        """
        context = self._context
        if context.url.path is None:
            return context.repository.work / "unused"  # a server keeps the database that is replaced
        database = Path(context.url.path)
        stamp = f"{context.clock():%Y%m%dT%H%M%SZ}"
        folder = short_name(database, f"before-restore-{stamp}", hidden=False)
        self._kept = folder
        if self._plan.database.openable:
            self._kept = short_name(folder, "db.gz", hidden=False)
            nothing = ParentSnapshot(
                id=None,
                fingerprint=None,
                index=str(self._image.parent / "pages.index"),
                record=str(self._image.parent / "members.record"),
                full=None,
                full_id=None,
                incremental=False,
                skip_unchanged=False,
            )
            head = msgspec.structs.replace(head_of(context, self._plan.snapshot), reasons=("before a restore",))
            await context.work(
                SnapshotJob,
                SnapshotResult,
                self._stages,
                deadline=float(context.settings.schedule.snapshot_deadline),
                target=str(self._kept),
                head=head,
                tables=None,
                parent=nothing,
            )
        return folder

    async def _take_safety_snapshot(self) -> Snapshot | None:
        """Take a snapshot of the present state; return None if it cannot be read, and only quarantine keeps it."""
        if not self._plan.database.openable:
            return None
        wanted = CreateRequest(
            kind=Kind.SAFETY,
            reasons=(f"{BEFORE_HEALING if self._automatic else 'before_restore_'}{self._plan.snapshot.id}",),
            deadline=float(self._context.settings.schedule.snapshot_deadline),
        )
        contents = self._context.repository.catalog.contents
        return (await create_locked(self._context, contents, wanted, self._stages)).snapshot

    async def _replace(
        self, plan: RestorePlan, image: Path, quarantine: Path, journal: Journal | None = None
    ) -> ReplaceResult:
        await self._context.in_thread(forget_commit, self._context)
        loop = asyncio.get_running_loop()

        def committed() -> None:
            assert journal is not None
            journal.committed()
            loop.call_soon_threadsafe(self._stages.committed)

        try:
            return await self._context.work(
                ReplaceJob,
                ReplaceResult,
                self._stages,
                None if journal is None else committed,
                deadline=float(self._context.settings.schedule.restore_deadline),
                image=str(image),
                method=plan.method,
                quarantine=str(quarantine),
                details=plan.snapshot.details,
                checks=self._context.checks(self._contents, quick=False, of=plan.snapshot),
                record=str(await self._context.in_thread(record_path, self._context)),
                stopped=self._stopped,
            )
        except BaseException:
            await to_the_end(self._settle(journal))
            raise

    async def _settle(self, journal: Journal | None) -> None:
        """Finish or undo what a worker left half-made, and record which it was."""
        context = self._context
        try:
            found = await settle(context)
        except SnapshotError as error:
            log.error("What the restore left half-made could not be finished yet; the next start does it: %s", error)
            return
        if found is not None:
            log.warning("The restore was interrupted: %s", found.message)
        if found is not None and found.restored and journal is not None:
            await context.in_thread(journal.committed)

    async def _go_back(self, replaced: ReplaceResult, journal: Journal) -> None:
        """Undo the replacement, because its result is not the snapshot's state; always raise RestoreFailed."""
        findings = [finding.message for finding in replaced.integrity.errors] or ["it differs from the snapshot"]
        what = f"The restored database failed its check ({findings[0]})"
        safety = self._safety.id if self._safety else None
        try:
            if replaced.quarantine is not None:
                record = str(await self._context.in_thread(record_path, self._context))
                quarantine = str(self._quarantine)
                await self._context.work(PutBackJob, type(None), deadline=300.0, quarantine=quarantine, record=record)
                back = "the files that were there before are back"
                if self._plan.method is Method.EXCHANGE:
                    back = "the database that was there before is back"
            elif self._safety is not None:
                await self._write_back(self._safety)
                back = f"the database is back at the safety snapshot {safety}"
            else:
                back = "there was nothing before it to go back to"
        except SnapshotError as error:
            await journal.note(committed=False)
            raise RestoreFailed(
                f"{what}, and the way back failed too: {error} Stop the bot and restore "
                f"{safety or 'another snapshot'} from a shell.",
                safety=safety,
                findings=findings,
            ) from error
        await journal.note(committed=False)
        raise RestoreFailed(f"{what}; {back}.", safety=safety, findings=findings)

    async def _write_back(self, safety: Snapshot) -> None:
        context = self._context
        image = context.repository.work / f"back-{safety.id}" / "rebuilt.db"
        await context.in_thread(image.parent.mkdir, mode=0o700)
        try:
            await context.work(
                RebuildJob,
                VerifyResult,
                self._stages,
                deadline=float(context.settings.schedule.restore_deadline),
                chain=await context.in_thread(context.repository.chain, safety),
                image=str(image),
                checks=context.checks(self._contents, quick=True, of=safety),
            )
            method = self._plan.database.method or Method.ONLINE
            back = msgspec.structs.replace(self._plan, snapshot=safety, method=method)
            replaced = await self._replace(back, image, context.repository.work / "unused")
        finally:
            await release_image(context, image)
        if replaced.identical is False:
            raise RestoreFailed("what was written back differs from it", safety=safety.id)


def _is_worse(replaced: IntegrityReport, rebuilt: IntegrityReport | None) -> bool:
    """Return True if the database cannot be read though the rebuilt image could: the replacing went wrong."""
    was = judge(rebuilt.findings) if rebuilt is not None else Verdict.SOUND
    return judge(replaced.findings) is Verdict.UNREADABLE and was is not Verdict.UNREADABLE


async def release_image(context: Context, image: Path) -> None:
    """Remove a rebuilt image, and its scratch database if there is one; a later clean-up removes what is left."""
    if creates_databases(context.url) and await context.in_thread(image.exists):
        try:
            await context.work(DiscardJob, type(None), deadline=60.0, image=str(image))
        except SnapshotError as error:
            log.warning("What was rebuilt for a restore could not be removed yet: %s", error)
    await context.in_thread(remove, image.parent)
