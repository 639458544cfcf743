"""Whether a page can be what SQLite would have written there: b-tree, overflow, freelist or pointer-map.

An event's snapshot holds a few changed pages, and checking the whole database for each event would cost what grows with
it. So each changed page is decoded by itself (https://www.sqlite.org/fileformat2.html, 1.5 to 1.8). What this finds
implausible is a reason to let SQLite check everything, not yet a verdict: a freelist page may hold anything.
"""

from __future__ import annotations

__all__ = ["implausible"]

_INTERIOR_INDEX, _INTERIOR_TABLE, _LEAF_INDEX, _LEAF_TABLE = 0x02, 0x05, 0x0A, 0x0D
_BTREE = frozenset((_INTERIOR_INDEX, _INTERIOR_TABLE, _LEAF_INDEX, _LEAF_TABLE))
_INTERIOR = frozenset((_INTERIOR_INDEX, _INTERIOR_TABLE))
_FILE_HEADER = 100
_LEAF_HEADER, _INTERIOR_HEADER = 8, 12
_SMALLEST_CELL = 4


def implausible(page: bytes, number: int, page_count: int) -> str | None:
    """Return why a page cannot be part of a sound database, or None if it can.

    ``number`` counts from 1. Bytes that the header reserves at the end of each page count as usable ones.
    """
    start = _FILE_HEADER if number == 1 else 0
    kind = page[start]
    if kind in _BTREE:
        return _btree_problem(page, start, page_count, len(page))
    if number == 1:
        return "page 1 is no b-tree page"
    if not any(page):
        return f"page {number} is all zeros"
    # An overflow or freelist trunk page begins with the number of the next one; a pointer map with a small number.
    following = int.from_bytes(page[:4], "big")
    if following > page_count and not 1 <= page[0] <= 5:
        return f"page {number} is neither a b-tree page nor one that refers to another page"
    return None


def _btree_problem(page: bytes, start: int, page_count: int, usable: int) -> str | None:
    kind = page[start]
    header = _INTERIOR_HEADER if kind in _INTERIOR else _LEAF_HEADER
    cells = _two(page, start + 3)
    content = _two(page, start + 5) or 65536
    array_end = start + header + 2 * cells
    if array_end > usable or content > usable or content < array_end:
        return f"a b-tree page with {cells} cells has its content at {content}"
    pointers = [_two(page, at) for at in range(start + header, array_end, 2)]
    if any(not content <= pointer <= usable - _SMALLEST_CELL for pointer in pointers):
        return "a cell of a b-tree page lies outside its content"
    if kind in _INTERIOR:
        children = [_four(page, pointer) for pointer in pointers] + [_four(page, start + 8)]
        if any(not 1 <= child <= page_count for child in children):
            return "an interior b-tree page refers to a page that is not there"
    return None


def _two(page: bytes, at: int) -> int:
    return int.from_bytes(page[at : at + 2], "big")


def _four(page: bytes, at: int) -> int:
    return int.from_bytes(page[at : at + 4], "big")
