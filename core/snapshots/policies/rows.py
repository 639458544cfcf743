"""Which rows of two states are the same row: told by the key of their table, or by all they hold. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

__all__ = ["row_changes"]

Row = dict[str, Any]


def row_changes(before: Sequence[Row], after: Sequence[Row], key: Sequence[str]) -> list[tuple[Row | None, Row | None]]:
    """Return what became of rows: (row, None) is gone, (None, row) is new, two rows are one that changed.

    ``key`` are the columns that tell rows apart; columns that only one of two rows has are not compared. Without a key
    a row that changed is one gone and one new. What is gone or changed comes first.
    """
    told = bool(key) and all(name in row for row in (*before, *after) for name in key)
    if not told:
        return _without_key(before, after)
    left = {_key(row, key): row for row in after}
    found: list[tuple[Row | None, Row | None]] = []
    for row in before:
        other = left.pop(_key(row, key), None)
        if other is None or any(repr(row[name]) != repr(other[name]) for name in row.keys() & other.keys()):
            found.append((row, other))
    return [*found, *((None, row) for row in left.values())]


def _key(row: Row, key: Sequence[str]) -> tuple[str, ...]:
    return tuple(repr(row[name]) for name in key)


def _without_key(before: Sequence[Row], after: Sequence[Row]) -> list[tuple[Row | None, Row | None]]:
    gone = _only_in_first(before, after)
    return [*((row, None) for row in gone), *((None, row) for row in _only_in_first(after, before))]


def _only_in_first(first: Sequence[Row], second: Sequence[Row]) -> list[Row]:
    left = Counter(map(repr, second))
    found = []
    for row in first:
        if left[repr(row)]:
            left[repr(row)] -= 1
        else:
            found.append(row)
    return found
