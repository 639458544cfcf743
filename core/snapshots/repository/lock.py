"""One operation at a time per repository, across processes.

An advisory lock on ``.work/lock`` (never on the database file), by the operating system, so that it ends with the
process that holds it. Who holds it is written beside it for the sentence that a second one gets.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import filelock
import msgspec

from ..errors import Busy

__all__ = ["InUseLock", "RepositoryLock", "is_abandoned"]

_POLL_FIRST, _POLL_LONGEST = 0.02, 0.25


class _Owner(msgspec.Struct, frozen=True):
    operation: str
    pid: int
    since: dt.datetime


class RepositoryLock:
    """The lock of one repository. Tasks of this process queue in order; other processes are asked again and again."""

    def __init__(
        self,
        work: Path,
        in_thread: Callable[..., Coroutine[Any, Any, Any]],
        clock: Callable[[], dt.datetime],
    ) -> None:
        """Take the folder for temporary files, a way to call blocking functions, and the clock.

        ``in_thread`` must end only when the function has, also where it is cancelled: what a thread still does must
        not happen after the lock is let go.
        """
        self._work = work
        self._in_thread = in_thread
        self._clock = clock
        self._turn = asyncio.Lock()
        self.operation: str | None = None
        """What this process is doing under the lock now."""

    @contextlib.asynccontextmanager
    async def held(self, operation: str, wait: float) -> AsyncIterator[None]:
        """Hold the lock for an operation; raise Busy if others have it for longer than ``wait`` seconds."""
        deadline = asyncio.get_running_loop().time() + wait
        try:
            async with asyncio.timeout_at(deadline):
                await self._turn.acquire()
        except TimeoutError:
            raise _busy(self.operation, os.getpid()) from None
        try:
            async with self._file_lock(operation, deadline):
                self.operation = operation
                yield
        finally:
            self.operation = None
            self._turn.release()

    @contextlib.asynccontextmanager
    async def _file_lock(self, operation: str, deadline: float) -> AsyncIterator[None]:
        lock = filelock.FileLock(self._work / "lock", blocking=False, thread_local=False)
        pause = _POLL_FIRST
        try:
            while not await self._in_thread(_try, lock):
                if asyncio.get_running_loop().time() >= deadline:
                    owner = await self._in_thread(self._owner)
                    raise _busy(owner.operation if owner else None, owner.pid if owner else None)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _POLL_LONGEST)
            await self._in_thread(self._sign, operation)
            yield
        finally:
            # Also where a cancelled operation got the lock without hearing of it. Shielded: it must let go.
            if lock.is_locked:
                await asyncio.shield(self._in_thread(lock.release))

    def _sign(self, operation: str) -> None:
        owner = _Owner(operation, os.getpid(), self._clock())
        (self._work / "operation.json").write_bytes(msgspec.json.encode(owner))

    def _owner(self) -> _Owner | None:
        try:
            return msgspec.json.decode((self._work / "operation.json").read_bytes(), type=_Owner)
        except (OSError, msgspec.DecodeError):
            return None


class InUseLock:
    """A lock file that marks something as in use for as long as it is held."""

    def __init__(self, path: Path) -> None:
        """Take the lock file's path; nothing is made before ``hold``."""
        self._path = path
        self._lock = filelock.FileLock(path, blocking=False, thread_local=False)

    def hold(self) -> None:
        """Make the file and hold it. Blocks for no time."""
        self._lock.acquire()

    def release(self) -> None:
        """Let go of it and remove the file; does nothing where it is not held."""
        if self._lock.is_locked:
            self._lock.release()
            self._path.unlink(missing_ok=True)


def is_abandoned(path: Path) -> bool:
    """Whether nobody holds a lock file any more: what it marks was left by a crash."""
    lock = filelock.FileLock(path, blocking=False, thread_local=False)
    if not _try(lock):
        return False
    lock.release()
    return True


def _try(lock: filelock.BaseFileLock) -> bool:
    try:
        lock.acquire()
    except filelock.Timeout:
        return False
    return True


def _busy(operation: str | None, pid: int | None) -> Busy:
    what = operation or "another operation"
    whose = f" in process {pid}" if pid and pid != os.getpid() else ""
    return Busy(f"Busy: {what} is running{whose}. Try again when it is done.", operation=operation, pid=pid)
