"""Find the pages that changed since a snapshot, by the page index of that snapshot.

The index holds digests of a snapshot's image: the BLAKE3 of each block of 64 KiB, which are the leaves of the
fingerprint, and the first 16 bytes of the BLAKE3 of each page. A block with the same digest has not changed; only in
the others the pages are compared one by one. The hash is cryptographic because players can choose the content of the
pages: a changed page with the old digest would be missing from the snapshot.

Hashing 1 GB on one core takes 0.2 s in blocks and 0.6 s in pages of 4 KiB. So comparing a whole image takes a quarter
of the time that building its index takes. The index is kept in ``.work/``; losing it costs one full snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from blake3 import blake3

from . import cache_file
from .fingerprint import BLOCK, DIGEST, BlockHash, of_digests
from .members import PAGE_SIZES
from .pipeline import BATCH, in_order

__all__ = [
    "Difference",
    "IndexBuilder",
    "IndexMismatch",
    "LogPosition",
    "PageIndex",
    "PageSink",
    "UnexplainedChange",
]

PAGE_DIGEST = 16
"""The size of a page's digest in bytes."""

_MAGIC = b"savepoint/pages/1\n"
_EightBytes = Annotated[bytes, msgspec.Meta(min_length=8, max_length=8)]
PageSink = Callable[[int, bytes], object]
"""Called with the number of a page, from 1, and its content."""
ReadImage = Callable[[int, int], bytes]
"""Returns bytes of an image, given the number of the block to start at, from 0, and a length. Called in threads."""


class IndexMismatch(Exception):
    """The image does not fit the index and the named pages. It may be sound, but a full snapshot is needed."""


class UnexplainedChange(IndexMismatch):
    """A page changed although the log names every page that was written: the disk changed it, or another program."""

    def __init__(self, page: int) -> None:
        super().__init__(f"page {page} changed and nothing had written it")
        self.page = page


class LogPosition(msgspec.Struct, frozen=True, kw_only=True):
    """Where a state ends in the write-ahead log: after ``frames`` frames with these salts and this checksum."""

    salts: _EightBytes
    frames: Annotated[int, msgspec.Meta(ge=0)]
    checksum: _EightBytes


class PageIndex(msgspec.Struct, frozen=True, kw_only=True):
    """The digests of a snapshot's image, and its position in the write-ahead log (None if unknown, or without a log).

    Raises ValueError if the number of digests is wrong, or if they do not give the fingerprint.
    """

    snapshot: str
    fingerprint: str
    page_size: int
    page_count: int
    block_digests: bytes
    page_digests: bytes
    log: LogPosition | None = None

    def __post_init__(self) -> None:
        if self.page_size not in PAGE_SIZES or self.page_count < 1:
            raise ValueError(f"no image has {self.page_count} pages of {self.page_size} bytes")
        if len(self.page_digests) != PAGE_DIGEST * self.page_count:
            raise ValueError(f"{len(self.page_digests)} bytes of digests do not describe {self.page_count} pages")
        if of_digests(self.block_digests, self.size) != self.fingerprint:
            raise ValueError("the blocks' digests do not give the fingerprint")

    @property
    def size(self) -> int:
        """The image's size in bytes."""
        return self.page_size * self.page_count

    @classmethod
    def load(cls, path: Path) -> PageIndex | None:
        """Return the index saved at ``path``, or None if it cannot be read, is damaged or has another format."""
        return cache_file.load(path, _MAGIC, cls)

    def save(self, path: Path) -> None:
        """Save the index at ``path``, replacing the one there; see ``cache_file.save``. Raises OSError."""
        cache_file.save(path, _MAGIC, self)

    def compare_candidates(
        self,
        candidates: Collection[int],
        page_count: int,
        read: ReadImage,
        sink: PageSink,
        *,
        snapshot: str,
        log: LogPosition | None,
    ) -> Difference:
        """Find the changed pages of an image of ``page_count`` pages, looking at the ``candidates`` and new pages only.

        ``read`` returns parts of the new image. Only blocks that hold a candidate are read, and all from the end of the
        shorter image on; the caller knows that the others did not change. ``sink`` gets the number, from 1, and
        the content of each page that differs, in order. Raises IndexMismatch if another page of a block changed or the
        length of a block is wrong, ValueError if a number is less than 1, and what the callbacks raise.
        """
        if page_count < 1 or min(candidates, default=1) < 1:
            raise ValueError("pages are numbered from 1, and an image has at least one")
        per_block = BLOCK // self.page_size
        touched = {(number - 1) // per_block for number in candidates if number <= page_count}
        if page_count != self.page_count:
            touched.update(range(min(page_count, self.page_count) // per_block, -(-page_count // per_block)))
        draft, named = _Draft(self), frozenset(candidates)
        for _, changed in self._changed_blocks(sorted(touched), page_count, read):
            for block in changed:
                for number, _ in block.changed:
                    if number <= self.page_count and number not in named:
                        raise UnexplainedChange(number)
                draft.replace(block, sink)
        return draft.finish(page_count * self.page_size, snapshot, log)

    def compare_all(
        self,
        page_count: int,
        read: ReadImage,
        sink: PageSink,
        *,
        snapshot: str,
        log: LogPosition | None,
        progress: Callable[[int], object] = bool,
    ) -> Difference:
        """Find the changed pages of an image of ``page_count`` pages by comparing all of it.

        ``read`` and ``sink`` are as in ``compare_candidates``. ``progress`` is called with the number of bytes compared
        since its last call. Raises IndexMismatch if the index contradicts itself or the length of a block is wrong,
        ValueError if there are no pages, and what the callbacks raise.
        """
        if page_count < 1:
            raise ValueError("an image has at least one page")
        draft, size = _Draft(self), page_count * self.page_size
        for length, changed in self._changed_blocks(range(-(-size // BLOCK)), page_count, read):
            progress(length)
            for block in changed:
                draft.replace(block, sink)
        return draft.finish(size, snapshot, log)

    def _changed_blocks(
        self, numbers: Iterable[int], page_count: int, read: ReadImage
    ) -> Generator[tuple[int, list[_Changed]], None, None]:
        """Read and compare blocks in two threads; yield the number of bytes compared and the blocks that changed."""
        size = page_count * self.page_size

        def compare(run: tuple[int, int]) -> tuple[int, list[_Changed]]:
            first, count = run
            wanted = min(count * BLOCK, size - first * BLOCK)
            content = memoryview(read(first, wanted))
            if len(content) != wanted:
                raise IndexMismatch(f"{len(content)} bytes were read from block {first} on, and {wanted} requested")
            compared = (self._compare(first + at, content[at * BLOCK : (at + 1) * BLOCK]) for at in range(count))
            return wanted, [block for block in compared if block is not None]

        with closing(in_order(compare, _runs(numbers))) as compared_runs:
            yield from compared_runs

    def _compare(self, number: int, block: memoryview) -> _Changed | None:
        digest, at = blake3(block).digest(), number * DIGEST
        if digest == self.block_digests[at : at + DIGEST]:
            return None
        pages, size, before = _page_digests(block, self.page_size), self.page_size, number * BLOCK // self.page_size
        known = self.page_digests[before * PAGE_DIGEST : (before + BLOCK // size) * PAGE_DIGEST]
        changed = [
            (before + at // PAGE_DIGEST + 1, bytes(block[at // PAGE_DIGEST * size :][:size]))
            for at in range(0, len(pages), PAGE_DIGEST)
            if pages[at : at + PAGE_DIGEST] != known[at : at + PAGE_DIGEST]
        ]
        if not changed and len(pages) == len(known):
            raise IndexMismatch(f"block {number} changed and none of its pages did")
        return _Changed(number, digest, pages, changed)


class Difference(msgspec.Struct, frozen=True):
    """The index of the new image, and the numbers of the pages that changed, from 1, increasing."""

    index: PageIndex
    pages: list[int]


class IndexBuilder:
    """Builds the index of an image from its blocks, while they are written to an archive."""

    def __init__(self, page_size: int) -> None:
        self._page_size = page_size
        self._blocks, self._pages, self._length = bytearray(), bytearray(), 0

    def add(self, block: bytes) -> None:
        """Add the next block (64 KiB, only the last may be shorter; whole pages). Raises ValueError for any other."""
        self.add_hashed(self.hash_block(block))

    def hash_block(self, block: bytes) -> BlockHash:
        """Return the hash of a block of whole pages and of each page in it. Safe to call in any thread."""
        return BlockHash(blake3(block).digest(), len(block), _page_digests(block, self._page_size))

    def add_hashed(self, block: BlockHash) -> None:
        """Add the next block, hashed elsewhere. Raises like ``add``."""
        if not 0 < block.length <= BLOCK or self._length % BLOCK or block.length % self._page_size:
            raise ValueError(f"a block of {block.length} bytes at byte {self._length}: only the last one is shorter")
        self._blocks += block.digest
        self._pages += block.pages
        self._length += block.length

    def index(self, snapshot: str, log: LogPosition | None) -> PageIndex:
        """Return the index of the blocks added so far, as that of a snapshot. Raises ValueError if there are none."""
        return _index(self._blocks, self._pages, self._page_size, self._length, snapshot, log)


class _Changed(NamedTuple):
    """A block that changed: its digest, the digests of all its ``pages``, and the number and content of the changed."""

    number: int
    digest: bytes
    pages: bytes
    changed: list[tuple[int, bytes]]


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield runs of consecutive numbers, each as its first number and its length, which is at most ``BATCH``."""
    first, count = 0, 0
    for number in numbers:
        if count and number == first + count and count < BATCH:
            count += 1
            continue
        if count:
            yield first, count
        first, count = number, 1
    if count:
        yield first, count


class _Draft:
    """A copy of an index that becomes another one, changed block by block, in order."""

    def __init__(self, old: PageIndex) -> None:
        self._page_size = old.page_size
        self._blocks, self._pages = bytearray(old.block_digests), bytearray(old.page_digests)
        self._changed = list[int]()

    def replace(self, block: _Changed, sink: PageSink) -> None:
        at = block.number * DIGEST
        self._blocks[at : at + DIGEST] = block.digest
        at = block.number * (BLOCK // self._page_size) * PAGE_DIGEST
        self._pages[at : at + len(block.pages)] = block.pages
        for number, page in block.changed:
            sink(number, page)
            self._changed.append(number)

    def finish(self, size: int, snapshot: str, log: LogPosition | None) -> Difference:
        index = _index(self._blocks, self._pages, self._page_size, size, snapshot, log)
        return Difference(index, self._changed)


def _index(
    blocks: bytearray, pages: bytearray, page_size: int, size: int, snapshot: str, log: LogPosition | None
) -> PageIndex:
    block_digests = bytes(blocks[: DIGEST * -(-size // BLOCK)])
    return PageIndex(
        snapshot=snapshot,
        fingerprint=of_digests(block_digests, size),
        page_size=page_size,
        page_count=size // page_size,
        block_digests=block_digests,
        page_digests=bytes(pages[: PAGE_DIGEST * (size // page_size)]),
        log=log,
    )


def _page_digests(block: bytes | memoryview, page_size: int) -> bytes:
    view = memoryview(block)
    starts = range(0, len(block), page_size)
    return b"".join([blake3(view[at : at + page_size]).digest(PAGE_DIGEST) for at in starts])
