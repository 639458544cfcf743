"""What all operations of a service share. The clock and the source of random ids are passed in."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
import logging
import os
import tempfile
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from ..engines import Checks, probe_for, suffix_for
from ..errors import DeadlineExceeded, SnapshotError
from ..files import free_space, remove, translate_os_error
from ..models import NOBODY, Actor, Doing, Identity, Listener, OnProgress, Snapshot
from ..policies.health import of_damage
from ..policies.timeline import timeline
from ..repository.catalog import Contents
from ..repository.lock import InUseLock, RepositoryLock
from ..repository.repository import Repository, in_use_lock
from ..settings.database_url import DatabaseUrl
from ..settings.schema import Settings
from ..worker import client
from ..worker.deadlines import overdue
from ..worker.protocol import Work

__all__ = ["Context", "remove_in_use", "to_the_end"]

log = logging.getLogger(__name__)

Parameters = ParamSpec("Parameters")
Value = TypeVar("Value")
SpecificJob = TypeVar("SpecificJob", bound=Work)

_THREADS = 6
_WORKERS = 16
"""The most jobs at once; what waits longer than that waits for a thread."""
_SCRATCH_FREE = 16 << 20
"""Bytes that must be free for temporary files to be put into the repository."""


async def to_the_end(work: Awaitable[Value]) -> Value:
    """Return the result of ``work``, which runs to its end even if the caller is cancelled.

    CancelledError is raised in the caller only when the work has ended.
    """
    future = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # retrieved here, or asyncio logs that it never was
        raise cancelled
    return future.result()


def remove_in_use(scratch: Path, in_use: InUseLock) -> None:
    """Remove a temporary file or folder, then the lock that marks it as in use.

    Blocks. One call for both, so that a cancellation between them cannot leave the lock held.
    """
    try:
        remove(scratch)
    finally:
        in_use.release()


def _last_with(tables: Iterable[str], known: Collection[str], present: Sequence[Snapshot]) -> dict[str, Snapshot]:
    """Return for each of ``tables`` that is not ``known`` the newest snapshot that has it, if there is one."""
    found = {table: next((each for each in present if table in each.rows), None) for table in tables}
    return {table: snapshot for table, snapshot in found.items() if snapshot is not None and table not in known}


def _named(snapshot: Snapshot) -> str:
    return f"{snapshot.id} of {snapshot.began_at:%Y-%m-%d %H:%M} UTC"


class Context:
    """Settings, repository, probe, worker and clock of one service. Creating it touches nothing."""

    def __init__(
        self,
        settings: Settings,
        url: DatabaseUrl,
        *,
        clock: Callable[[], dt.datetime],
        token_hex: Callable[[int], str],
        monotonic: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.url = url
        self.clock = clock
        self.monotonic = monotonic
        self.token_hex = token_hex
        self.repository = Repository(Path(settings.repository.path).absolute(), suffix_for(url.engine))
        self.probe = probe_for(url)
        self.lock = RepositoryLock(self.repository.work, self.in_thread, clock)
        self.listeners: list[Listener] = []
        self.covered: tuple[str, str] | None = None
        """The probe's token from before the newest snapshot began, and that snapshot's id."""
        self.identity: Identity | None = None
        """The database of the settings, once it is known; see ``identity``."""
        self.told_gone = False
        """True once the listeners know that the repository lost its snapshots."""
        self.told_of_others = False
        """True once the log has the warning that other users can write to the repository."""
        self.doing: list[Doing] = []
        """What this process does at the moment, for the status; the last one began last."""
        self.restoring = False
        """True while a restore that somebody asked for runs or waits."""
        self.closed = False
        self.first_start = True
        """False once the start-up check of this process is over, after which the game may use the database."""
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="savepoint")
        # Each worker keeps a thread for as long as its job lasts: many at once must not stop everything else.
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="savepoint worker")

    @property
    def group(self) -> str:
        """The name under which the processes that share this repository find each other."""
        return str(self.repository.root)

    async def in_thread(
        self, function: Callable[Parameters, Value], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Value:
        """Call a blocking function in one of the service's own threads, which leaves the host's threads free.

        A cancelled caller waits for the function to end before it raises CancelledError, because the function must not
        go on after the lock is released. A second cancellation waits too. An OSError is raised as a RepositoryError.
        """
        call = functools.partial(function, *args, **kwargs)
        with self.translating_errors():
            return await to_the_end(asyncio.get_running_loop().run_in_executor(self._pool, call))

    @contextlib.contextmanager
    def translating_errors(self) -> Iterator[None]:
        """Raise each OSError of the block, whatever the disk has said, as a RepositoryError with the owner's text."""
        try:
            yield
        except OSError as error:
            if isinstance(error, SnapshotError):
                raise
            raise translate_os_error(error, self.repository.root) from error

    async def work(
        self,
        kind: Callable[..., SpecificJob],
        result_type: type[Value],
        on_progress: OnProgress | None = None,
        on_committed: Callable[[], None] | None = None,
        deadline_key: str | None = None,
        **fields: Any,
    ) -> Value:
        """Run a job in a worker and return its result.

        ``fields`` are the job's own fields and its ``deadline`` in seconds; the database and the scratch folder are
        filled in. ``deadline_key`` is the setting of the deadline, if it is not the usual one of such a job; "" if no
        setting has it. See ``client.run`` for the callbacks and the errors.
        """
        committed = False

        def note_commit() -> None:
            nonlocal committed
            committed = True
            if on_committed is not None:
                on_committed()

        scratch = (await self.in_thread(self.scratch_root)) / f"job-{self.token_hex(6)}"
        job = kind(
            url=self.url.text,
            busy_timeout=float(self.settings.database.busy_timeout),
            exclude_unreadable=self.settings.database.exclude_unreadable,
            scratch=str(scratch),
            **fields,
        )
        # Some jobs run while another operation cleans up: it must not remove a folder that is in use.
        in_use = InUseLock(in_use_lock(scratch))
        try:
            await self.in_thread(in_use.hold)
            with self.translating_errors(), self._lock_to_inherit() as inherited:
                return await client.run(
                    self._workers,
                    job,  # type: ignore[arg-type]
                    result_type,
                    on_progress,
                    note_commit,
                    inherited=inherited,
                )
        except DeadlineExceeded as error:
            raise overdue(kind, fields["deadline"], deadline_key, committed=committed) from error
        finally:
            # The worker removes its folder itself, unless it was killed.
            await self.in_thread(remove_in_use, scratch, in_use)

    @contextlib.contextmanager
    def _lock_to_inherit(self) -> Iterator[int | None]:
        """Yield a second descriptor of the lock, if this process holds it: the first may be closed meanwhile."""
        held = self.lock.descriptor
        second = None if held is None else os.dup(held)
        try:
            yield second
        finally:
            if second is not None:
                os.close(second)

    def scratch_root(self) -> Path:
        """Return the folder for temporary files: in the repository, or the system's if that is read-only or full."""
        work = self.repository.work
        usable = os.access(work, os.W_OK) and free_space(work) > _SCRATCH_FREE
        return work if usable else Path(tempfile.gettempdir())

    def checks(
        self, contents: Contents, *, quick: bool, of: Snapshot | None = None, wait_for_server: bool = False
    ) -> Checks:
        """Return what an integrity check looks at: the database as it is now, or what a snapshot restores to."""
        database = self.settings.database
        present = timeline(contents.snapshots, contents.restores)
        expected = of or next((each for each in present if each.rows and not of_damage(each)), None)
        newest = contents.newest_sound
        looked_at = of or newest
        # A snapshot is verified by what was in it: tables that became critical later say nothing against it.
        critical = database.critical_tables if of is None else tuple(of.rows)
        rows = dict(expected.rows) if expected else {}
        last = _last_with(critical, rows, present) if of is None else {}
        return Checks(
            critical_tables=critical,
            json_columns=database.json_columns,
            expected_rows=rows | {table: snapshot.rows[table] for table, snapshot in last.items()},
            expected_from="" if expected is None else _named(expected),
            seen_in={table: _named(snapshot) for table, snapshot in last.items()},
            expected_device=newest.details.get("device") if newest else None,
            snapshots_exist=bool(contents.snapshots),
            without_tables=looked_at is not None and looked_at.details.get("tables") == 0,
            quick=quick,
            wait_for_server=wait_for_server,
        )

    @contextlib.contextmanager
    def shown(self, operation: str, actor: Actor | None = None) -> Iterator[None]:
        """Show in the status, while the block runs, what is done and for whom; None if nobody asked for it."""
        doing = Doing(operation=operation, since=self.clock(), actor=None if actor == NOBODY else actor)
        self.doing.append(doing)
        try:
            yield
        finally:
            self.doing.remove(doing)

    async def notify(self, event: Callable[[Listener], Any]) -> None:
        """Call ``event`` with every listener, one after another. A listener's exception is logged, never raised."""
        for listener in self.listeners:
            try:
                await event(listener)
            except Exception:
                log.exception("A listener of the snapshot service failed")

    def close(self) -> None:
        """Refuse new operations. One that runs may end: it needs the threads to release its lock."""
        self.closed = True
