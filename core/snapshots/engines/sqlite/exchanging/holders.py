"""Who has a database open: asked of /proc, and of SQLite's own locks.

Files must not be exchanged under a process that uses them: it would go on writing into the old ones. Two questions are
asked, because neither finds everybody:

- Which processes have one of the files open, by device and inode, since another container knows the same file by
  another path. A process of another user, or in another PID namespace, cannot be looked into (proc(5)).
- Which locks lie on SQLite's lock bytes (``os_unix.c``: pending, reserved and shared of the database, and the locks of
  the ``-shm`` file). ``F_GETLK`` sees those of every process on the machine. A connection in WAL mode holds SHARED for
  as long as it lives; an idle connection in rollback mode holds nothing.

So for a database in rollback mode nobody can be excluded unless every process can be looked into.

Worker only: asking for locks opens the files, and closing them drops this process's own locks.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

__all__ = ["SIDE_FILES", "Holder", "everybody_is_visible", "files_of", "holders", "is_locked"]

SIDE_FILES = ("", "-wal", "-shm", "-journal")
"""The suffixes of a database's files (https://www.sqlite.org/tempfiles.html)."""

_PROC = Path("/proc")
_LOCK_BYTES = {"": (0x40000000, 512), "-shm": (120, 9)}
"""First byte and number: pending, reserved and the shared range of the database; the eight locks and the dead man's
switch of the WAL-index."""
_FLOCK = struct.Struct("@hhqqi0q")
"""``struct flock`` of Linux (fcntl(2)): type, whence, start, length, process."""
_FIRST_PID_NAMESPACE = 0xEFFFFFFC
"""The inode of the first PID namespace (``PROC_PID_INIT_INO`` in the kernel), which all processes are in."""
_KERNEL_THREAD = 0x00200000
"""``PF_KTHREAD`` among the flags in /proc/PID/stat."""


class Holder(msgspec.Struct, frozen=True):
    """A process that has the database or one of its side files open."""

    pid: int
    name: str


def files_of(path: Path) -> tuple[Path, ...]:
    """Return the paths of a database's files, whether they exist or not."""
    return tuple(path.with_name(path.name + side) for side in SIDE_FILES)


def holders(path: Path, others: Iterable[Path] = ()) -> tuple[Holder, ...]:
    """Return the other processes that have the database open, even if its file was deleted in the meantime.

    ``others`` are more files to ask about. Finds only processes that this user may look into, and none on platforms
    without /proc.
    """
    if not (_PROC / "self" / "fd").is_dir():
        return ()
    files = (*files_of(path), *others)
    paths = {str(file) + gone for file in files for gone in ("", " (deleted)")}
    inodes = {inode for file in files if (inode := _inode(file)) is not None}
    return tuple(
        Holder(int(entry.name), _name_of(entry)) for entry in _other_processes() if _has_open(entry, paths, inodes)
    )


def is_locked(path: Path) -> bool:
    """Return True if another process holds one of SQLite's locks on the database. False where that cannot be asked."""
    return any(_has_lock(path.with_name(path.name + side), *span) for side, span in _LOCK_BYTES.items())


def everybody_is_visible() -> bool:
    """Return True if every process on this machine can be looked into, so that ``holders`` finds all."""
    try:
        if (_PROC / "self" / "ns" / "pid").stat().st_ino != _FIRST_PID_NAMESPACE:
            return False
    except OSError:
        return False
    # The first process of the machine has rights that nobody else may have, and no database.
    return all(_is_visible(entry) for entry in _other_processes() if entry.name != "1")


def _other_processes() -> list[Path]:
    return [entry for entry in _PROC.iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid()]


def _is_visible(process: Path) -> bool:
    """Return True if it can be seen which files a process has open: a list of numbers does not tell that."""
    try:
        for link in (process / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed in this moment
                link.readlink()
                return True
    except PermissionError:
        return _is_kernel_thread(process)
    except OSError:
        return True  # it has ended
    return True


def _is_kernel_thread(process: Path) -> bool:
    try:
        flags = int((process / "stat").read_text().rpartition(")")[2].split()[6])
    except (OSError, ValueError, IndexError):
        return False
    return bool(flags & _KERNEL_THREAD)


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _has_open(process: Path, paths: set[str], inodes: set[tuple[int, int]]) -> bool:
    with contextlib.suppress(OSError):  # it has ended, or belongs to another user
        for link in (process / "fd").iterdir():
            with contextlib.suppress(OSError):  # closed in this moment
                target = str(link.readlink())
                if target in paths or (target.startswith("/") and _inode(link) in inodes):
                    return True
    return False


def _name_of(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "a process"


def _has_lock(path: Path, start: int, length: int) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        question = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
        return bool(_FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, question))[0] != fcntl.F_UNLCK)
    except OSError:
        return False  # a file system without locks: SQLite cannot lock there either
    finally:
        os.close(descriptor)
