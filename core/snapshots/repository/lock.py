"""The repository's exclusive lock: one operation at a time, across tasks and processes.

It is an advisory lock of the operating system on ``.work/lock``, never on the database's file. When its holder dies it
is released, while a worker that the holder started may go on for a few seconds more (see ``worker/main.py``). The
holder is written to ``.work/operation.json``, so that the error of another process can name it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import errno
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import filelock
import msgspec

from ..errors import Busy
from ..files import PRIVATE_FILE, give_to_owner, translate_os_error

__all__ = ["InUseLock", "RepositoryLock", "is_abandoned"]

_POLL_FIRST, _POLL_LONGEST = 0.02, 0.25
"""Seconds."""


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

    @contextlib.asynccontextmanager
    async def _file_lock(self, operation: str, deadline: float) -> AsyncIterator[None]:
        lock = filelock.FileLock(self._work / "lock", mode=PRIVATE_FILE, blocking=False, thread_local=False)
        pause = _POLL_FIRST
        try:
            while not await self._in_thread(_try, lock):
                if asyncio.get_running_loop().time() >= deadline:
                    owner = await self._in_thread(self._read_owner)
                    raise _busy(owner.operation if owner else None, owner.pid if owner else None)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _POLL_LONGEST)
            await self._in_thread(self._write_owner, operation)
            yield
        finally:
            # A cancelled operation may have got the lock in its thread. Shielded, because it must be released.
            if lock.is_locked:
                await asyncio.shield(self._in_thread(lock.release))

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
            return msgspec.json.decode((self._work / "operation.json").read_bytes(), type=_Owner)
        except (OSError, msgspec.DecodeError):
            return None


class InUseLock:
    """A lock file that marks a temporary folder as in use while it is held; ``hold`` creates it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = filelock.FileLock(path, blocking=False, thread_local=False)

    def hold(self) -> None:
        """Create the file and lock it; raise filelock.Timeout at once if somebody else holds it."""
        self._lock.acquire()

    def release(self) -> None:
        """Release the lock and remove the file; do nothing if it is not held."""
        if self._lock.is_locked:
            self._lock.release()
            self._path.unlink(missing_ok=True)


def is_abandoned(path: Path) -> bool:
    """Return True if nobody holds a lock file, because its holder crashed."""
    lock = filelock.FileLock(path, blocking=False, thread_local=False)
    if not _try(lock):
        return False
    lock.release()
    return True


def _try(lock: filelock.BaseFileLock) -> bool:
    """Try to get a lock; raise RepositoryError where the file system has none, or does not let this user."""
    try:
        lock.acquire()
    except filelock.Timeout:
        return False
    except NotImplementedError as error:
        raise translate_os_error(OSError(errno.ENOSYS, str(error)), Path(lock.lock_file)) from error
    except OSError as error:
        raise translate_os_error(error, Path(lock.lock_file)) from error
    give_to_owner(Path(lock.lock_file))
    return True


def _busy(operation: str | None, pid: int | None) -> Busy:
    what = operation or "another operation"
    whose = f" in process {pid}" if pid and pid != os.getpid() else ""
    return Busy(f"Busy: {what} is running{whose}. Try again when it is done.", operation=operation, pid=pid)
