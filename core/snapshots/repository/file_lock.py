"""A lock file: flock(2) on POSIX, which a child process can hold on to, and the ``filelock`` package on Windows.

The lock belongs to the open file, which a worker inherits. So the lock of a process that was killed stays with its
worker until that has ended too, while ``release`` gives it back whoever has inherited it.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Any

import filelock

from ..files import give_to_owner, open_regular, translate_os_error

__all__ = ["FileLock"]


class FileLock:
    """The lock on one file. Its methods block, but none waits for another holder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._other: Any = filelock.FileLock(path, blocking=False, thread_local=False) if os.name == "nt" else None

    @property
    def is_held(self) -> bool:
        """True while this object holds the lock."""
        return self._descriptor is not None or (self._other is not None and self._other.is_locked)

    @property
    def descriptor(self) -> int | None:
        """The open file that a child process has to inherit to hold the lock too; None on Windows."""
        return self._descriptor

    def acquire(self) -> bool:
        """Create the file and lock it; return False if somebody else holds it.

        Raises RepositoryError where the file system has no locks, or does not let this user.
        """
        try:
            acquired = self._try_other() if self._other is not None else self._try()
        except NotImplementedError as error:
            raise translate_os_error(OSError(errno.ENOSYS, str(error)), self._path) from error
        except OSError as error:
            if error.errno is None:
                raise
            raise translate_os_error(error, self._path) from error
        if acquired:
            give_to_owner(self._path)
        return acquired

    def _try_other(self) -> bool:
        try:
            self._other.acquire()
        except filelock.Timeout:
            return False
        return True

    def _try(self) -> bool:
        import fcntl

        while True:
            descriptor = open_regular(self._path, os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Another process may have removed the file and locked a new one between the two calls.
                if self._is_at_its_path(descriptor):
                    self._descriptor, descriptor = descriptor, -1
                    return True
            except BlockingIOError:
                return False
            finally:
                if descriptor != -1:
                    os.close(descriptor)

    def _is_at_its_path(self, descriptor: int) -> bool:
        mine = os.fstat(descriptor)
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return False
        return (mine.st_dev, mine.st_ino) == (found.st_dev, found.st_ino)

    def release(self) -> None:
        """Release the lock, also for those who inherited it; do nothing if it is not held."""
        if self._other is not None:
            self._other.release()
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            import fcntl

            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)
