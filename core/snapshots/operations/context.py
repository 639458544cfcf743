"""What all operations of a service share. The clock and the source of random ids are passed in."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import logging
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from ..engines import Checks, probe_for, suffix_for
from ..files import free_space, remove
from ..models import Identity, Listener, OnProgress, Snapshot
from ..policies.timeline import timeline
from ..repository.catalog import Contents
from ..repository.lock import InUseLock, RepositoryLock
from ..repository.repository import Repository, in_use_lock
from ..settings.database_url import DatabaseUrl
from ..settings.schema import Settings
from ..worker import client
from ..worker.protocol import Work

__all__ = ["Context"]

log = logging.getLogger(__name__)

Parameters = ParamSpec("Parameters")
Value = TypeVar("Value")
SpecificJob = TypeVar("SpecificJob", bound=Work)

_THREADS = 6
_WORKERS = 16
"""The most jobs at once; what waits longer than that waits for a thread."""
_SCRATCH_FREE = 16 << 20
"""Bytes that must be free for temporary files to be put into the repository."""


class Context:
    """Settings, repository, probe, worker and clock of one service. Creating it touches nothing."""

    def __init__(
        self,
        settings: Settings,
        url: DatabaseUrl,
        *,
        clock: Callable[[], dt.datetime],
        token_hex: Callable[[int], str],
        monotonic: Callable[[], float] = time.monotonic,
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
        self.closed = False
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
        go on after the lock is released. A second cancellation ends that wait early.
        """
        call = functools.partial(function, *args, **kwargs)
        future = asyncio.get_running_loop().run_in_executor(self._pool, call)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            future.exception()  # retrieved here, or asyncio logs that it never was
            raise

    async def work(
        self,
        kind: Callable[..., SpecificJob],
        result_type: type[Value],
        on_progress: OnProgress | None = None,
        on_committed: Callable[[], None] | None = None,
        **fields: Any,
    ) -> Value:
        """Run a job in a worker and return its result.

        ``fields`` are the job's own fields and its ``deadline`` in seconds; the database and the scratch folder are
        filled in. See ``client.run`` for the callbacks and the errors.
        """
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
            return await client.run(self._workers, job, result_type, on_progress, on_committed)  # type: ignore[arg-type]
        finally:
            # The worker removes its folder itself, unless it was killed.
            await asyncio.shield(self.in_thread(remove, scratch))
            await asyncio.shield(self.in_thread(in_use.release))

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
        expected = of or next((each for each in timeline(contents.snapshots, contents.restores) if each.rows), None)
        newest = contents.newest_sound
        # A snapshot is verified by what was in it: tables that became critical later say nothing against it.
        critical = database.critical_tables if of is None else tuple(of.rows)
        return Checks(
            critical_tables=critical,
            json_columns=database.json_columns,
            expected_rows=expected.rows if expected else {},
            expected_from="" if expected is None else f"{expected.id} of {expected.began_at:%Y-%m-%d %H:%M} UTC",
            expected_device=newest.details.get("device") if newest else None,
            snapshots_exist=bool(contents.snapshots),
            quick=quick,
            wait_for_server=wait_for_server,
        )

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
