"""B-tree pages as SQLite stores them (https://www.sqlite.org/fileformat2.html, 1.6), as far as a comparison needs them.

Whatever is no page of a table's b-tree is None: a page of an index, an overflow page, a free one, or one that was free
and still holds what it held.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from .pages import ChainPages

__all__ = ["Cell", "Interior", "Leaf", "Tree", "View", "child_pages", "some_rowid"]

_TABLE_LEAF, _TABLE_INTERIOR, _INDEX_LEAF, _INDEX_INTERIOR = 13, 5, 10, 2
_FILE_HEADER = 100
_CHILD = struct.Struct(">I")
_DEEPEST = 40
_KEPT = 1000
_PAGES_KEPT = 8 * 1024 * 1024
"""Bytes of pages that are kept of each state."""


class Cell(NamedTuple):
    """A row as a leaf holds it: its stored bytes, and its first overflow page (0: none)."""

    stored: bytes
    overflow: int


class Leaf(NamedTuple):
    """A leaf of a table: its rows by their numbers."""

    cells: dict[int, Cell]


class Interior(NamedTuple):
    """An inner page of a table: ``keys[i]`` is the largest row number below ``children[i]``; the last has none."""

    keys: list[int]
    children: list[int]


class View:
    """The pages of one state, parsed; ``pages`` and the point in them say which state."""

    def __init__(self, pages: ChainPages, point: int) -> None:
        self.count = pages.page_count(point)
        self._pages = pages
        self._point = point
        self._pages_kept: dict[int, bytes] = {}
        self._room = _PAGES_KEPT
        self._usable = pages.page_size - self.page(1)[20]
        self._kept: OrderedDict[int, Leaf | Interior | None] = OrderedDict()

    def page(self, number: int) -> bytes:
        """Return a page's bytes; b"" if the state has no such page."""
        kept = self._pages_kept.get(number)
        if kept is not None:
            return kept
        return self._pages.page(number, self._point) if 1 <= number <= self.count else b""

    def keep(self, number: int, page: bytes) -> None:
        """Keep the bytes of a page that will be looked at again, as long as there is room for them."""
        if self._room >= len(page):
            self._room -= len(page)
            self._pages_kept[number] = page

    def table_page(self, number: int) -> Leaf | Interior | None:
        """Return a page of a table's b-tree, or None if it is none."""
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        found = self._parsed(number)
        if not isinstance(found, Leaf):
            self._kept[number] = found
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found

    def first_rowid(self, number: int) -> int | None:
        """Return the row number in the first cell of a page of a table, or None if there is none."""
        page = self.page(number)
        at = _FILE_HEADER if number == 1 else 0
        kind = page[at] if page else 0
        if kind not in (_TABLE_LEAF, _TABLE_INTERIOR) or page[at + 3 : at + 5] == b"\0\0":
            return None
        first = at + (8 if kind == _TABLE_LEAF else 12)
        start = int.from_bytes(page[first : first + 2], "big")
        try:
            key = start + 4 if kind == _TABLE_INTERIOR else _varint(page, start)[1]
            return _signed(_varint(page, key)[0])
        except IndexError:
            return None

    def child_for(self, number: int, rowid: int) -> int | None:
        """Return the child of an inner page of a table below which a row number is; None if it is no inner page."""
        page = self.page(number)
        at = _FILE_HEADER if number == 1 else 0
        if not page or page[at] != _TABLE_INTERIOR:
            return None
        self.keep(number, page)
        low, high = 0, int.from_bytes(page[at + 3 : at + 5], "big")
        child = page[at + 8 : at + 12]
        while low < high:
            middle = (low + high) // 2
            place = at + 12 + 2 * middle
            start = int.from_bytes(page[place : place + 2], "big")
            if _signed(_varint(page, start + 4)[0]) < rowid:
                low = middle + 1
            else:
                high, child = middle, page[start : start + 4]
        return int.from_bytes(child, "big")

    def overflow_chain(self, first: int) -> Iterator[int]:
        """Yield the numbers of the overflow pages from the first one on."""
        seen: set[int] = set()
        while first and first <= self.count and first not in seen:
            seen.add(first)
            yield first
            first = int.from_bytes(self.page(first)[:4], "big")

    def looks_like_overflow(self, number: int) -> bool:
        """Return True if a page can be an overflow page: it begins with the number of another page, or 0."""
        page = self.page(number)
        return bool(page) and int.from_bytes(page[:4], "big") <= self.count

    def free_pages(self) -> set[int]:
        """Return the pages that are free: those that list them, and those that are listed."""
        found: set[int] = set()
        for trunk in self.overflow_chain(int.from_bytes(self.page(1)[32:36], "big")):
            page = self.page(trunk)
            count = min(int.from_bytes(page[4:8], "big"), len(page) // 4 - 2)
            found.add(trunk)
            found.update(struct.unpack_from(f">{count}I", page, 8))
        return found

    def _parsed(self, number: int) -> Leaf | Interior | None:
        page = self.page(number)
        at = _FILE_HEADER if number == 1 else 0
        kind = page[at] if page else 0
        if kind not in (_TABLE_LEAF, _TABLE_INTERIOR):
            return None
        count = int.from_bytes(page[at + 3 : at + 5], "big")
        first = at + (8 if kind == _TABLE_LEAF else 12)
        if first + 2 * count > len(page):
            return None
        starts = list(struct.unpack_from(f">{count}H", page, first))
        try:
            if kind == _TABLE_LEAF:
                return Leaf(self._cells(page, starts))
            children = [int.from_bytes(page[start : start + 4], "big") for start in starts]
            keys = [_signed(_varint(page, start + 4)[0]) for start in starts]
        except IndexError:
            return None
        children.append(int.from_bytes(page[at + 8 : at + 12], "big"))
        return Interior(keys, children)

    def _cells(self, page: bytes, starts: list[int]) -> dict[int, Cell]:
        """Return the rows of a leaf. The lengths are read here and not by ``_varint``: there are very many of them."""
        usable, most, cells = self._usable, self._usable - 35, {}
        least = (usable - 12) * 32 // 255 - 23
        for start in starts:
            size, at = page[start], start + 1
            if size > 0x7F:
                size, at = _varint(page, start)
            rowid, at = page[at], at + 1
            if rowid > 0x7F:
                rowid, at = _varint(page, at - 1)
                rowid = _signed(rowid)
            if size <= most:
                cells[rowid] = Cell(page[start : at + size], 0)
                continue
            local = least + (size - least) % (usable - 4)
            end = at + (local if local <= most else least)
            cells[rowid] = Cell(page[start : end + 4], int.from_bytes(page[end : end + 4], "big"))
        return cells

    def index_pages(self, root: int) -> set[int]:
        """Return the pages of an index's b-tree, or of a table WITHOUT ROWID, but for its overflow pages."""
        found, level = {root}, [root]
        for _ in range(_DEEPEST):
            below = [child for number in level for child in self._index_children(number)]
            if not below:
                return found
            found.update(below)
            if not self._index_children(below[0]):
                return found  # all leaves are equally deep
            level = below
        return found

    def _index_children(self, number: int) -> list[int]:
        page = self.page(number)
        return list(child_pages(page, number)) if page and page[0] == _INDEX_INTERIOR else []


class Tree:
    """The b-tree of one table in one state."""

    def __init__(self, view: View, root: int) -> None:
        self.view = view
        self.root = root

    def holds(self, number: int, rowid: int) -> bool:
        """Return True if a page is on the way from the root to where a row number is or would be."""
        at = self.root
        for _ in range(self._inner_levels):
            if at == number:
                return True
            page = self.view.table_page(at)
            if not isinstance(page, Interior):
                return False
            at = page.children[bisect_left(page.keys, rowid)]
        return at == number

    def leaf(self, rowid: int) -> int:
        """Return the leaf where a row number is or would be; of inner pages as little as possible is parsed."""
        at = self.root
        for _ in range(_DEEPEST):
            below = self.view.child_for(at, rowid)
            if below is None:
                break
            at = below
        return at

    @cached_property
    def _inner_levels(self) -> int:
        """How many inner pages stand above each leaf: as many above one as above every other."""
        at = self.root
        for level in range(_DEEPEST):
            page = self.view.table_page(at)
            if not isinstance(page, Interior):
                return level
            at = page.children[0]
        return _DEEPEST

    def leaves(self, number: int) -> Iterator[int]:
        """Yield the leaves below a page, itself included if it is one."""
        page = self.view.table_page(number)
        if isinstance(page, Leaf):
            yield number
        elif isinstance(page, Interior):
            for child in page.children:
                yield from self.leaves(child)


def some_rowid(view: View, number: int) -> int | None:
    """Return a row number by which a page of a table is found from its root; None if it holds none."""
    for _ in range(_DEEPEST):
        rowid = view.first_rowid(number)
        if rowid is not None:
            return rowid
        page = view.table_page(number)
        if not isinstance(page, Interior):
            return None
        number = page.children[0]
    return None


def child_pages(page: bytes, number: int) -> array[int]:
    """Return the children of an inner page of a table or an index, in their order; none if the page is no such page."""
    at = _FILE_HEADER if number == 1 else 0
    found = array("I")
    if not page or page[at] not in (_TABLE_INTERIOR, _INDEX_INTERIOR):
        return found
    count = int.from_bytes(page[at + 3 : at + 5], "big")
    if at + 12 + 2 * count > len(page):
        return found
    try:
        found.extend(_CHILD.unpack_from(page, start)[0] for start in struct.unpack_from(f">{count}H", page, at + 12))
    except struct.error:
        return array("I")
    found.extend(_CHILD.unpack_from(page, at + 8))
    return found


def _varint(page: bytes, at: int) -> tuple[int, int]:
    """Return a number of up to nine bytes, and where it ends."""
    value = 0
    for place in range(at, at + 8):
        byte = page[place]
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            return value, place + 1
    return (value << 8) | page[at + 8], at + 9


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
