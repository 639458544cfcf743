"""Writing a new content into a database's own file, where it cannot be replaced: a mount point, or a full disk.

The file is not a database while it is being written: the first bytes are a mark that SQLite refuses, and the real
header is written last, after everything else is on the disk. So a crash never leaves a mixture that opens, and whoever
comes next knows by the mark that the writing has to be done again. All of SQLite's locks are held meanwhile.

Worker only: it opens and closes the database's file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ....archive.fingerprint import BLOCK
from ....errors import DatabaseBusy, NotEnoughSpace
from ....files import free_space, write_at
from ....progress import Watch

__all__ = ["is_marked", "write_through"]

_MARK = b"Savepoint is writing this file. If it stays so, start the bot: it finishes that.\0".ljust(100, b"\0")
_LOCKED = (0x40000000, 512)
_MODE_BYTES = slice(18, 20)


def is_marked(path: Path) -> bool:
    """Return True if the writing of this file was interrupted."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MARK)) == _MARK
    except FileNotFoundError:
        return False


def write_through(content: Path, target: Path, watch: Watch, *, wal: bool | None = None) -> None:
    """Replace the content of the file ``target`` durably; it is not atomic, see the module.

    ``wal`` sets the journal mode in the header; None keeps the content's. Raises DatabaseBusy if somebody holds one of
    SQLite's locks, NotEnoughSpace before anything is changed, and OSError in the middle.
    """
    size = content.stat().st_size
    missing = size - target.stat().st_size
    if missing > 0 and missing > free_space(target):
        raise NotEnoughSpace(
            f"There is no room for the restored database on the disk of {target.name}: {missing:,} bytes are missing.",
            free=free_space(target),
            needed=missing,
            minimum=0,
        )
    watch.phase("write", size)
    with content.open("rb") as source, _locked(target) as descriptor:
        first = bytearray(source.read(BLOCK))
        if wal is not None:
            first[_MODE_BYTES] = b"\2\2" if wal else b"\1\1"
        write_at(descriptor, _MARK, 0)
        os.fsync(descriptor)
        offset = len(first)
        write_at(descriptor, bytes(first[len(_MARK) :]), len(_MARK))
        while block := source.read(BLOCK):
            write_at(descriptor, block, offset)
            offset += len(block)
        os.ftruncate(descriptor, max(size, len(_MARK)))
        os.fsync(descriptor)
        write_at(descriptor, bytes(first[: len(_MARK)]), 0)
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    try:
        if os.name != "nt":
            import fcntl

            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCKED[1], _LOCKED[0])
            except BlockingIOError as error:
                raise DatabaseBusy(
                    f"The database {path.name} is in use, so it cannot be written over.", path=str(path)
                ) from error
        yield descriptor
    finally:
        os.close(descriptor)
