"""Rows of tables in a private SQLite file, where they can be found by any column and compared with each other.

They keep their exact values: SQLite would take NaN for NULL and has no truth values, so these are stored as texts and
numbers, and come back by the types of their columns.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

from ...progress import Watch
from ..databases import Value
from ..tables import Column, Table
from .values import comparable

__all__ = ["RowStore", "columns_of_rows"]

_AT_ONCE = 1000
Record = dict[str, Value]


class RowStore:
    """Tables under names of the caller's choice."""

    def __init__(self, scratch: Path, watch: Watch) -> None:
        self._path = scratch / "rows.db"
        self._watch = watch
        self._connection: sqlite3.Connection | None = None
        self._columns: dict[str, tuple[Column, ...]] = {}
        self._tables: dict[str, str] = {}
        """By name what a table is called in the file; numbers, because SQLite takes no notice of case."""
        self._indexed: set[tuple[str, int]] = set()
        self._comparisons: dict[str, str] = {}

    def close(self) -> None:
        """Forget everything."""
        if self._connection is not None:
            self._connection.close()
            self._path.unlink(missing_ok=True)

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def load(self, name: str, columns: Sequence[Column], rows: Iterable[Mapping[str, Value]]) -> None:
        """Store rows under a name."""
        connection, names = self._open(), [column.name for column in columns]
        stored = self._tables[name] = f"t{len(self._tables)}"
        places = ", ".join(f"c{place}" for place in range(len(names)))
        connection.execute(f"CREATE TABLE {stored} ({places or 'no_column'})")
        sql = f"INSERT INTO {stored} VALUES ({', '.join('?' * len(names)) or 'NULL'})"
        values = (tuple(_kept(row[each]) for each in names) for row in rows)
        while batch := list(islice(values, _AT_ONCE)):
            self._watch.check()
            connection.executemany(sql, batch)
        self._columns[name] = tuple(columns)

    def find(self, name: str, columns: Sequence[str], values: Sequence[Value], *, any_of: bool) -> Iterator[Record]:
        """Yield the rows of which all of some columns, or any of them, have these values."""
        order = [column.name for column in self._columns[name]]
        stored, places = self._tables[name], [order.index(column) for column in columns]
        asked = [self._columns[name][place] for place in places]
        compared = [
            f"{function}(c{place})" for function, place in zip(map(self._comparing, asked), places, strict=True)
        ]
        for expression, place in zip(compared, places, strict=True):
            if (name, place) not in self._indexed:
                self._indexed.add((name, place))
                self._open().execute(f"CREATE INDEX {stored}_{place} ON {stored} ({expression})")
        condition = (" OR " if any_of else " AND ").join(f"{expression} IS ?" for expression in compared)
        sql = f"SELECT * FROM {stored} WHERE {condition or '1'}"
        wanted = [comparable(value, column) for value, column in zip(values, asked, strict=True)]
        return self._records(name, self._columns[name], sql, wanted)

    def _comparing(self, column: Column) -> str:
        """Return the SQL function that makes the values of a column comparable, by its type."""
        if column.type not in self._comparisons:
            name = self._comparisons[column.type] = f"comparable{len(self._comparisons)}"
            self._open().create_function(
                name, 1, lambda kept: comparable(_value(kept, column), column), deterministic=True
            )
        return self._comparisons[column.type]

    def only_in(self, name: str, other: str, columns: Sequence[Column], *, told: bool) -> Iterator[Record]:
        """Yield the rows that are under one name and not under the other; both have these columns in this order.

        If rows are not ``told`` by a key, a row that is there more often than under the other name counts as often as
        it is.
        """
        listed = ", ".join(f"c{place}" for place in range(len(columns)))
        count = "" if told else f", row_number() OVER ({f'PARTITION BY {listed}' if listed else ''})"
        sql = " EXCEPT ".join(f"SELECT {listed or '1'}{count} FROM {self._tables[each]}" for each in (name, other))
        return self._records(name, columns, sql, ())

    def _records(self, name: str, columns: Sequence[Column], sql: str, values: Sequence[Value]) -> Iterator[Record]:
        with closing(self._open().execute(sql, values)) as cursor:
            for row in cursor:
                # Without ``strict``: the count of equal rows may follow.
                yield {column.name: _value(value, column) for column, value in zip(columns, row, strict=False)}

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = sqlite3.connect(self._path, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = OFF")
            self._connection.execute("PRAGMA synchronous = OFF")
        return self._connection


def columns_of_rows(table: Table) -> tuple[Column, ...]:
    """Return the columns whose values a dump holds: those that are not computed from others."""
    return tuple(column for column in table.columns if not column.generated)


def _kept(value: Value) -> Value:
    return repr(value) if isinstance(value, float) else int(value) if isinstance(value, bool) else value


def _value(kept: Value, column: Column) -> Value:
    if column.kind == "REAL" and isinstance(kept, str):
        with suppress(ValueError):  # what a column of another type held
            return float(kept)
    return bool(kept) if column.type == "boolean" and isinstance(kept, int) else kept
