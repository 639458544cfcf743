"""Incremental snapshots as files (``.pages.gz``): write one, look into it, prove it, apply it to its base.

The file is built like a full one (see ``members``), so that any gzip tool reads it. Its head carries a ``Delta``, and
in place of the image it holds::

    the numbers of its pages, u32 little-endian each, from 1, strictly increasing · the pages, in that order

The size and the fingerprint in its tail are those of these bytes, and the head says how many there must be before any
of them is expanded. The fingerprint of the image that results can be proven only with the base at hand: whoever
applies a chain of these compares it at the end.

All of it blocks, and belongs in the worker. Operating system errors pass as OSError; whatever is wrong with the
content is SnapshotDamaged.
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

from ..progress import Watch
from . import members
from .fingerprint import BLOCK
from .framing import Cursor, cursor_at_last_label
from .full import write_full
from .members import Delta, Expectation, Head, Tail
from .pipeline import batches

__all__ = ["Delta", "apply_pages", "payload_size", "read_delta", "spool_pages", "verify_pages", "write_pages"]

_BUFFER = 16 * BLOCK
_NUMBER = 4
Sink = Callable[[int, bytes], object]


def payload_size(delta: Delta) -> int:
    """Give how many bytes the numbers and the pages of an incremental snapshot take, uncompressed."""
    return delta.pages * (_NUMBER + delta.page_size)


def write_pages(
    target: Path, head: Head, numbers: Sequence[int], contents: Iterable[bytes], rows: Mapping[str, int], watch: Watch
) -> Tail:
    """Write an incremental snapshot to a new file (0600, synced) and give its tail; on any error no file is left.

    ``numbers`` are the changed pages, from 1, strictly increasing; ``contents`` gives their bytes in that order. The
    bytes written count into the phase that the caller began, ``payload_size`` in all. Raises what the contents and the
    watch raise, ValueError where head, numbers and contents do not fit each other, FileExistsError where the target
    is there already, and OSError.
    """
    delta = head.delta
    if delta is None:
        raise ValueError("the head of an incremental snapshot has a delta")
    if len(numbers) != delta.pages or not _ordered(numbers, 0, delta.page_count):
        raise ValueError(f"{delta.pages} numbers from 1 to {delta.page_count} are needed, strictly increasing")
    return write_full(target, _payload(delta, numbers, contents), head, rows, watch)


def read_delta(path: Path) -> tuple[Head, Delta]:
    """Give what the snapshot is and what it builds on, from the first member alone. Raises SnapshotDamaged, OSError."""
    with path.open("rb") as file:
        cursor = Cursor(file, path)
        head, _ = members.read_head(cursor)
        return head, _expected(cursor, head.delta, None)


def verify_pages(path: Path, *, delta: Delta | None, watch: Watch) -> Tail:
    """Prove that the file holds the pages it records, and the expected ones; give its tail.

    Nothing is expanded before ``delta`` was compared with the head, and the size that follows from it with the tail.
    Reads from the disk rather than from memory where the platform allows. The watch's phase is ``check``, in bytes of
    the payload. Raises SnapshotDamaged, OSError, and what the watch raises.
    """
    with path.open("rb", buffering=_BUFFER) as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return _read(file, path, "check", delta, lambda number, page: None, watch)[1]


def apply_pages(path: Path, image: Path, *, delta: Delta | None, watch: Watch) -> Delta:
    """Turn the base's image into this snapshot's, in place, and give the delta that was applied.

    The whole file is proven like ``verify_pages`` before the first byte of the image is touched. ``image`` is a private
    file that the caller throws away on any error; it is not synced, and whether it was the right base only its
    fingerprint afterwards can say. The watch's second phase is ``apply``. Raises like ``verify_pages``.
    """
    verify_pages(path, delta=delta, watch=watch)
    with path.open("rb", buffering=_BUFFER) as file, image.open("r+b", buffering=_BUFFER) as target:
        found, _ = _read(file, path, "apply", delta, _placing(target, watch), watch)
        target.truncate(found.size)
    return found


def spool_pages(path: Path, spooled: BinaryIO, places: dict[int, int], *, watch: Watch) -> Delta:
    """Append the pages of an incremental to a file; note where each begins, in place of an earlier one of its number.

    Proven like ``verify_pages``, while it is read: on any error what was noted is worth nothing. Raises like it.
    """
    at = spooled.seek(0, 2)

    def keep(number: int, page: bytes) -> None:
        nonlocal at
        spooled.write(page)
        watch.wrote(len(page))
        places[number] = at
        at += len(page)

    with path.open("rb", buffering=_BUFFER) as file:
        return _read(file, path, "gather", None, keep, watch)[0]


def _placing(target: BinaryIO, watch: Watch) -> Callable[[int, bytes], None]:
    after = 1

    def place(number: int, page: bytes) -> None:
        nonlocal after
        if number != after:  # seeking would empty the buffer
            target.seek((number - 1) * len(page))
        target.write(page)
        watch.wrote(len(page))
        after = number + 1

    return place


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
    file: BinaryIO, path: Path, phase: str, expected: Delta | None, sink: Sink, watch: Watch
) -> tuple[Delta, Tail]:
    cursor = Cursor(file, path)
    head, seal = members.read_head(cursor)
    delta = _expected(cursor, head.delta, expected)
    tail = members.read_tail(cursor_at_last_label(file, path), seal, Expectation(size=payload_size(delta)))
    watch.phase(phase, tail.size)
    file.seek(0)
    cut = _Cut(delta, sink, cursor)
    members.read(file, cut.take, Expectation(tail.fingerprint, tail.size), watch, path=path)
    return delta, tail


def _expected(cursor: Cursor, found: Delta | None, expected: Delta | None) -> Delta:
    """Give the head's delta, which must be there and, where the caller knows it, the expected one."""
    if found is None:
        raise cursor.damaged("it holds a whole image where changed pages are expected", 0)
    for name in Delta.__struct_fields__ if expected is not None else ():
        here, there = getattr(found, name), getattr(expected, name)
        if here != there:
            raise cursor.damaged(f"its {name.replace('_', ' ')} is {here} where {there} is expected", 0)
    return found


def _ordered(numbers: Sequence[int], above: int, most: int) -> bool:
    """Say whether the numbers increase strictly, beginning above one and ending at most at the other."""
    if not numbers:
        return True
    return above < numbers[0] and numbers[-1] <= most and all(starmap(lt, pairwise(numbers)))


class _Cut:
    """Cuts the payload into pages while it arrives, and gives each with its number to the sink."""

    def __init__(self, delta: Delta, sink: Sink, cursor: Cursor) -> None:
        self._delta = delta
        self._sink = sink
        self._cursor = cursor
        self._numbers = array("I")
        self._given = 0
        self._rest = b""

    def take(self, block: bytes) -> None:
        data, at, size = self._rest + block, 0, self._delta.page_size
        missing = self._delta.pages - len(self._numbers)
        if missing:
            count = min(missing, len(data) // _NUMBER)
            self._add(struct.unpack_from(f"<{count}I", data))
            at = count * _NUMBER
        if len(self._numbers) == self._delta.pages:
            # What is more than announced stays unlooked at: the tail, which comes after it, cannot agree with it.
            while self._given < self._delta.pages and len(data) - at >= size:
                self._sink(self._numbers[self._given], data[at : at + size])
                self._given += 1
                at += size
        self._rest = data[at:]

    def _add(self, numbers: tuple[int, ...]) -> None:
        above, most = self._numbers[-1] if self._numbers else 0, self._delta.page_count
        if not _ordered(numbers, above, most):
            # The cursor stands behind the head, where the numbers begin.
            raise self._cursor.damaged(f"its page numbers do not increase from one to the next between 1 and {most}")
        self._numbers.extend(numbers)
