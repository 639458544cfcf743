"""Incremental snapshots as files (``.pages.gz``): write one, read its head, verify it, apply it to an image.

The file is built like that of a full snapshot (see ``members``), so any gzip tool reads it. Its head has a ``Delta``,
and in place of the image it holds::

    the numbers of its pages, u32 little-endian each, from 1, strictly increasing · the pages, in that order

The size and the fingerprint in its tail are those of these bytes. The head tells how many there must be, before any of
them is expanded. The fingerprint of the resulting image can be verified only with the parent's image, so whoever
applies a chain of incrementals compares it at the end.

Operating system errors pass as OSError; whatever is wrong with the content is SnapshotDamaged.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, starmap
from operator import lt
from pathlib import Path
from typing import BinaryIO

from ..files import open_to_read
from ..models import Health
from ..progress import Watch
from . import members
from .fingerprint import BLOCK
from .framing import Cursor, cursor_at_last_label
from .full import write_full
from .members import Delta, Expectation, Head, Tail, no_health
from .pipeline import batches

__all__ = ["Delta", "apply_pages", "payload_size", "read_delta", "spool_pages", "verify_pages", "write_pages"]

_BUFFER = 16 * BLOCK
_NUMBER_SIZE = 4
PageSink = Callable[[int, bytes], object]
"""Called with the number of a page, from 1, and its content."""


def payload_size(delta: Delta) -> int:
    """Return the size of an incremental snapshot's page numbers and pages, uncompressed, in bytes."""
    return delta.pages * (_NUMBER_SIZE + delta.page_size)


def write_pages(
    target: Path,
    head: Head,
    numbers: Sequence[int],
    contents: Iterable[bytes],
    rows: Mapping[str, int],
    watch: Watch,
    *,
    health: Callable[[], Health | None] = no_health,
) -> Tail:
    """Write an incremental to a new file (mode 0600, synced) and return its tail. On any error no file is left.

    ``numbers`` are those of the changed pages, from 1, strictly increasing, and ``contents`` their bytes, in the same
    order. The bytes count as progress of the watch's current phase, ``payload_size`` in all. Raises what the contents
    and the watch raise, ValueError if head, numbers and contents do not fit each other, FileExistsError if the target
    exists, and OSError.
    """
    delta = head.delta
    if delta is None:
        raise ValueError("the head of an incremental snapshot has a delta")
    if len(numbers) != delta.pages or not _ordered(numbers, 0, delta.page_count):
        raise ValueError(f"{delta.pages} numbers from 1 to {delta.page_count} are needed, strictly increasing")
    return write_full(target, _payload(delta, numbers, contents), head, rows, watch, health=health)


def read_delta(path: Path) -> tuple[Head, Delta]:
    """Return the head and its delta, reading only the first member. Raises SnapshotDamaged, OSError."""
    with open_to_read(path) as file:
        cursor = Cursor(file, path)
        head, _ = members.read_head(cursor)
        return head, _require_delta(cursor, head.delta, None)


def verify_pages(path: Path, *, delta: Delta | None, watch: Watch) -> Tail:
    """Verify that the file holds the pages that it records, and those of the expected ``delta``; return its tail.

    The delta is compared with the head, and the size that follows from it with the tail, before anything is expanded.
    Reads from the disk rather than from memory if the platform allows it. The watch's phase is ``check``, in bytes of
    the numbers and pages. Raises SnapshotDamaged, OSError, and what the watch raises.
    """
    with open_to_read(path, _BUFFER) as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return _read(file, path, "check", delta, lambda number, page: None, watch)[1]


def apply_pages(path: Path, image: Path, *, delta: Delta | None, watch: Watch) -> Delta:
    """Turn the parent's image into that of this snapshot, in place, and return the delta that was applied.

    The whole file is verified like ``verify_pages`` before the first byte of the image is changed. ``image`` is a
    private file that the caller removes on any error. It is not synced, and only its fingerprint afterwards tells
    whether it was the right parent. The watch's second phase is ``apply``. Raises like ``verify_pages``.
    """
    verify_pages(path, delta=delta, watch=watch)
    with open_to_read(path, _BUFFER) as file, image.open("r+b", buffering=_BUFFER) as target:
        found, _ = _read(file, path, "apply", delta, _page_writer(target, watch), watch)
        target.truncate(found.size)
    return found


def spool_pages(path: Path, spooled: BinaryIO, offsets: dict[int, int], *, watch: Watch) -> Delta:
    """Append the pages of an incremental to ``spooled`` and set their ``offsets`` there, by page number.

    The file is verified while it is read, so after an error neither may be used. Raises like ``verify_pages``.
    """
    offset = spooled.seek(0, 2)

    def keep(number: int, page: bytes) -> None:
        nonlocal offset
        spooled.write(page)
        watch.wrote(len(page))
        offsets[number] = offset
        offset += len(page)

    with open_to_read(path, _BUFFER) as file:
        return _read(file, path, "gather", None, keep, watch)[0]


def _page_writer(target: BinaryIO, watch: Watch) -> Callable[[int, bytes], None]:
    after = 1

    def write(number: int, page: bytes) -> None:
        nonlocal after
        if number != after:  # a needless seek would flush the buffer
            target.seek((number - 1) * len(page))
        target.write(page)
        watch.wrote(len(page))
        after = number + 1

    return write


def _payload(delta: Delta, numbers: Sequence[int], contents: Iterable[bytes]) -> Iterator[bytes]:
    yield struct.pack(f"<{len(numbers)}I", *numbers)
    count = 0
    for batch in batches(contents):
        count += len(batch)
        if any(len(page) != delta.page_size for page in batch):
            raise ValueError(f"every page has {delta.page_size} bytes")
        yield b"".join(batch)
    if count != delta.pages:
        raise ValueError(f"{count} pages were given, {delta.pages} are announced")


def _read(
    file: BinaryIO, path: Path, phase: str, expected: Delta | None, sink: PageSink, watch: Watch
) -> tuple[Delta, Tail]:
    cursor = Cursor(file, path)
    head, seal = members.read_head(cursor)
    delta = _require_delta(cursor, head.delta, expected)
    tail = members.read_tail(cursor_at_last_label(file, path), seal, Expectation(size=payload_size(delta)))
    watch.phase(phase, tail.size)
    file.seek(0)
    splitter = _PageSplitter(delta, sink, cursor)
    members.read(file, splitter.add, Expectation(tail.fingerprint, tail.size), watch, path=path)
    return delta, tail


def _require_delta(cursor: Cursor, found: Delta | None, expected: Delta | None) -> Delta:
    """Return the delta of a head. Raises SnapshotDamaged if it has none, or not the expected one."""
    if found is None:
        raise cursor.damaged("it holds a whole image where changed pages are expected", 0)
    for name in Delta.__struct_fields__ if expected is not None else ():
        here, there = getattr(found, name), getattr(expected, name)
        if here != there:
            raise cursor.damaged(f"its {name.replace('_', ' ')} is {here} where {there} is expected", 0)
    return found


def _ordered(numbers: Sequence[int], above: int, most: int) -> bool:
    """Return True if the numbers increase strictly, are greater than ``above`` and at most ``most``."""
    if not numbers:
        return True
    return above < numbers[0] and numbers[-1] <= most and all(starmap(lt, pairwise(numbers)))


class _PageSplitter:
    """Splits the content of an incremental into pages as its blocks arrive, and passes them to the sink."""

    def __init__(self, delta: Delta, sink: PageSink, cursor: Cursor) -> None:
        self._delta = delta
        self._sink = sink
        self._cursor = cursor
        self._numbers = array("I")
        self._passed = 0
        self._rest = b""

    def add(self, block: bytes) -> None:
        data, at, size = self._rest + block, 0, self._delta.page_size
        missing = self._delta.pages - len(self._numbers)
        if missing:
            count = min(missing, len(data) // _NUMBER_SIZE)
            self._add_numbers(struct.unpack_from(f"<{count}I", data))
            at = count * _NUMBER_SIZE
        if len(self._numbers) == self._delta.pages:
            # Bytes beyond the announced ones are ignored here: the tail, which comes after them, cannot fit them.
            while self._passed < self._delta.pages and len(data) - at >= size:
                self._sink(self._numbers[self._passed], data[at : at + size])
                self._passed += 1
                at += size
        self._rest = data[at:]

    def _add_numbers(self, numbers: tuple[int, ...]) -> None:
        above, most = self._numbers[-1] if self._numbers else 0, self._delta.page_count
        if not _ordered(numbers, above, most):
            # The cursor is at the end of the head, where the numbers begin.
            raise self._cursor.damaged(f"its page numbers do not increase from one to the next between 1 and {most}")
        self._numbers.extend(numbers)
