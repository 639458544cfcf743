"""Rows of tables without a key, of then and of now: which of them are the same row with other values.

Many bots have a table with one row for each player and no key: ``bank(user_id, wallet)``. Its rows are told by their
content alone, so a balance that changed looks like one row that is gone and another that is new. To put the first one
back would give the player two. They are the same row if the columns that name the player, and the guild where there is
one, tell all rows of the table apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..databases import Value
from ..tables import Table, same_value
from .rows import common_columns, named
from .states import State, Stored

__all__ = ["same_rows"]

_GUILDS = ("guild", "server")


def same_rows(
    now: State, table: Table, owned: Sequence[str], gone: Sequence[Stored], new: Sequence[Stored]
) -> list[tuple[Stored, Stored]]:
    """Return the rows that were there then with those that they are now, of rows that differ."""
    if table.key or not gone or not new:
        return []
    for columns in _telling(table, owned, gone[0]):
        then, present = (_by_columns(rows, columns) for rows in (gone, new))
        both = then.keys() & present.keys()
        if both and len(then) == len(gone) and len(present) == len(new) and now.tells_apart(table, columns):
            return [(then[values], present[values]) for values in then if values in both]
    return []


def _telling(table: Table, owned: Sequence[str], row: Stored) -> Iterator[list[str]]:
    """Yield the columns that could tell rows apart: those that name the player, then the guild with them."""
    there = common_columns(table, row)
    for who in (name for name in there if name in owned):
        yield [who]
        yield from ([who, name] for name in there if any(word in name.lower() for word in _GUILDS))


def _by_columns(rows: Sequence[Stored], columns: Sequence[str]) -> dict[tuple[Value, ...], Stored]:
    """Return rows by the values of some columns; those with a NULL in them are left out."""
    found = {tuple(row.values[named(row.values, name)] for name in columns): row for row in rows}
    return {values: row for values, row in found.items() if not any(same_value(value, None) for value in values)}
