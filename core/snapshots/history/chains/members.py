"""Where the members of an archive are, and which pages they hold: found without expanding them, and remembered.

Each block member records its own size, so that the members of a GB are found in some 16,000 reads of 24 bytes. An
incremental begins with the numbers of its pages; only these are expanded. What was found is kept in a folder of
derived files, which can be lost: it is found again.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from ...archive import cache_file, compression, framing, members
from ...archive.fingerprint import BLOCK
from ...archive.framing import BLOCK_HEAD, Cursor, block_size, cursor_at_last_label
from ...archive.incremental import payload_size
from ...archive.members import Delta, Expectation
from ...engines import ChainFile
from ...errors import SnapshotDamaged
from ...files import open_to_read, read_at
from ...models import Form

__all__ = ["ArchiveMembers", "bytes_of", "damaged", "naming", "numbers_of", "offsets_of"]

_MAGIC = b"savepoint/history/1\n"
_NUMBER = 4


class ArchiveMembers(msgspec.Struct, frozen=True, kw_only=True):
    """The members of one archive.

    ``file_size`` and ``modified`` (nanoseconds) tell whether the file is still the one that was looked into.
    ``offsets`` are u64, one more than there are members: the end of the last one. ``numbers`` are the pages of an
    incremental, u32; both are little-endian. ``payload`` is how many bytes the members hold together. Raises ValueError
    if these do not fit each other.
    """

    snapshot: str
    fingerprint: str
    file_size: int
    modified: int
    offsets: bytes
    payload: int
    numbers: bytes = b""
    delta: Delta | None = None

    def __post_init__(self) -> None:
        if len(self.offsets) != 8 * (-(-self.payload // BLOCK) + 1):
            raise ValueError(f"{len(self.offsets)} bytes of offsets do not describe {self.payload} bytes")
        if self.delta is not None and len(self.numbers) != _NUMBER * self.delta.pages:
            raise ValueError(f"{len(self.numbers)} bytes of numbers do not describe {self.delta.pages} pages")

    @classmethod
    def of(cls, part: ChainFile, cache: Path | None) -> ArchiveMembers:
        """Return the members of a chain file, from the ``cache`` folder if it has them.

        Without a folder, or if it cannot be written, nothing is kept. Raises SnapshotDamaged, which names the snapshot,
        and OSError.
        """
        path = Path(part.path)
        try:
            status = path.stat()
        except FileNotFoundError:
            raise damaged(part, "its file is missing") from None
        kept = None if cache is None else cache / f"{part.snapshot}.members"
        known = None if kept is None else cache_file.load(kept, _MAGIC, cls)
        identity = (part.snapshot, part.fingerprint, status.st_size, status.st_mtime_ns)
        if known is not None and (known.snapshot, known.fingerprint, known.file_size, known.modified) == identity:
            return known
        with naming(part), open_to_read(path) as file:
            found = _found(file, path, part, status.st_mtime_ns)
        if kept is not None:
            with suppress(OSError):  # a read-only repository: found again next time
                kept.parent.mkdir(mode=0o700, exist_ok=True)
                cache_file.save(kept, _MAGIC, found)
        return found


@contextmanager
def naming(part: ChainFile) -> Iterator[None]:
    """Make a SnapshotDamaged inside name the snapshot of this chain file."""
    try:
        yield
    except SnapshotDamaged as error:
        if error.data.get("snapshot_id") is not None:
            raise
        raise damaged(part, str(error.data.get("detail") or error)) from error


def damaged(part: ChainFile, detail: str) -> SnapshotDamaged:
    """Return the error that names the snapshot of a chain file and says what is wrong with it."""
    return SnapshotDamaged(
        f"Snapshot {part.snapshot} is damaged, so its past cannot be read: {detail} ({Path(part.path).name}). Verify "
        "it, and look at another point.",
        snapshot_id=part.snapshot,
        path=part.path,
        detail=detail,
    )


def _found(file: BinaryIO, path: Path, part: ChainFile, modified: int) -> ArchiveMembers:
    """Find the members of an archive that must be the one that the catalog names."""
    cursor = Cursor(file, path)
    head, seal = members.read_head(cursor)
    first = cursor.offset
    _require(cursor, head.id == part.snapshot, f"it holds the snapshot {head.id}")
    _require(cursor, (head.delta is None) == (part.form is Form.FULL), "it is of another form than the catalog says")
    ending = cursor_at_last_label(file, path)
    last = ending.offset
    if head.delta is None:
        tail = members.read_tail(ending, seal, Expectation(part.fingerprint, part.size))
    else:
        same = (head.delta.base, head.delta.fingerprint, head.delta.size) == (part.base, part.fingerprint, part.size)
        _require(cursor, same, "it holds the changes of another snapshot than the catalog says")
        tail = members.read_tail(ending, seal, Expectation(size=payload_size(head.delta)))
    offsets = _hopped(file, cursor, first, last, tail.members)
    numbers = b"" if head.delta is None else _numbers(file, cursor, offsets, head.delta)
    return ArchiveMembers(
        snapshot=part.snapshot,
        fingerprint=part.fingerprint,
        file_size=file.seek(0, 2),
        modified=modified,
        offsets=bytes_of(offsets),
        payload=tail.size,
        numbers=numbers,
        delta=head.delta,
    )


def _require(cursor: Cursor, condition: bool, detail: str) -> None:
    if not condition:
        raise cursor.damaged(detail, 0)


def _hopped(file: BinaryIO, cursor: Cursor, first: int, last: int, count: int) -> array[int]:
    """Follow the sizes from the first member to where the tail begins."""
    offsets, at, descriptor = array("Q", [first]), first, file.fileno()
    for _ in range(count):
        size = block_size(read_at(descriptor, BLOCK_HEAD, at))  # not through the buffer, which would read more
        if size is None or at + size > last:
            raise cursor.damaged("no block begins where one should", at)
        at += size
        offsets.append(at)
    if at != last:
        raise cursor.damaged("the tail does not begin where the last block ends", at)
    return offsets


def _numbers(file: BinaryIO, cursor: Cursor, offsets: array[int], delta: Delta) -> bytes:
    wanted, content, deflate = _NUMBER * delta.pages, b"", compression.default_deflate()
    for number in range(-(-wanted // BLOCK)):
        file.seek(offsets[number])
        content += framing.unpack_member(file.read(offsets[number + 1] - offsets[number]), deflate)
    numbers, above = numbers_of(content[:wanted]), 0
    for number in numbers:
        if not above < number <= delta.page_count:
            raise cursor.damaged("its page numbers do not increase from one to the next", offsets[0])
        above = number
    return content[:wanted]


def numbers_of(content: bytes) -> array[int]:
    """Return little-endian u32 numbers as an array."""
    return _array("I", content)


def offsets_of(found: ArchiveMembers) -> array[int]:
    """Return where the members of an archive begin, and where the last one ends."""
    return _array("Q", found.offsets)


def _array(code: str, content: bytes) -> array[int]:
    numbers: array[int] = array(code)
    numbers.frombytes(content)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def bytes_of(numbers: array[int]) -> bytes:
    """Return numbers as little-endian bytes: the reverse of ``numbers_of`` and ``offsets_of``."""
    copy = array(numbers.typecode, numbers)
    if sys.byteorder == "big":
        copy.byteswap()
    return copy.tobytes()
