"""Read one consistent image of a live database while the game goes on writing.

There are two ways. ``open_live`` holds the state still by a read transaction and reads the database's files itself, in
large blocks. Pages of which the write-ahead log has a newer version are taken from there (``wal`` explains why that is
the transaction's state). In rollback mode the transaction's shared lock keeps writers from touching the file, so the
file alone is the state, but writers have to wait. ``open_copy`` therefore makes a private copy first, as fast as the
disk allows, and releases the database before anything is compressed.

If the files are not recognised, ``copy_pinned`` copies through SQLite's backup API. It reads on a connection with an
open read transaction, so every step sees the same commit and a foreign write does not make the backup start over, as it
does otherwise (https://www.sqlite.org/c3ref/backup_finish.html).

Bytes 18 and 19 of the header say whether a database is in WAL mode (https://www.sqlite.org/fileformat2.html, 1.3.3).
Images are put into rollback mode, so that whoever opens one finds it complete and no ``-wal`` appears beside it.

Worker only: ``open_live`` closes its file descriptors after the connection, because closing one earlier would drop the
POSIX locks by which SQLite holds the state still (https://www.sqlite.org/howtocorrupt.html, 2.2).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Generator, Iterator
from pathlib import Path

import msgspec

from ...archive.fingerprint import BLOCK
from ...errors import DatabaseMissing
from ...files import make_private, read_at
from ...progress import Watch
from .connections import read_transaction, reading, reading_image
from .wal import LogState, NotRecognised, Overlay, pinned, read_overlay

__all__ = ["Image", "NotRecognised", "Source", "copy_pinned", "open_copy", "open_live", "read_image"]

_READ_SIZE = 4 * BLOCK
_BACKUP_STEP = 1 << 20
_MODE_BYTES = slice(18, 20)
_ROLLBACK_MODE = b"\x01\x01"
_LOCK_BYTE = 1 << 30
"""The page with this byte is SQLite's lock-byte page. It is never written, so its content has no meaning."""


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """A private copy of a database, in rollback mode. ``journal_mode`` is that of the database."""

    path: Path
    page_size: int
    page_count: int
    journal_mode: str

    @property
    def size(self) -> int:
        """The image's size in bytes."""
        return self.page_size * self.page_count


class Source(msgspec.Struct, frozen=True):
    """A database that is held still, and its image, whole or in parts.

    ``file`` and ``log`` are the descriptors of the database and its write-ahead log; the latter is -1, and ``state`` is
    None, if the database is not read through its log. ``overlay`` has the log's pages.
    """

    connection: sqlite3.Connection
    page_size: int
    page_count: int
    journal_mode: str
    state: LogState | None
    file: int
    log: int
    overlay: Overlay
    missing: int = 0
    """How many bytes the file lacks at its end, of pages that are nowhere else."""

    @property
    def size(self) -> int:
        """The image's size in bytes."""
        return self.page_size * self.page_count

    def block(self, number: int, length: int = BLOCK) -> bytes:
        """Return ``length`` bytes of the image from the beginning of a block; fewer at the end of the image.

        ``number`` counts blocks of 64 KiB from 0, ``length`` is a multiple of that. Safe to call in any thread.
        """
        start = number * BLOCK
        end = min(start + length, self.size)
        content = _pread(self.file, start, end - start)
        # No page spans two blocks, so the pages that begin in this part also end in it.
        fresh = list(self.overlay.between(start // self.page_size + 1, -(-end // self.page_size)))
        lock_byte = start <= _LOCK_BYTE < end
        return self._corrected(bytearray(content), start, fresh) if fresh or lock_byte or start == 0 else content

    def _corrected(self, content: bytearray, start: int, fresh: list[tuple[int, int]]) -> bytes:
        """Turn a part of the file into that part of the image: apply the log's pages, mask the lock-byte page."""
        for page, offset in fresh:
            newest = read_at(self.log, self.page_size, offset)
            if len(newest) < self.page_size:
                raise NotRecognised("the log ended while it was read")
            at = (page - 1) * self.page_size - start
            content[at : at + self.page_size] = newest
        if start <= _LOCK_BYTE < start + len(content):
            at = (_LOCK_BYTE // self.page_size) * self.page_size - start
            content[at : at + self.page_size] = bytes(self.page_size)
        if start == 0:
            content[_MODE_BYTES] = _ROLLBACK_MODE
        return bytes(content)

    def blocks(self, watch: Watch) -> Generator[bytes, None, None]:
        """Yield the image in blocks of 64 KiB; only the last may be shorter. Checks the watch; reports no progress."""
        per_read = _READ_SIZE // BLOCK
        for number in range(0, -(-self.size // BLOCK), per_read):
            watch.check()
            content = self.block(number, _READ_SIZE)
            for at in range(0, len(content), BLOCK):
                yield content[at : at + BLOCK]


@contextlib.contextmanager
def open_live(path: Path, busy_timeout: float, watch: Watch) -> Iterator[Source]:
    """Hold a live database still during the ``with`` block. Raises NotRecognised, and what ``reading`` raises.

    In rollback mode writers wait until the block ends.
    """
    if os.name == "nt":
        raise NotRecognised("on Windows the files that SQLite has locked cannot be read")
    with contextlib.ExitStack() as stack:
        # Entered first, so closed last, after the connection.
        descriptors = stack.enter_context(_descriptors())
        connection = stack.enter_context(reading(path, busy_timeout, watch))
        mode = _journal_mode(connection)
        file = descriptors.open(path)
        state, log, overlay = None, -1, Overlay({})
        if mode == "wal":
            index = descriptors.open(path.with_name(path.name + "-shm"))
            log = descriptors.open(path.with_name(path.name + "-wal"))
            state = stack.enter_context(pinned(connection, index))
        else:
            stack.enter_context(read_transaction(connection))
        # Somebody can have changed either before the transaction held them still.
        if _journal_mode(connection) != mode:
            raise NotRecognised("the journal mode was changed as the transaction began")
        page_size = int(connection.execute("PRAGMA page_size").fetchone()[0])
        if state is not None:
            if state.frames and state.page_size != page_size:
                raise NotRecognised("the WAL-index has another page size")
            overlay = read_overlay(log, state)
        page_count = int(connection.execute("PRAGMA page_count").fetchone()[0])
        if page_count == 0:
            raise DatabaseMissing("The database is empty: there is nothing in it yet.", path=str(path))
        missing = 0 if overlay.offsets else max(0, page_size * page_count - os.fstat(file).st_size)
        yield Source(connection, page_size, page_count, mode, state, file, log, overlay, missing)


def _journal_mode(connection: sqlite3.Connection) -> str:
    return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


@contextlib.contextmanager
def open_copy(path: Path, scratch: Path, busy_timeout: float, watch: Watch) -> Iterator[Source]:
    """Copy a live database as fast as possible, release it, and open the private copy during the ``with`` block.

    For rollback mode, where a reader blocks writers, and for databases that ``open_live`` does not recognise: these are
    copied by SQLite's backup API. Raises what ``read_image`` raises.
    """
    image = scratch / "image.db"
    try:
        with open_live(path, busy_timeout, watch) as source, image.open("xb") as target:
            watch.phase("read", source.size)
            for block in source.blocks(watch):
                target.write(block)
                watch.wrote(len(block))
                watch.advance(len(block))
            mode, missing = source.journal_mode, source.missing
    except NotRecognised:
        image.unlink(missing_ok=True)
        mode, missing = read_image(path, image, busy_timeout, watch).journal_mode, 0
    with reading_image(image, watch) as connection, _descriptors() as descriptors:
        page_size = int(connection.execute("PRAGMA page_size").fetchone()[0])
        page_count = int(connection.execute("PRAGMA page_count").fetchone()[0])
        file = descriptors.open(image)
        yield Source(connection, page_size, page_count, mode, None, file, -1, Overlay({}), missing)
    image.unlink()


def read_image(path: Path, target: Path, busy_timeout: float, watch: Watch) -> Image:
    """Copy the committed state of a live database to ``target``.

    Raises DatabaseMissing, DatabaseBusy, DatabaseDamaged, DatabaseUnavailable, or what the watch raises.
    """
    with reading(path, busy_timeout, watch) as source, read_transaction(source):
        return copy_pinned(source, target, watch)


def copy_pinned(source: sqlite3.Connection, target: Path, watch: Watch) -> Image:
    """Copy what a connection sees in its open read transaction. Raises like ``read_image``."""
    page_size = int(source.execute("PRAGMA page_size").fetchone()[0])
    page_count = int(source.execute("PRAGMA page_count").fetchone()[0])
    journal_mode = str(source.execute("PRAGMA journal_mode").fetchone()[0])
    if page_count == 0:
        raise DatabaseMissing("The database is empty: there is nothing in it yet.", path="")
    watch.phase("read", page_size * page_count)
    done = 0

    def progress(_status: int, remaining: int, total: int) -> None:
        nonlocal done
        copied = (total - remaining) * page_size
        watch.wrote(copied - done)
        watch.advance(copied - done)
        done = copied
        watch.check()

    with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
        make_private(target)
        copy.execute(f"PRAGMA page_size = {page_size}")
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        source.backup(copy, pages=max(1, _BACKUP_STEP // page_size), progress=progress, sleep=0.01)
    with target.open("r+b") as file:
        file.seek(_MODE_BYTES.start)
        file.write(_ROLLBACK_MODE)
    return Image(path=target, page_size=page_size, page_count=page_count, journal_mode=journal_mode)


class _Descriptors:
    """File descriptors that are closed together."""

    def __init__(self) -> None:
        self.opened: list[int] = []

    def open(self, path: Path) -> int:
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            raise NotRecognised(f"{path.name} cannot be opened: {error}") from error
        self.opened.append(descriptor)
        return descriptor


@contextlib.contextmanager
def _descriptors() -> Iterator[_Descriptors]:
    descriptors = _Descriptors()
    try:
        yield descriptors
    finally:
        for descriptor in descriptors.opened:
            os.close(descriptor)


def _pread(file: int, start: int, length: int) -> bytes:
    """Read a part of a file. Beyond its end it reads as zeros, as it does for SQLite."""
    content = read_at(file, length, start)
    while len(content) < length:
        more = read_at(file, length - len(content), start + len(content))
        if not more:
            return content + bytes(length - len(content))
        content += more
    return content
