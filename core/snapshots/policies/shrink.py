"""Whether a table lost so many rows at once that somebody should look. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["LEAST_ROWS", "Shrunk", "shrunk"]

LEAST_ROWS = 50
"""Tables that had fewer rows do not count: in a small table half is soon gone."""


class Shrunk(NamedTuple):
    """A table with its rows before and after; ``after`` is 0 if it is gone."""

    table: str
    before: int
    after: int


def shrunk(before: Mapping[str, int], after: Mapping[str, int], percent: int) -> tuple[Shrunk, ...]:
    """Return the tables that lost more than ``percent`` of their rows (0: none are looked for), the worst first.

    Tables that were not counted after, although others were, are gone; without any counts nothing is known.
    """
    if percent <= 0 or not after:
        return ()
    lost = [
        Shrunk(table, rows, after.get(table, 0))
        for table, rows in before.items()
        if rows >= LEAST_ROWS and (rows - after.get(table, 0)) * 100 > rows * percent
    ]
    return tuple(sorted(lost, key=lambda each: each.after / each.before))
