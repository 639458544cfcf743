"""Single pages of any snapshot of a chain: the newest version of a page at a point, by one seek and one inflate.

A point is a place in the chain: 0 is its full, and what each incremental changed is known by its page numbers. The
page N at point K is in the newest file up to K that holds N. Each member is checked by its own checksums as it is
expanded; where the page index knows the digest of a page, the page is compared with it. So damage is an error that
names the snapshot, and only in what is read.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import KeysView, Sequence
from pathlib import Path
from types import TracebackType

from blake3 import blake3

from ...archive import compression, framing
from ...archive.fingerprint import BLOCK
from ...archive.members import PAGE_SIZES
from ...archive.page_index import PAGE_DIGEST, PageIndex
from ...engines import ChainFile
from ...errors import SnapshotDamaged
from ...files import open_regular, read_at
from ...progress import Watch
from .kept import Kept
from .members import ArchiveMembers, damaged, naming, numbers_of, offsets_of

__all__ = ["MEMORY", "ChainPages", "ExpandedMembers", "differing_pages"]

MEMORY = 24 * 1024 * 1024
"""How many bytes of expanded members are kept."""

_NUMBER = 4
_FILES = 64


class ExpandedMembers:
    """The members that were expanded last, and the files that were read last; for all chains of a job together."""

    def __init__(self, memory: int = MEMORY) -> None:
        self._memory = memory
        self._used = 0
        self._blocks: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._files: OrderedDict[str, int] = OrderedDict()
        self._deflate = compression.default_deflate()

    def block(self, part: ChainFile, number: int, offsets: array[int]) -> bytes:
        """Return what a member of a chain file holds; raise SnapshotDamaged or OSError."""
        key = part.snapshot, number
        found = self._blocks.get(key)
        if found is not None:
            self._blocks.move_to_end(key)
            return found
        with naming(part):
            block = framing.unpack_member(self.stored(part, number, offsets), self._deflate)
        self._blocks[key] = block
        self._used += len(block)
        while self._used > self._memory and len(self._blocks) > 1:
            self._used -= len(self._blocks.popitem(last=False)[1])
        return block

    def stored(self, part: ChainFile, number: int, offsets: array[int]) -> bytes:
        """Return a member of a chain file as it is stored, unchecked."""
        start = offsets[number]
        return read_at(self._file(part), offsets[number + 1] - start, start)

    def _file(self, part: ChainFile) -> int:
        if part.path in self._files:
            self._files.move_to_end(part.path)
            return self._files[part.path]
        try:
            descriptor = open_regular(Path(part.path))
        except FileNotFoundError:
            raise damaged(part, "its file is missing") from None
        self._files[part.path] = descriptor
        if len(self._files) > _FILES:
            os.close(self._files.popitem(last=False)[1])
        return descriptor

    def close(self) -> None:
        """Close the files and forget the members."""
        while self._files:
            os.close(self._files.popitem()[1])
        self._blocks.clear()
        self._used = 0

    def __enter__(self) -> ExpandedMembers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class _Part:
    """One file of a chain, with its members."""

    def __init__(self, part: ChainFile, found: ArchiveMembers) -> None:
        self.part = part
        self.delta = found.delta
        self.payload = found.payload
        self.offsets = offsets_of(found)
        self.numbers = numbers_of(found.numbers)
        self.file = f"{found.fingerprint} {found.file_size} {found.modified}"

    def place(self, number: int) -> int | None:
        """Return where a page stands among the pages of an incremental, or None if it is not there."""
        at = bisect_left(self.numbers, number)
        return at if at < len(self.numbers) and self.numbers[at] == number else None


class ChainPages:
    """The pages of every snapshot of one chain.

    ``cache`` is the folder of derived files, or None. ``digests`` is the page index if it describes one of the chain's
    snapshots. ``kept`` is asked for each page first, and told what it lacked. Raises SnapshotDamaged if the files do
    not build on each other, and OSError.
    """

    def __init__(
        self,
        chain: Sequence[ChainFile],
        expanded: ExpandedMembers,
        cache: Path | None = None,
        digests: PageIndex | None = None,
        kept: Kept | None = None,
    ) -> None:
        self.chain = tuple(chain)
        self._expanded = expanded
        self._kept = kept
        self._parts = [_Part(part, ArchiveMembers.of(part, cache)) for part in chain]
        self._later: dict[int, array[int]] = {}
        """By page the places in the chain of the incrementals that hold it, increasing."""
        for at, part in enumerate(self._parts):
            for number in part.numbers:
                self._later.setdefault(number, array("H")).append(at)
        self.page_size = self._page_size()
        self._require_fit()
        self._counts = [part.size // self.page_size for part in chain]
        self._last_start, self._last = 0, b""
        """Where in the image a member of the full begins, and the member: the next page is often there, too."""
        self._digests = digests
        self._described = next(
            (at for at, part in enumerate(chain) if digests is not None and _describes(digests, part, self.page_size)),
            None,
        )

    def page_count(self, point: int) -> int:
        """Return how many pages the image at a point has."""
        return self._counts[point]

    def page(self, number: int, point: int) -> bytes:
        """Return a page, by its number from 1, as it is at a point; raise SnapshotDamaged or OSError."""
        if not 1 <= number <= self._counts[point]:
            raise ValueError(f"there is no page {number} in an image of {self._counts[point]}")
        later = self._later.get(number)
        holder = 0 if later is None else _newest(later, point)
        if self._kept is not None:
            found = self._kept.page(self._parts[holder].file, number)
            if found is not None:
                return found
        size = self.page_size
        at = (number - 1) * size - self._last_start
        near = not holder and 0 <= at < len(self._last)
        page = self._last[at : at + size] if near else self._content(holder, number)
        if len(page) != size:
            raise self._broken(holder, f"page {number} is not in it")
        if self._described is not None and number <= self._counts[self._described]:
            self._compare(page, number, holder, later)
        if self._kept is not None:
            self._kept.keep(self._parts[holder].file, number, page)
        return page

    def holder(self, number: int, point: int) -> int:
        """Return the place in the chain of the file that holds the newest version of a page at a point."""
        later = self._later.get(number)
        return 0 if later is None else _newest(later, point)

    @property
    def in_incrementals(self) -> KeysView[int]:
        """The numbers of the pages that any incremental holds."""
        return self._later.keys()

    def file(self, holder: int) -> str:
        """Return what tells a file of the chain, and its content, from every other."""
        return self._parts[holder].file

    def numbers(self, point: int) -> array[int]:
        """Return the numbers of the pages that the incremental at a point changed, increasing."""
        return self._parts[point].numbers

    def changed(self, first: int, last: int) -> set[int]:
        """Return the numbers of all pages that can differ between two points of the chain, the earlier one first."""
        found: set[int] = set()
        for point in range(first + 1, last + 1):
            found.update(self._parts[point].numbers)
        counts = self.page_count(first), self.page_count(last)
        found.update(range(min(counts) + 1, max(counts) + 1))
        return found

    def full_differs(self, other: ChainPages, watch: Watch) -> set[int]:
        """Return the numbers of the pages in which the fulls of two chains of one page size differ, as far as both go.

        The members are compared as they are stored; only those that differ are expanded.
        """
        found: set[int] = set()
        mine, others, per_block = self._parts[0], other._parts[0], BLOCK // self.page_size
        watch.phase("compare", min(mine.payload, others.payload))
        for block in range(min(len(mine.offsets), len(others.offsets)) - 1):
            watch.advance(BLOCK)
            if self._expanded.stored(mine.part, block, mine.offsets) == other._expanded.stored(
                others.part, block, others.offsets
            ):
                continue
            here = self._expanded.block(mine.part, block, mine.offsets)
            there = other._expanded.block(others.part, block, others.offsets)
            for at in range(0, min(len(here), len(there)), self.page_size):
                if here[at : at + self.page_size] != there[at : at + self.page_size]:
                    found.add(block * per_block + at // self.page_size + 1)
        return found

    def _compare(self, page: bytes, number: int, holder: int, later: array[int] | None) -> None:
        """Compare a page with its digest, if the state that the page index describes has this version of it."""
        assert self._digests is not None
        assert self._described is not None
        if holder == (0 if later is None else _newest(later, self._described)):
            at = (number - 1) * PAGE_DIGEST
            if blake3(page).digest(PAGE_DIGEST) != self._digests.page_digests[at : at + PAGE_DIGEST]:
                raise self._broken(holder, f"page {number} is not what the page index says")

    def _content(self, holder: int, number: int) -> bytes:
        part = self._parts[holder]
        if holder == 0:
            start = (number - 1) * self.page_size
        else:
            place = part.place(number)
            assert place is not None
            start = _NUMBER * len(part.numbers) + place * self.page_size
        if start + self.page_size > part.payload:
            raise self._broken(holder, f"page {number} is not in it")
        block, at = divmod(start, BLOCK)
        whole = self._expanded.block(part.part, block, part.offsets)
        if holder == 0:
            self._last_start, self._last = block * BLOCK, whole
        content = whole[at : at + self.page_size]
        if len(content) < self.page_size:  # pages of an incremental stand behind the numbers, so they can span two
            rest = self._expanded.block(part.part, block + 1, part.offsets)
            content += rest[: self.page_size - len(content)]
        return content

    def _page_size(self) -> int:
        deltas = [part.delta for part in self._parts if part.delta is not None]
        if deltas:
            return deltas[-1].page_size
        size = int.from_bytes(self._expanded.block(self.chain[0], 0, self._parts[0].offsets)[16:18], "big")
        size = BLOCK if size == 1 else size
        if size not in PAGE_SIZES:
            raise self._broken(0, "it does not begin as a SQLite database does")
        return size

    def _require_fit(self) -> None:
        for at, part in enumerate(self._parts):
            below = self.chain[at - 1] if at else None
            delta = part.delta
            if (delta is None) != (below is None):
                raise self._broken(at, "it is not at its place in the chain")
            if delta is not None and below is not None:
                fits = delta.base == below.snapshot and delta.base_fingerprint == below.fingerprint
                if not fits or delta.page_size != self.page_size:
                    raise self._broken(at, f"it does not build on {below.snapshot}")
            if self.chain[at].size % self.page_size or not self.chain[at].size:
                raise self._broken(at, "its size is no number of pages")

    def _broken(self, point: int, detail: str) -> SnapshotDamaged:
        return damaged(self.chain[point], detail)


def _newest(later: array[int], point: int) -> int:
    """Return the last of some increasing places that is not after a point; 0, which is the full, if all are."""
    place = bisect_right(later, point)
    return later[place - 1] if place else 0


def _describes(digests: PageIndex, part: ChainFile, page_size: int) -> bool:
    return (digests.snapshot, digests.fingerprint, digests.page_size) == (part.snapshot, part.fingerprint, page_size)


def differing_pages(first: ChainPages, at: int, second: ChainPages, then: int, watch: Watch) -> set[int] | None:
    """Return the numbers of all pages that can differ between points of two chains, or None if their sizes differ.

    Of the two fulls only the members are compared that are not the same bytes: a full copies the members of an earlier
    one for what did not change.
    """
    if first.page_size != second.page_size:
        return None
    found = first.changed(0, at) | second.changed(0, then)
    if first.chain[0].snapshot != second.chain[0].snapshot:
        found |= first.full_differs(second, watch)
    counts = first.page_count(at), second.page_count(then)
    found.update(range(min(counts) + 1, max(counts) + 1))
    return found
