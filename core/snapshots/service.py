"""The one door to the engine room: everything that the cog and the shell do goes through ``SnapshotService``.

It is used from one event loop, and blocks it never: files are touched in its own threads, databases and archives in the
worker. Every method raises ``SnapshotError``s only.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from .errors import Busy, DeadlineExceeded, RehearsalUnavailable, SnapshotError
from .models import (
    IntegrityReport,
    Kind,
    Level,
    PruneReport,
    RestorePlan,
    RestoreReport,
    Snapshot,
    StartupReport,
    Status,
    VerifyReport,
)
from .operations.context import Context, Listener
from .operations.create import Created, Wanted, create, expired, prune_locked
from .operations.events import EventCoverage, Ticket
from .operations.exclusive import require_open, turn
from .operations.latest import head_of, refresh_latest
from .operations.prune import tidy_locked
from .operations.rebuild_catalog import RebuildReport, adopt_locked, rebuild_locked
from .operations.restore import plan_for, restore_locked
from .operations.restore_points import Marking
from .operations.startup import start_up_locked
from .operations.verify import damaged_error, verify_locked
from .policies.schedule import last_periodic, next_periodic, proof_due
from .policies.timeline import resolve
from .repository.catalog import Contents
from .repository.names import NOTE_LENGTH, REASON_LENGTH, legible
from .settings import database_url
from .settings.schema import Settings
from .units import duration_text
from .worker.client import OnProgress
from .worker.protocol import Exported, ExportJob, IntegrityJob

__all__ = ["SnapshotService"]

log = logging.getLogger(__name__)


_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _find(contents: Contents, text: str) -> Snapshot:
    return resolve(text, contents.snapshots, contents.restores)


class SnapshotService:
    """Snapshots of one database in one repository."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], dt.datetime] = _utc_now,
        token_hex: Callable[[int], str] = secrets.token_hex,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the settings and, for tests, another clock (aware UTC), source of ids, and monotonic clock (seconds)."""
        self.settings = settings
        url = database_url.parse(settings.database.url)
        self._context = Context(settings, url, clock=clock, token_hex=token_hex)
        self._events = EventCoverage(self._context, monotonic)
        self._marking = Marking(self._context)
        self._started_at = clock()
        self._restoring = False
        self._unrehearsed_at: dt.datetime | None = None

    # Life

    async def open(self) -> None:
        """Make the repository usable: folders, left-over temporary files, a lost catalog, files it does not list.

        Another process that is busy there is no reason to wait: what is to be tidied, it or the next start tidies.
        Raises RepositoryError or CatalogTooNew.
        """
        context = self._context
        await context.in_thread(context.repository.prepare)
        try:
            async with context.lock.held("a start", 0.0):
                await context.in_thread(context.repository.clean)
                await adopt_locked(context)
                await tidy_locked(context)
        except Busy:
            await context.in_thread(self._context.repository.refresh)

    async def close(self) -> None:
        """Let go of everything; requests that are not covered by now fail. Safe to call twice."""
        await self._events.close()
        await self._marking.close()
        await self._context.probe.close()
        self._context.close()

    def listen(self, listener: Listener) -> None:
        """Tell ``listener`` from now on what happens."""
        self._context.listeners.append(listener)

    # Taking snapshots

    def request(self, kind: Kind, reason: str) -> Ticket:
        """Ask for a snapshot that begins after this moment, in microseconds; await the ticket or forget it."""
        if kind is Kind.CRITICAL:
            self._marking.mark(reason)
        return self._events.request(kind, reason)

    async def settled(self) -> None:
        """Wait until every request so far and every one that comes meanwhile is covered."""
        await self._events.settled()

    async def create(
        self,
        kind: Kind = Kind.MANUAL,
        *,
        reason: str | None = None,
        note: str | None = None,
        pin: bool = False,
        deadline: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Created:
        """Take a snapshot now and give it; one of kind manual is always written, the others only if something changed.

        ``deadline`` is in seconds. Raises Busy, NotEnoughSpace, DatabaseMissing, DatabaseBusy, DatabaseDamaged,
        DatabaseUnavailable, DeadlineExceeded, RepositoryError or WorkerFailed; nothing half-written is left then.
        """
        wanted = Wanted(
            kind=kind,
            reasons=(legible(reason or note or kind.value, REASON_LENGTH),),
            note=None if note is None else legible(note, NOTE_LENGTH),
            pinned=pin,
            skip_unchanged=kind is not Kind.MANUAL and not pin,
            after=(self._last_periodic or _NEVER) if kind is Kind.PERIODIC else None,
            deadline=deadline or float(self.settings.schedule.snapshot_deadline),
        )
        return await create(self._context, wanted, on_progress=on_progress)

    async def create_last(self) -> Snapshot | None:
        """Take the snapshot of a bot that goes down, within ``shutdown_deadline``, and cover what waits with it.

        Gives None where shutdown snapshots are switched off, or other processes still serve the database: the last one
        takes it.
        """
        schedule = self.settings.schedule
        if not schedule.shutdown:
            return None
        limit = float(schedule.shutdown_deadline)
        try:
            async with asyncio.timeout(limit):
                last = await self._context.probe.leave(self._group)
                created = await self.create(Kind.SHUTDOWN, deadline=limit) if last else None
                await self._events.flush()
        except TimeoutError as error:
            if isinstance(error, SnapshotError):
                raise
            raise DeadlineExceeded(
                f"The shutdown snapshot was not done within {duration_text(limit)} ([schedule] shutdown_deadline); the "
                "newest one before it stands.",
                seconds=limit,
            ) from error
        return created.snapshot if created else None

    async def attend(self, *, willing: bool) -> bool:
        """Count as one of the bot's processes from now on, and tell whether this one keeps the schedule.

        One of those that are ``willing`` does. Only for processes that run until they call ``create_last``. Call it
        again now and then: the one that keeps the schedule can go away, and connections can be lost.
        """
        return await self._context.probe.attend(self._group, willing=willing)

    async def periodic_wanted(self, *, willing: bool = True) -> bool:
        """Attend, and tell whether this process is to take the periodic snapshot now.

        The one that keeps the schedule is when it is due; another one only when it is overdue by a whole interval, so
        that a process that hangs does not end the periodic snapshots of all.
        """
        leads = await self.attend(willing=willing)
        if not willing or self._context.clock() < self.periodic_due():
            return False
        try:
            await self._context.in_thread(self._context.repository.refresh)
        except SnapshotError:
            return leads  # taking the snapshot will mend it, or say what is wrong
        now, due = self._context.clock(), self.periodic_due()
        if now < due:
            await self._context.tell(lambda listener: listener.covered())  # by another process
            return False
        return leads or now >= due + dt.timedelta(seconds=float(self.settings.schedule.periodic_interval))

    @property
    def _last_periodic(self) -> dt.datetime | None:
        contents = self._contents
        return last_periodic(contents.snapshots, contents.periodic_checked_at, self._context.clock())

    @property
    def _group(self) -> str:
        return str(self._context.repository.root)

    def periodic_due(self) -> dt.datetime:
        """Give when the next periodic snapshot is due, from what this process knows of the catalog."""
        schedule = self.settings.schedule
        return next_periodic(
            self._last_periodic,
            self._started_at,
            self._context.clock(),
            float(schedule.periodic_interval),
            float(schedule.first_after),
        )

    # Looking

    @property
    def _contents(self) -> Contents:
        return self._context.repository.catalog.contents

    @property
    def known(self) -> tuple[Snapshot, ...]:
        """The snapshots as this process last saw them, newest first; from memory, at once."""
        return tuple(reversed(self._contents.snapshots))

    async def list(self, kind: Kind | None = None) -> tuple[Snapshot, ...]:
        """Give the snapshots, newest first. Raises CatalogError."""
        contents = await self._context.in_thread(self._context.repository.refresh)
        return tuple(snapshot for snapshot in reversed(contents.snapshots) if kind in (None, snapshot.kind))

    async def get(self, text: str) -> Snapshot:
        """Give the snapshot with an id, a unique prefix of one, or "latest"; raise SnapshotNotFound otherwise."""
        return _find(await self._context.in_thread(self._context.repository.refresh), text)

    async def status(self) -> Status:
        """Give the repository at a glance."""
        snapshots = await self.list()
        return Status(
            engine=self._context.url.engine,
            database=self._context.url.redacted,
            repository=str(self._context.repository.root),
            snapshots=len(snapshots),
            damaged=sum(snapshot.damaged for snapshot in snapshots),
            pinned=sum(snapshot.pinned for snapshot in snapshots),
            size=sum(snapshot.size for snapshot in snapshots),
            free=await self._context.in_thread(self._context.repository.free),
            newest=next(iter(snapshots), None),
            newest_restored=next((s for s in snapshots if s.restored_at is not None and not s.damaged), None),
            pending=self._events.waiting,
            running=self._context.lock.operation is not None,
            next_periodic=self.periodic_due(),
            kinds={kind.value: sum(snapshot.kind is kind for snapshot in snapshots) for kind in Kind},
            remarks=await self._context.probe.remarks(),
        )

    async def integrity(self, *, quick: bool = False, on_progress: OnProgress | None = None) -> IntegrityReport:
        """Check the database as it is now. Damage is a finding; raises DatabaseBusy and DatabaseUnavailable."""
        contents = await self._context.in_thread(self._context.repository.refresh)
        return await self._context.work(
            IntegrityJob,
            IntegrityReport,
            on_progress,
            deadline=float(self.settings.schedule.integrity_deadline),
            checks=self._context.checks(contents, quick=quick),
        )

    # Proving and keeping

    async def verify(
        self, text: str, level: Level = Level.CHECKSUM, *, on_progress: OnProgress | None = None
    ) -> VerifyReport:
        """Prove a snapshot and record the outcome; one that fails is marked damaged, and listeners hear of it."""
        async with turn(self._context, "a verification") as contents:
            snapshot = _find(contents, text)
            report = await verify_locked(self._context, contents, snapshot, level, on_progress)
        if not report.ok:
            error = damaged_error(report)
            await self._context.tell(lambda listener: listener.failed("verification", error))
        return report

    async def verify_due(self) -> VerifyReport | None:
        """Prove the newest snapshot by ``restored`` if that was last done longer ago than ``verify_interval``.

        Where the engine cannot do that here, its bytes are proven instead, as often.
        """
        interval, now = float(self.settings.schedule.verify_interval), self._context.clock()
        due = proof_due(self._contents.snapshots, now, interval)
        if due is None or (self._unrehearsed_at and (now - self._unrehearsed_at).total_seconds() < interval):
            return None
        try:
            return await self.verify(due.id, Level.RESTORED)
        except RehearsalUnavailable as error:
            log.warning("%s", error)
            self._unrehearsed_at = now
            return await self.verify(due.id, Level.CHECKSUM)

    async def pin(self, text: str, pinned: bool = True) -> Snapshot:
        """Keep a snapshot outside retention's counts, or give it back to them."""
        async with turn(self._context, "a change of a pin") as contents:
            snapshot = _find(contents, text)
            changed = msgspec.structs.replace(snapshot, pinned=pinned)
            await self._context.in_thread(self._context.repository.update, changed)
            return changed

    async def prune(self, *, dry_run: bool = False) -> PruneReport:
        """Carry out retention, or with ``dry_run`` only say what it would do and why."""
        if dry_run:
            contents = await self._context.in_thread(self._context.repository.refresh)
            decisions = await self._context.in_thread(expired, self._context, contents)
            return PruneReport(decisions=tuple(decisions), dry_run=True, freed=0)
        async with turn(self._context, "pruning") as contents:
            decisions, freed = await self._context.in_thread(prune_locked, self._context, contents)
            await refresh_latest(self._context)
            await tidy_locked(self._context)
            return PruneReport(decisions=tuple(decisions), dry_run=False, freed=freed)

    async def export(self, text: str, target: Path, *, on_progress: OnProgress | None = None) -> Exported:
        """Write a snapshot to a new file that stands alone and that ``gunzip`` reads, proving it first."""
        async with turn(self._context, "an export") as contents:
            snapshot = _find(contents, text)
            chain = await self._context.in_thread(self._context.repository.chain, snapshot)
            return await self._context.work(
                ExportJob,
                Exported,
                on_progress,
                deadline=float(self.settings.schedule.verify_deadline),
                chain=chain,
                head=head_of(self._context, snapshot),
                record=str(self._context.repository.member_record),
                target=str(await self._context.in_thread(target.absolute)),
            )

    async def rebuild_catalog(self, *, on_progress: OnProgress | None = None) -> RebuildReport:
        """Make the catalog anew from the snapshot files alone; the old one is kept beside it."""
        context = self._context
        require_open(context)
        await context.in_thread(context.repository.prepare)
        async with context.lock.held("a rebuild of the catalog", float(self.settings.repository.lock_timeout)):
            return await rebuild_locked(context, on_progress)

    # Restoring

    async def restore_plan(self, text: str) -> RestorePlan:
        """Say what restoring a snapshot would do now; changes nothing. Raises DatabaseBusy, DatabaseUnavailable."""
        contents = await self._context.in_thread(self._context.repository.refresh)
        return await plan_for(self._context, contents, _find(contents, text))

    async def restore(
        self, text: str, *, agreed: str | None = None, on_progress: OnProgress | None = None
    ) -> RestoreReport:
        """Restore a snapshot; ``agreed`` is the token of the plan that a person agreed to (None: whatever is now).

        Raises Busy, PlanOutdated, SnapshotDamaged, DatabaseBusy or RestoreFailed; the database is then as it was.
        """
        if self._restoring:
            raise Busy("Busy: a restore is running already.", operation="restore", pid=None)
        self._restoring = True
        try:
            async with turn(self._context, "a restore") as contents:
                snapshot = _find(contents, text)
                plan = await plan_for(self._context, contents, snapshot)
                return await restore_locked(
                    self._context, contents, plan, agreed=agreed, automatic=False, on_progress=on_progress
                )
        finally:
            self._restoring = False

    async def start_up(self) -> StartupReport:
        """Check the database before anybody uses it and heal it if it is damaged; says what it saw and did."""
        async with turn(self._context, "a start-up check") as contents:
            return await start_up_locked(self._context, contents)
