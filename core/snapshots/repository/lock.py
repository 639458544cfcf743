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
from ..units import printable
from .file_lock import FileLock
from .orphans import end_orphans

__all__ = ["InUseLock", "RepositoryLock", "is_abandoned"]

_POLL_FIRST, _POLL_LONGEST = 0.02, 0.25
"""Seconds."""
_TURN = "turn-"
_LONGEST_OPERATION = 80


class _Owner(msgspec.Struct, frozen=True):
    operation: str
    pid: int
    since: dt.datetime


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
        self.operation: str | None = None
        """The operation for which this process holds the lock, or None."""

    @contextlib.asynccontextmanager
    async def held(self, operation: str, wait: float) -> AsyncIterator[None]:
        """Hold the lock for an operation; raise Busy if it is not free within ``wait`` seconds."""
        deadline = asyncio.get_running_loop().time() + wait
        try:
            async with asyncio.timeout_at(deadline):
                await self._queue.acquire()
        except TimeoutError:
            raise _busy(self.operation, os.getpid()) from None
        try:
            async with self._file_lock(operation, deadline):
                self.operation = operation
                yield
        finally:
            self.operation = None
            self._queue.release()

    @property
    def descriptor(self) -> int | None:
        """The open lock file, for a worker to inherit, while this process holds the lock; None on Windows."""
        return None if self._lock is None else self._lock.descriptor

    @contextlib.asynccontextmanager
    async def _file_lock(self, operation: str, deadline: float) -> AsyncIterator[None]:
        lock = FileLock(self._work / "lock")
        turn = _Turn(self._work)
        try:
            await self._wait_for(lock, turn, deadline)
            self._lock = lock
            await self._in_thread(self._write_owner, operation)
            yield
        finally:
            self._lock = None
            # A cancelled operation may have got the lock in its thread. Shielded, because it must be released.
            await asyncio.shield(self._in_thread(_give_back, lock, turn))

    async def _wait_for(self, lock: FileLock, turn: _Turn, deadline: float) -> None:
        now = asyncio.get_running_loop().time
        pause, at_once = _POLL_FIRST, now() >= deadline
        while not (at_once or await self._in_thread(turn.has_come)) or not await self._in_thread(lock.acquire):
            if now() >= deadline:
                if await self._in_thread(end_orphans, self._work / "lock"):
                    continue
                owner = await self._in_thread(self._read_owner)
                raise _busy(owner.operation if owner else None, owner.pid if owner else None)
            await self._in_thread(turn.take)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _POLL_LONGEST)

    def _write_owner(self, operation: str) -> None:
        owner = _Owner(operation, os.getpid(), self._clock())
        path = self._work / "operation.json"
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(owner))
        give_to_owner(path)

    def _read_owner(self) -> _Owner | None:
        try:
            found = msgspec.json.decode(read_regular(self._work / "operation.json"), type=_Owner)
        except (OSError, RepositoryError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        # Whoever could write there also wrote this, and it goes into messages and logs.
        return msgspec.structs.replace(found, operation=printable(found.operation[:_LONGEST_OPERATION]))


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
            raise _busy(None, None)

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


def _busy(operation: str | None, pid: int | None) -> Busy:
    what = operation or "another operation"
    whose = f" in process {pid}" if pid and pid != os.getpid() else ""
    return Busy(f"Busy: {what} is running{whose}. Try again when it is done.", operation=operation, pid=pid)
