"""Which frames of a write-ahead log make up the state that a read transaction sees, without asking SQLite for a page.

Sources: https://www.sqlite.org/fileformat2.html (4, the write-ahead log) and https://www.sqlite.org/walformat.html (the
WAL-index in ``-shm``). All numbers in the log are big-endian, in the index native.

**Which state.** A reader sees the first ``mxFrame`` frames of the index header that stood when its transaction began.
``pinned`` reads the header, begins the transaction, and reads the header again: if it did not change (its two copies
and the counter of changes included), that header is the transaction's. Otherwise it begins again.

**Why the files hold still.** While the transaction lasts, a checkpoint copies no frame beyond ``mxFrame`` into the
database, and where the reader holds read mark 0 (all frames were copied when it began) none at all. So a page that
none of the first ``mxFrame`` frames holds has, in the database file, the content that the transaction sees; a page
that some frame holds is taken from the last such frame. The log can be started over under a reader only if that
reader holds mark 0, that is, if ``nBackfill`` equalled ``mxFrame`` when it began; ``nBackfill`` never shrinks while
the log goes on, and is set back to 0 only after the header got the next log's salts (``walRestartHdr`` in SQLite's
wal.c). So where it is smaller than ``mxFrame`` and the header, read after it, has the salts of before, the frames
cannot be overwritten; where it is not smaller, the database file alone holds the state and the log is not looked at;
other salts are not recognised.

**Tied together.** The log is believed only where it agrees with the index: its salts, the salt of every frame, a commit
of the index's page count in the last frame, and that frame's running checksum, which the index repeats. Since the index
names committed frames only, and that checksum runs over all frames before, nothing uncommitted or left over can be
taken for content, in either byte order of the checksum. Whatever disagrees is ``NotRecognised``, and the slow way is
taken.
"""

from __future__ import annotations

import contextlib
import sqlite3
import struct
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping

import msgspec

from ...files import read_at

__all__ = ["LogState", "NotRecognised", "Overlay", "pinned", "read_index_header", "read_overlay"]

INDEX_HEADER = struct.Struct("=I4xIBBHII8s8s8s")
"""Version, change counter, initialised, byte order, page size, mxFrame, nPage, aFrameCksum, aSalt, aCksum."""
_BACKFILL = struct.Struct("=I")
_LOG_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">II8sII")
_VERSION = 3007000
_MAGIC = (0x377F0682, 0x377F0683)
_BATCH_BYTES = 1 << 20
_ATTEMPTS = 50


class NotRecognised(Exception):
    """The log or its index is not what was expected. Says nothing against the database; the slow way reads it."""


class LogState(msgspec.Struct, frozen=True):
    """What the WAL-index says: ``frames`` committed ones, ``pages`` in the database, ``checksum`` of the last frame.

    ``header`` is the whole header: as long as it stays the same, nobody committed.
    """

    header: bytes
    frames: int
    pages: int
    page_size: int
    salts: bytes
    checksum: tuple[int, int]


class Overlay:
    """Where in the log the newest content of each page begins, in bytes."""

    def __init__(self, offsets: Mapping[int, int]) -> None:
        """Take the places by page number."""
        self.offsets = offsets
        self._numbers = sorted(offsets)

    def between(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Give number and place of each of its pages from ``first`` to ``last``."""
        numbers = self._numbers
        for at in range(bisect_left(numbers, first), bisect_right(numbers, last)):
            yield numbers[at], self.offsets[numbers[at]]


def read_index_header(index: int) -> LogState:
    """Read the header of the WAL-index behind a descriptor; raise NotRecognised where its two copies differ."""
    both = read_at(index, 2 * INDEX_HEADER.size, 0)
    header = both[: INDEX_HEADER.size]
    if len(both) < 2 * INDEX_HEADER.size or both[INDEX_HEADER.size :] != header:
        raise NotRecognised("the two copies of the WAL-index header differ")
    version, _change, initialised, _order, size, frames, pages, checksum, salts, _own = INDEX_HEADER.unpack(header)
    if version != _VERSION or not initialised:
        raise NotRecognised(f"the WAL-index has version {version}")
    page_size = 65536 if size == 1 else size
    numbers = struct.unpack("=II", checksum)
    return LogState(header, frames, pages, page_size, salts, (numbers[0], numbers[1]))


@contextlib.contextmanager
def pinned(connection: sqlite3.Connection, index: int) -> Iterator[LogState]:
    """Hold a read transaction and give the state that it sees; raise NotRecognised where writers are too quick."""
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(NotRecognised):  # a header that is being written: look again
            before = read_index_header(index)
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if read_index_header(index).header == before.header:
                break
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    else:
        raise NotRecognised("the database changed each time a transaction began")
    try:
        yield before
    finally:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def is_backfilled(index: int, state: LogState) -> bool:
    """Whether the database file alone holds the state; ask inside the transaction only.

    A transaction that began when all was backfilled keeps nobody from starting the log over, which sets the number
    back after it wrote a header with new salts. So the number counts only if the salts, read after it, are the same;
    then one that is too small says that the transaction holds a mark in the log, and nobody starts that over. Raises
    NotRecognised where they are not.
    """
    raw = read_at(index, _BACKFILL.size, 2 * INDEX_HEADER.size)
    if read_index_header(index).salts != state.salts:
        raise NotRecognised("the log was started over since the transaction began")
    return len(raw) == _BACKFILL.size and int(_BACKFILL.unpack(raw)[0]) >= state.frames


def read_overlay(log: int, index: int, state: LogState, *, first: int = 1) -> Overlay:
    """Give the pages in the frames from number ``first`` (1 is the log's first) to the last committed one.

    Reads the frames' headers only, in one pass, and no more than those. Raises NotRecognised where log and index do not
    agree.
    """
    if first == 1 and is_backfilled(index, state):
        return Overlay({})
    _check_log_header(log, state)
    offsets: dict[int, int] = {}
    last = None
    for number, (page, size, salts, one, two) in _frames(log, state, first):
        if salts != state.salts or not page:
            raise NotRecognised(f"frame {number} of the log does not belong to it")
        offsets[page] = frame_offset(number, state.page_size) + _FRAME.size
        last = (size, (one, two))
    if last is not None and last != (state.pages, state.checksum):
        raise NotRecognised("the last frame of the log is not the commit that the WAL-index names")
    return Overlay(offsets)


def frame_offset(number: int, page_size: int) -> int:
    """Give where a frame begins in the log, in bytes; the first frame is number 1."""
    return _LOG_HEADER.size + (number - 1) * (_FRAME.size + page_size)


def frame_checksum(log: int, number: int, state: LogState) -> tuple[int, int]:
    """Give the running checksum of one frame, as it stands in the log; raise NotRecognised for another log's frame."""
    raw = read_at(log, _FRAME.size, frame_offset(number, state.page_size))
    if len(raw) < _FRAME.size:
        raise NotRecognised("the log is shorter than the WAL-index says")
    _page, _size, salts, one, two = _FRAME.unpack(raw)
    if salts != state.salts:
        raise NotRecognised(f"frame {number} of the log does not belong to it")
    return one, two


def _check_log_header(log: int, state: LogState) -> None:
    raw = read_at(log, _LOG_HEADER.size, 0)
    if len(raw) < _LOG_HEADER.size:
        raise NotRecognised("the log has no header")
    magic, version, page_size, *_ = _LOG_HEADER.unpack(raw)
    if magic not in _MAGIC or version != _VERSION or page_size != state.page_size or raw[16:24] != state.salts:
        raise NotRecognised("the log's header is not the one that the WAL-index knows")


def _frames(log: int, state: LogState, first: int) -> Iterator[tuple[int, tuple[int, int, bytes, int, int]]]:
    """Give number and header of each frame, reading the log a piece at a time."""
    stride = _FRAME.size + state.page_size
    batch = max(1, _BATCH_BYTES // stride)
    for start in range(first, state.frames + 1, batch):
        count = min(batch, state.frames + 1 - start)
        raw = read_at(log, count * stride, frame_offset(start, state.page_size))
        if len(raw) < count * stride:
            raise NotRecognised("the log is shorter than the WAL-index says")
        for number in range(count):
            yield start + number, _FRAME.unpack_from(raw, number * stride)


assert INDEX_HEADER.size == 48, sys.byteorder
