"""The repository's exclusive lock: one operation at a time, across tasks and processes.

It is an advisory lock of the operating system on ``.work/lock``, never on the database's file. The holder's workers
inherit it: when the holder dies it stays locked until they have ended, which ``orphans`` sees to. The holder is written
to ``.work/operation.json``, so that the error of another process can name it.

Waiting is fair: whoever waits holds a ``turn-*.lock`` file whose name begins with the time, and only the oldest tries.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from ..errors import Busy, RepositoryError
from ..files import PRIVATE_FILE, give_to_owner, read_regular
from ..models import Actor
from ..units import printable
from .file_lock import FileLock
from .orphans import end_orphans

__all__ = ["Holder", "InUseLock", "RepositoryLock", "is_abandoned"]

_POLL_FIRST, _POLL_LONGEST = 0.02, 0.25
"""Seconds."""
_TURN = "turn-"
_LONGEST_TEXT = 80


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lock: the operation, its process, since when, and who asked for it, if that was a person."""

    operation: str
    pid: int
    since: dt.datetime
    actor: Actor | None = None


class RepositoryLock:
    """The lock of one repository. Tasks of this process wait in order; a lock of another process is polled.

    ``work`` is the folder for temporary files, and ``in_thread`` calls a blocking function in a thread. If it is
    cancelled, it must still wait for the function to end, which must not go on after the lock is released.
    """

    def __init__(
        self,
        work: Path,
        in_thread: Callable[..., Coroutine[Any, Any, Any]],
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._work = work
        self._in_thread = in_thread
        self._clock = clock
        self._queue = asyncio.Lock()
        self._lock: FileLock | None = None
        self._holder: Holder | None = None
        self._waits_for: Holder | None = None
        """The holder in another process for which the first task in the queue waits."""

    @property
    def operation(self) -> str | None:
        """The operation for which this process holds the lock, or None."""
        return None if self._holder is None else self._holder.operation

    @contextlib.asynccontextmanager
    async def held(
        self,
        operation: str,
        wait: float,
        *,
        actor: Actor | None = None,
        on_wait: Callable[[Holder], None] | None = None,
    ) -> AsyncIterator[None]:
        """Hold the lock for an operation; raise Busy if it is not free within ``wait`` seconds.

        ``actor`` is who asked for it. ``on_wait`` is called once, if somebody else has to be waited for.
        """
        deadline = asyncio.get_running_loop().time() + wait
        told = _Once(on_wait)
        if self._queue.locked():
            told(self._holder or self._waits_for)
        try:
            async with asyncio.timeout_at(deadline):
                await self._queue.acquire()
        except TimeoutError:
            raise _busy(self._holder or self._waits_for) from None
        try:
            async with self._file_lock(Holder(operation, os.getpid(), self._clock(), actor), deadline, told) as holder:
                self._holder = holder
                yield
        finally:
            self._holder = None
            self._queue.release()

    @property
    def descriptor(self) -> int | None:
        """The open lock file, for a worker to inherit, while this process holds the lock; None on Windows."""
        return None if self._lock is None else self._lock.descriptor

    @contextlib.asynccontextmanager
    async def _file_lock(self, holder: Holder, deadline: float, told: _Once) -> AsyncIterator[Holder]:
        lock = FileLock(self._work / "lock")
        turn = _Turn(self._work)
        try:
            await self._wait_for(lock, turn, deadline, told)
            self._lock = lock
            holder = msgspec.structs.replace(holder, since=self._clock())
            await self._in_thread(self._write_holder, holder)
            yield holder
        finally:
            self._lock = None
            # A cancelled operation may have got the lock in its thread. Shielded, because it must be released.
            await asyncio.shield(self._in_thread(_give_back, lock, turn))

    async def _wait_for(self, lock: FileLock, turn: _Turn, deadline: float, told: _Once) -> None:
        now = asyncio.get_running_loop().time
        pause, at_once = _POLL_FIRST, now() >= deadline
        try:
            while not (at_once or await self._in_thread(turn.has_come)) or not await self._in_thread(lock.acquire):
                if now() >= deadline:
                    if await self._in_thread(end_orphans, self._work / "lock"):
                        continue
                    raise _busy(await self._in_thread(self._read_owner))
                if told.is_wanted or self._waits_for is None:
                    self._waits_for = await self._in_thread(self._read_owner)
                    told(self._waits_for)
                await self._in_thread(turn.take)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _POLL_LONGEST)
        finally:
            self._waits_for = None

    def _write_holder(self, holder: Holder) -> None:
        path = self._work / "operation.json"
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(holder))
        give_to_owner(path)

    def _read_owner(self) -> Holder | None:
        try:
            found = msgspec.json.decode(read_regular(self._work / "operation.json"), type=Holder)
        except (OSError, RepositoryError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        # Whoever could write there also wrote this, and it goes into messages and logs.
        actor = found.actor
        if actor is not None:
            actor = Actor(source=_legible(actor.source), name=_legible(actor.name), id=actor.id)
        return msgspec.structs.replace(found, operation=_legible(found.operation), actor=actor)


def _legible(said: str) -> str:
    return printable(said[:_LONGEST_TEXT])


class _Once:
    """Calls a function with the first holder that is known, and never again."""

    def __init__(self, function: Callable[[Holder], None] | None) -> None:
        self._function = function

    @property
    def is_wanted(self) -> bool:
        """True if the function was not called yet."""
        return self._function is not None

    def __call__(self, holder: Holder | None) -> None:
        function = self._function
        if function is not None and holder is not None:
            self._function = None
            function(holder)


class _Turn:
    """The turn of one waiting process, among all that wait."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._path: Path | None = None
        self._lock: FileLock | None = None

    def take(self) -> None:
        """Join the queue, if that has not happened yet."""
        if self._path is None:
            path = self._work / f"{_TURN}{time.time_ns():020}-{os.getpid()}.lock"
            lock = FileLock(path)
            if lock.acquire():
                self._path, self._lock = path, lock

    def has_come(self) -> bool:
        """Return True if nobody else has waited for longer; what a crash left of the queue is removed."""
        for path in sorted(self._work.glob(f"{_TURN}*")):
            if self._path is not None and path >= self._path:
                return True
            if not is_abandoned(path):
                return False
            path.unlink(missing_ok=True)
        return True

    def end(self) -> None:
        """Leave the queue."""
        lock, self._lock = self._lock, None
        if lock is not None and self._path is not None:
            self._path.unlink(missing_ok=True)
            lock.release()


def _give_back(lock: FileLock, turn: _Turn) -> None:
    turn.end()
    lock.release()


class InUseLock:
    """A lock file that marks a temporary folder as in use while it is held; ``hold`` creates it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path)

    def hold(self) -> None:
        """Create the file and lock it; raise Busy at once if somebody else holds it."""
        if not self._lock.acquire():
            raise _busy(None)

    def release(self) -> None:
        """Release the lock and remove the file; do nothing if it is not held."""
        if self._lock.is_held:
            self._lock.release()
            self._path.unlink(missing_ok=True)


def is_abandoned(path: Path) -> bool:
    """Return True if nobody holds a lock file, because its holder crashed."""
    if path.is_symlink() or not path.is_file():
        return True  # not one of ours
    lock = FileLock(path)
    if not lock.acquire():
        return False
    lock.release()
    return True


def _busy(holder: Holder | None) -> Busy:
    if holder is None:
        return Busy("Busy: another operation is running. Try again when it is done.", operation=None, pid=None)
    where = f" in process {holder.pid}" if holder.pid != os.getpid() else ""
    whose = f" for {holder.actor}" if holder.actor is not None else ""
    return Busy(
        f"Busy: {holder.operation} is running{where}{whose}, since {holder.since:%H:%M:%S} UTC. Try again when it is "
        "done.",
        operation=holder.operation,
        pid=holder.pid,
    )
