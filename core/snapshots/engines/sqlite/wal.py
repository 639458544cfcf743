"""Find the frames of a write-ahead log that make up the state a read transaction sees, without reading through SQLite.

Sources: https://www.sqlite.org/fileformat2.html (4, the write-ahead log) and https://www.sqlite.org/walformat.html (the
WAL-index in ``-shm``). All numbers in the log are big-endian, in the index native.

**Which state.** A reader sees the first ``mxFrame`` frames, as given by the index header when its transaction began.
``pinned`` reads the header, begins the transaction, and reads the header again. If it did not change (including its two
copies and its change counter), it is the transaction's header. Otherwise ``pinned`` tries again.

**Why the files do not change.** During the transaction, a checkpoint copies no frame beyond ``mxFrame`` into the
database, and none at all if the reader holds read mark 0 (all frames had been copied when it began). So a page that is
in none of the first ``mxFrame`` frames has the right content in the database file, and any other page has it in the
last frame that holds it. The log can be restarted under a reader only if the reader holds mark 0, that is, if
``nBackfill`` was equal to ``mxFrame`` when it began. ``nBackfill`` never shrinks while the log continues, and is reset
to 0 only after the header has the salts of the next log (``walRestartHdr`` in SQLite's wal.c). ``pinned`` reads it
after the transaction began and before it reads the header again. Hence, if the header did not change:

- If it is less than ``mxFrame``, the reader holds a read mark in the log, whose frames cannot be overwritten.
- If it is not less, the database file alone holds the state, and the log is not read.

It must not be read later, when somebody may have committed again: a checkpoint passes over each page of which the log
has a frame beyond ``mxFrame``, and sets ``nBackfill`` to ``mxFrame`` all the same (``walCheckpoint``). The file then
has an older content of that page than the state.

**Consistency.** The log is used only if it agrees with the index: its salts, the salts of every frame, a commit with
the index's page count in the last frame, and the running checksum of that frame, which the index repeats. The index
names committed frames only, and the checksum covers all frames before, in either byte order. So uncommitted or
left-over frames cannot be mistaken for content. Any disagreement is ``NotRecognised``, and the database is read through
SQLite.
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
    """The log or its index is not as expected. The database may be sound; it is read through SQLite instead."""


class LogState(msgspec.Struct, frozen=True):
    """The state that the WAL-index describes: ``frames`` committed frames, a database of ``pages`` pages.

    ``checksum`` is that of the last frame, ``salts`` are those of the log. ``header`` is the whole header of the index:
    while it stays the same, nobody has committed. ``backfilled`` is True of a state that a transaction holds still if
    the database file alone holds it.
    """

    header: bytes
    frames: int
    pages: int
    page_size: int
    salts: bytes
    checksum: tuple[int, int]
    backfilled: bool = False


class Overlay:
    """The offset in the log of the newest content of each page, by page number."""

    def __init__(self, offsets: Mapping[int, int]) -> None:
        self.offsets = offsets
        self._numbers = sorted(offsets)

    def between(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield the number and the offset of each of its pages from ``first`` to ``last``."""
        numbers = self._numbers
        for at in range(bisect_left(numbers, first), bisect_right(numbers, last)):
            yield numbers[at], self.offsets[numbers[at]]


def read_index_header(index: int) -> LogState:
    """Return the state in the header of a WAL-index, by its descriptor. Raises NotRecognised if the copies differ."""
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
    """Hold a read transaction for the ``with`` block and yield the state it sees. Raises NotRecognised.

    That happens if the database changed during each of many attempts to begin.
    """
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(NotRecognised):  # the header is being written: try again
            before = read_index_header(index)
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            copied = _frames_copied(index)
            if read_index_header(index).header == before.header:
                break
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    else:
        raise NotRecognised("the database changed whenever a transaction began")
    try:
        yield msgspec.structs.replace(before, backfilled=copied >= before.frames)
    finally:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def _frames_copied(index: int) -> int:
    """Return how many frames the WAL-index says are copied into the database (``nBackfill``)."""
    raw = read_at(index, _BACKFILL.size, 2 * INDEX_HEADER.size)
    if len(raw) < _BACKFILL.size:
        raise NotRecognised("the WAL-index was cut off")
    return int(_BACKFILL.unpack(raw)[0])


def read_overlay(log: int, state: LogState, *, first: int = 1) -> Overlay:
    """Return the pages in the frames from number ``first`` (from 1) to the last committed one.

    Uses the headers of the frames only, in one pass. Raises NotRecognised if the log and the index disagree.
    """
    if first == 1 and state.backfilled:
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
    """Return the offset of a frame in the log, in bytes. The first frame is number 1."""
    return _LOG_HEADER.size + (number - 1) * (_FRAME.size + page_size)


def frame_checksum(log: int, number: int, state: LogState) -> tuple[int, int]:
    """Return the running checksum that a frame records. Raises NotRecognised if the frame is of another log."""
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
    """Yield the number and the header of each frame, reading the log a piece at a time."""
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
