"""The facade: everything that the cog and the shell do goes through ``SnapshotService``.

It only calls the functions in ``operations``. Use it from one event loop, which it never blocks: files are read and
written in its own threads, databases and archives in the worker. Expected failures are raised as a SnapshotError, and
operations of the exclusive lock raise an OSError as a RepositoryError; any other exception is a bug.
"""

from __future__ import annotations

import datetime as dt
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from .errors import SettingsError
from .models import (
    NOBODY,
    Actor,
    AuditLine,
    Created,
    Exported,
    Identity,
    IntegrityReport,
    Kind,
    Level,
    Listener,
    OnProgress,
    OnWait,
    PruneReport,
    RebuildReport,
    RestorePlan,
    RestoreReport,
    Snapshot,
    StartupReport,
    Status,
    VerifyReport,
)
from .operations.context import Context
from .operations.create import CreateRequest, create
from .operations.events import EventCoverage, Ticket
from .operations.export import export, exported
from .operations.identity import claim
from .operations.importing import import_file
from .operations.journal import audit
from .operations.opening import open_for_reading, open_repository
from .operations.past.methods import PastMethods
from .operations.periodic import PeriodicSchedule
from .operations.pin import pin
from .operations.prune import prune
from .operations.rebuild_catalog import rebuild_catalog
from .operations.restore_points import RestorePoints
from .operations.restoring.plan import plan_for
from .operations.restoring.restore import restore
from .operations.restoring.startup import start_up
from .operations.shutdown import create_last, finish
from .operations.status import check_integrity, status
from .operations.verify import VerificationSchedule, verify
from .repository.audit import AuditLog
from .repository.catalog import Contents
from .repository.marks import ProcessMark
from .repository.names import NOTE_LENGTH, REASON_LENGTH, legible
from .repository.state import StateFile
from .settings import database_url
from .settings.schema import Settings
from .worker.client import require_python

__all__ = ["SnapshotService"]

Document = TypeVar("Document", bound=msgspec.Struct)

_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _require_unicode(key: str, path: str) -> None:
    """Raise SettingsError for a path that is not UTF-8: no JSON, and so no job and no catalog, can hold it."""
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = path.encode("ascii", "backslashreplace").decode()
        raise SettingsError(
            f"{key} is in the folder {shown}, whose name is not UTF-8 or cannot be read under this locale. Rename the "
            "folder, or set PYTHONUTF8=1 (or LANG=C.UTF-8) for the bot.",
            key=key,
            value=shown,
            allowed="a path in UTF-8",
        ) from None


class SnapshotService(PastMethods):
    """Snapshots of one database in one repository.

    Creating it touches nothing. Tests pass another clock (aware UTC), source of random ids, and monotonic clock.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], dt.datetime] = _utc_now,
        token_hex: Callable[[int], str] = secrets.token_hex,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        require_python()
        self.settings = settings
        # Once, and now: a game may change the working directory later.
        url = database_url.parse(settings.database.url).absolute()
        _require_unicode("database.url", url.path or "")
        _require_unicode("repository.path", str(Path(settings.repository.path).absolute()))
        super().__init__(Context(settings, url, clock=clock, token_hex=token_hex, monotonic=monotonic))
        self._events = EventCoverage(self._context)
        self._restore_points = RestorePoints(self._context)
        self._periodic = PeriodicSchedule(self._context)
        self._verification = VerificationSchedule(self._context)
        self.interrupted: str | None = None
        """What an operation that a crash interrupted has left behind; the owner's sentence."""

    # Opening and closing

    async def open(self) -> None:
        """Create missing folders, clean up, rebuild a lost catalog, and adopt files that the catalog does not list.

        If another process holds the exclusive lock, or the repository is read-only, only the catalog is read. Raises
        RepositoryError or CatalogTooNew.
        """
        self.interrupted = await open_repository(self._context)

    async def open_for_reading(self) -> None:
        """Read the catalog and create nothing; only a catalog that cannot be read is rebuilt, where that is possible.

        Raises CatalogError if it cannot be read and the repository is read-only, or CatalogTooNew.
        """
        self.interrupted = await open_for_reading(self._context)

    async def close(self) -> None:
        """Release all resources; requests that are not covered yet fail. It is safe to call this twice."""
        await self._events.close()
        await self._restore_points.close()
        await self._context.probe.close()
        self._context.close()

    def listen(self, listener: Listener) -> None:
        """Notify ``listener`` of all events from now on."""
        self._context.listeners.append(listener)

    # Taking snapshots

    def request(self, kind: Kind, reason: str) -> Ticket:
        """Request a snapshot that begins after this moment. This takes microseconds; the ticket need not be kept."""
        if kind is Kind.CRITICAL:
            self._restore_points.add(reason)
        return self._events.request(kind, reason)

    async def commit_token(self) -> str | None:
        """Return a text that changes with every commit to the database; None if it is unknown, or after ``close``."""
        return None if self._context.closed else await self._context.probe.token()

    @property
    def covered_token(self) -> str | None:
        """The token of the state that the newest snapshot holds, or None if it is unknown."""
        return None if self._context.covered is None else self._context.covered[0]

    async def settled(self) -> None:
        """Wait until every request is covered, including requests that arrive in the meantime."""
        await self._events.settled()

    async def create(
        self,
        kind: Kind = Kind.MANUAL,
        *,
        reason: str | None = None,
        note: str | None = None,
        pin: bool = False,
        deadline: float | None = None,
        actor: Actor = NOBODY,
        on_wait: OnWait | None = None,
        on_progress: OnProgress | None = None,
    ) -> Created:
        """Take a snapshot now. One of kind manual is always written, the others only if something changed.

        ``deadline`` is in seconds. With ``on_wait``, which is called with what has to be waited for, that is waited for
        as long as a snapshot may take; if it is a snapshot, and nothing was committed since it began, it serves, unless
        this one has a note or is pinned. Raises Busy, NotEnoughSpace, DatabaseMissing, DatabaseBusy, DatabaseDamaged,
        DatabaseUnavailable, DeadlineExceeded, RepositoryError or WorkerFailed; nothing half-written is left then.
        """
        request = CreateRequest(
            kind=kind,
            reasons=(legible(reason or note or kind.value, REASON_LENGTH),),
            note=None if note is None else legible(note, NOTE_LENGTH),
            pinned=pin,
            skip_unchanged=kind is not Kind.MANUAL and not pin,
            joins=on_wait is not None and note is None and not pin,
            after=(self._periodic.last or _NEVER) if kind is Kind.PERIODIC else None,
            deadline=deadline or float(self.settings.schedule.snapshot_deadline),
        )
        created = await create(self._context, request, actor=actor, on_wait=on_wait, on_progress=on_progress)
        if actor is not NOBODY:
            await audit(self._context, actor, "pinned snapshot" if pin else "snapshot", "done", created.snapshot.id)
        return created

    async def create_last(self, seconds: float | None = None) -> Snapshot | None:
        """Take the shutdown snapshot within ``seconds`` (``shutdown_deadline`` if None), with the events that wait.

        Returns None if shutdown snapshots are switched off, or if other processes still use the database: the last of
        them takes it.
        """
        return await create_last(self._context, self._events, seconds)

    async def finish(self, seconds: float) -> None:
        """Clean up the database when the bot goes down, within ``seconds``; call it after ``close``.

        A SQLite database that nobody else has open gets its write-ahead log written into the file, so that a copy of
        the file alone is whole. A failure is logged, because nothing is lost by it.
        """
        await finish(self._context, seconds)

    # The schedule

    async def join(self, *, eligible: bool) -> bool:
        """Join the bot's processes, and return True if this one is the leader, which keeps the schedule.

        The leader is one of the processes that are ``eligible``. Only processes that call ``create_last`` at their end
        should join. Call this again now and then: the leader can end, and connections can be lost.
        """
        return await self._periodic.join(eligible=eligible)

    async def periodic_wanted(self, *, eligible: bool = True) -> bool:
        """Join, and return True if this process should take the periodic snapshot now."""
        return await self._periodic.is_wanted(eligible=eligible)

    def periodic_due(self) -> dt.datetime:
        """Return when the next periodic snapshot is due, by the catalog as this process last read it."""
        return self._periodic.due()

    # Reading

    @property
    def known(self) -> tuple[Snapshot, ...]:
        """The snapshots in the catalog as this process last read it, newest first. The disk is not read."""
        return tuple(reversed(self._context.repository.catalog.contents.snapshots))

    @property
    def catalog(self) -> Contents:
        """The catalog as this process last read it. The disk is not read."""
        return self._context.repository.catalog.contents

    async def list(self, kind: Kind | None = None) -> tuple[Snapshot, ...]:
        """Return the snapshots, newest first. Raises CatalogError."""
        contents = await self._context.in_thread(self._context.repository.refresh)
        return tuple(snapshot for snapshot in reversed(contents.snapshots) if kind in (None, snapshot.kind))

    async def get(self, text: str) -> Snapshot:
        """Return the snapshot named by an id, a unique prefix, or "latest". Raises SnapshotNotFound."""
        return (await self._context.in_thread(self._context.repository.refresh)).find(text)

    async def status(self) -> Status:
        """Return the repository at a glance."""
        return await status(self._context, self._events, self._periodic)

    async def lacking(self) -> tuple[str, ...]:
        """Return sentences on what the next snapshot needs and this machine lacks, such as ``pg_dump``."""
        return await self._context.probe.lacking()

    async def audit(self, count: int | None = None) -> tuple[AuditLine, ...]:
        """Return the newest lines of the audit log, oldest first; all of them without a count."""
        return await self._context.in_thread(AuditLog(self._context.repository.root).last, count)

    async def audit_denied(self, actor: Actor, action: str, why: str) -> None:
        """Record in the audit log that somebody was not allowed to do something."""
        await audit(self._context, actor, action, "denied", None, why)

    # Documents of the front-ends

    def now(self) -> dt.datetime:
        """Return the time in UTC, by the service's clock."""
        return self._context.clock()

    async def read_state(self, name: str, kind: type[Document]) -> Document | None:
        """Return a small document from the folder ``state``, None if it is missing or unreadable. Raises OSError."""
        return await self._context.in_thread(StateFile(self._context.repository.root, name, kind).read)

    async def change_state(
        self, name: str, kind: type[Document], change: Callable[[Document | None], Document]
    ) -> Document:
        """Replace such a document by what ``change`` makes of it, in a thread and one process at a time.

        Raises OSError or Busy.
        """
        return await self._context.in_thread(StateFile(self._context.repository.root, name, kind).change, change)

    def mark(self, name: str) -> ProcessMark:
        """Return the mark of this name, which other processes see for as long as one holds it and lives."""
        return ProcessMark(self._context.repository.work, name, self._context.in_thread)

    # Checking

    async def integrity(self, *, quick: bool = False, on_progress: OnProgress | None = None) -> IntegrityReport:
        """Check the database as it is now. Damage is a finding; raises DatabaseBusy and DatabaseUnavailable."""
        return await check_integrity(self._context, quick=quick, on_progress=on_progress)

    # Verifying, keeping, removing

    async def verify(
        self,
        text: str,
        level: Level = Level.CHECKSUM,
        *,
        actor: Actor = NOBODY,
        on_progress: OnProgress | None = None,
    ) -> VerifyReport:
        """Verify a snapshot and record the outcome; one that fails is marked damaged and reported to the listeners."""
        report = await verify(self._context, text, level, on_progress, actor=actor)
        if actor is not NOBODY:
            outcome = "passed" if report.ok else "damaged"
            await audit(self._context, actor, f"verify by {level}", outcome, report.id)
        return report

    async def verify_due(self) -> VerifyReport | None:
        """Verify the newest snapshot if that was last done longer ago than ``verify_interval``."""
        return await self._verification.run_due()

    async def pin(
        self, text: str, pinned: bool = True, *, why: str = "", actor: Actor = NOBODY, on_wait: OnWait | None = None
    ) -> Snapshot:
        """Pin a snapshot, so that retention never removes it, or unpin it; return it with the change."""
        return await pin(self._context, text, pinned, why=why, actor=actor, on_wait=on_wait)

    async def prune(self, *, dry_run: bool = False, actor: Actor = NOBODY) -> PruneReport:
        """Apply retention; with ``dry_run`` only return what it would do and why."""
        return await prune(self._context, dry_run=dry_run, actor=actor)

    async def export(self, text: str, target: Path, *, on_progress: OnProgress | None = None) -> Exported:
        """Write a snapshot to a new file that needs no other one, a gzip if its name ends so; verify it on the way."""
        return await export(self._context, text, target, on_progress)

    async def exported(self, text: str, most: int, actor: Actor, on_progress: OnProgress) -> tuple[str, bytes] | None:
        """Return the name and the content of an exported gzip, None if it has more than ``most`` bytes."""
        return await exported(self._context, text, most, actor, on_progress)

    async def import_file(
        self,
        source: Path,
        *,
        note: str | None = None,
        another: bool = False,
        actor: Actor = NOBODY,
        on_progress: OnProgress | None = None,
    ) -> Snapshot:
        """Take a database or an archive from elsewhere into the repository; see ``operations.importing``."""
        return await import_file(
            self._context, source, note=note, another=another, actor=actor, on_progress=on_progress
        )

    async def rebuild_catalog(self, *, actor: Actor = NOBODY, on_progress: OnProgress | None = None) -> RebuildReport:
        """Rebuild the catalog from the snapshot files; the old one is kept under another name."""
        return await rebuild_catalog(self._context, on_progress, actor=actor)

    # Restoring

    async def restore_plan(self, text: str) -> RestorePlan:
        """Return what a restore would do now, row by row; change nothing. Raises DatabaseBusy, DatabaseUnavailable."""
        contents = await self._context.in_thread(self._context.repository.refresh)
        return await plan_for(self._context, contents, contents.find(text), compared=True)

    async def restore(
        self,
        text: str,
        *,
        agreed: str | None = None,
        actor: Actor = NOBODY,
        stopped: bool = False,
        on_wait: OnWait | None = None,
        on_progress: OnProgress | None = None,
    ) -> RestoreReport:
        """Restore a snapshot.

        ``agreed`` is the token of the plan that a person agreed to; with None, the state is not compared with a plan.
        ``stopped`` says that nobody uses the database, which cannot always be found out. With ``on_wait`` it waits as
        ``create`` does. Raises Busy, PlanOutdated, SnapshotDamaged, DatabaseBusy or RestoreFailed; the database is then
        as it was.
        """
        return await restore(
            self._context, text, agreed=agreed, actor=actor, stopped=stopped, on_wait=on_wait, on_progress=on_progress
        )

    async def claim(self, *, actor: Actor = NOBODY) -> Identity:
        """Make the repository that of the database in the settings, after moving either, and return its identity."""
        return await claim(self._context, actor=actor)

    async def start_up(self) -> StartupReport:
        """Check the database before anybody uses it, restore it if it cannot be read, and report both."""
        return await start_up(self._context)
