"""The states that a rescue compares: rows by their keys, and all rows that it is about.

``State`` is what the plan asks of a state, whichever engine holds it; ``SqliteState`` asks an open SQLite database.
"""

from __future__ import annotations

import json
import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...errors import QueryError
from ...models import PlayerTables, RescueScope
from ..databases import Database, Row, Value, quoted
from ..player import any_of, player_key, sqlite_matching
from ..searched import TableSearch
from ..tables import Table, find_table, key_values, read_tables, selected

__all__ = ["SqliteState", "State", "Stored", "Unique", "Wanted", "columns_of", "value_of"]

_ALL = 1_000_000
_WHERE = re.compile(r"\)\s*WHERE\b(.*)\Z", re.IGNORECASE | re.DOTALL)


class Stored(NamedTuple):
    """A row: its values by column, and its number, if it has one."""

    values: dict[str, Value]
    number: int | None = None


class Unique(NamedTuple):
    """A unique index: its columns, and the condition of a partial one, as the engine writes it."""

    columns: tuple[str, ...]
    condition: str = ""


class Wanted(NamedTuple):
    """The rows of one table that a rescue is about: ``any`` of some columns has a value, all have, or a condition."""

    table: str
    columns: tuple[str, ...] = ()
    values: tuple[Value, ...] = ()
    any: bool = False
    where: str = ""


class State(ABC):
    """One state of the database, open for reading or, being the live one, for writing; ``name`` is what it is called.

    Raises QueryError for what cannot be asked, and what the engine raises.
    """

    def __init__(self, name: str, tables: Mapping[str, Table]) -> None:
        self.name = name
        self.tables = dict(tables)
        self._lower = {name.lower(): table for name, table in self.tables.items()}

    def table(self, name: str) -> Table | None:
        """Return a table by its name, whatever its case unless two differ in nothing else, or None."""
        return self.tables.get(name) or self._lower.get(name.lower())

    def rows(self, wanted: Wanted) -> list[Stored]:
        """Return the rows that are wanted; none if there is no such table or column."""
        table = self.table(wanted.table)
        if table is None or not all(table.column(each) or each == table.rowid for each in wanted.columns):
            return []
        return self._rows(table, wanted)

    def by_key(self, name: str, columns: Sequence[str], values: Sequence[Value]) -> Stored | None:
        """Return the row of a table whose columns have these values, or None; the columns can be the row's number."""
        return next(iter(self.rows(Wanted(name, tuple(columns), tuple(values)))), None)

    def wanted(self, scope: RescueScope, player: PlayerTables | None) -> list[Wanted]:
        """Return what a scope means; the player and the key are looked up in this state. Raises QueryError."""
        if player is not None and scope.player is not None:
            key = self.player_key(player, scope.player)
            return [
                Wanted(name, tuple(columns), (key,) * len(columns), any=True)
                for name, columns in columns_of(player).items()
            ]
        table = find_table(self.tables, scope.table or "", self.name)
        if scope.key is not None:
            return [Wanted(table.name, table.identity, key_values(table, scope.key))]
        if not (scope.where or "").strip():
            raise QueryError("Say which rows: a player, a key, or a condition.")
        return [Wanted(table.name, where=scope.where or "")]

    def comparable(self, table: Table, name: str, value: Value) -> Value:
        """Return what is equal for two values if they are the same one in a column, whatever type they come from."""
        return value

    def prepare(self, wanted: Sequence[Wanted]) -> None:  # noqa: B027 - most states need not
        """Find what is wanted in several tables, if that is quicker together."""

    @abstractmethod
    def player_key(self, player: PlayerTables, given: str) -> Value:
        """Return the key of the player whom a person names; raise QueryError."""

    @abstractmethod
    def with_content(self, table: Table, values: Mapping[str, Value]) -> list[Stored]:
        """Return the rows whose columns have exactly these values, NULL included."""

    def tells_apart(self, table: Table, columns: Sequence[str]) -> bool:
        """Return True if no two rows of the live database have the same values in these columns."""
        raise NotImplementedError

    @abstractmethod
    def needed(self, table: Table) -> list[str]:
        """Return the columns that a new row must have a value for: there is no default."""

    @abstractmethod
    def unique(self, table: Table) -> list[Unique]:
        """Return the unique indexes of a table besides its key, as far as they are of columns alone."""

    @abstractmethod
    def holders(self, table: Table, index: Unique, values: Sequence[Value]) -> list[Stored]:
        """Return the rows that have these values in a unique index."""

    @abstractmethod
    def applies(self, table: Table, index: Unique, row: Mapping[str, Value]) -> bool:
        """Return True if a row would be in a unique index."""

    @abstractmethod
    def highest_number(self, table: Table) -> int:
        """Return the highest number of a row, where rows have numbers."""

    @abstractmethod
    def spare(self, table: Table, name: str, number: int) -> tuple[Value] | None:
        """Return a value of a column that no row has, another one for each number; None if there is none."""

    @abstractmethod
    def _rows(self, table: Table, wanted: Wanted) -> list[Stored]:
        """Return the rows that are wanted of a table that has the columns."""


class SqliteState(State):
    """An open SQLite database; ``search`` finds rows in tables that no index leads to."""

    def __init__(self, database: Database, search: TableSearch | None = None) -> None:
        super().__init__(database.name, read_tables(database))
        self.database = database
        self._search = search

    def prepare(self, wanted: Sequence[Wanted]) -> None:
        """Find what is wanted in several tables together."""
        if self._search is not None:
            found = [(self.table(each.table), each) for each in wanted if each.any]
            known = [(table, each.columns, each.values) for table, each in found if table is not None]
            self._search.prepare(self.database, known)

    def player_key(self, player: PlayerTables, given: str) -> Value:
        """Return the key of the player whom a person names; raise QueryError."""
        return player_key(self.tables, player, given, self.name, sqlite_matching(self.database))

    def with_content(self, table: Table, values: Mapping[str, Value]) -> list[Stored]:
        """Return the rows whose columns have exactly these values, NULL included."""
        return self._where(table, " AND ".join(f"{quoted(name)} IS ?" for name in values), tuple(values.values()))

    def tells_apart(self, table: Table, columns: Sequence[str]) -> bool:
        """Return True if no two rows have the same values in these columns."""
        named = ", ".join(map(quoted, columns))
        sql = f"SELECT 1 FROM {quoted(table.name)} GROUP BY {named} HAVING count(*) > 1 LIMIT 1"
        return self.database.one(sql) is None

    def needed(self, table: Table) -> list[str]:
        """Return the columns that a new row must have a value for."""
        return [
            str(row[1])
            for row in self.database.rows(f"PRAGMA table_xinfo({quoted(table.name)})")
            if row[3] and row[4] is None and not row[6] and not (table.integer_key and row[5])
        ]

    def unique(self, table: Table) -> list[Unique]:
        """Return the unique indexes of a table besides its key."""
        found = []
        for row in self.database.all(f"PRAGMA index_list({quoted(table.name)})"):
            columns = [each[2] for each in self.database.all(f"PRAGMA index_info({quoted(str(row[1]))})")]
            if row[2] and row[3] != "pk" and None not in columns:
                found.append(Unique(tuple(map(str, columns)), self._condition(str(row[1])) if row[4] else ""))
        return found

    def holders(self, table: Table, index: Unique, values: Sequence[Value]) -> list[Stored]:
        """Return the rows that have these values in a unique index."""
        condition = " AND ".join(f"{quoted(name)} = ?" for name in index.columns) + index.condition
        return self._where(table, condition, values)

    def applies(self, table: Table, index: Unique, row: Mapping[str, Value]) -> bool:
        """Return True if a row would be in a unique index."""
        if not index.condition:
            return True
        columns = ", ".join(f"? AS {quoted(name)}" for name in row)
        sql = f"SELECT 1 FROM (SELECT {columns}) WHERE 1{index.condition}"
        return self.database.one(sql, tuple(row.values())) is not None

    def highest_number(self, table: Table) -> int:
        """Return the highest number of a row."""
        highest = self.database.one(f"SELECT max({table.rowid_quoted}) FROM {quoted(table.name)}")
        return int((highest[0] if highest else 0) or 0)

    def spare(self, table: Table, name: str, number: int) -> tuple[Value] | None:
        """Return a value of a column that no row has: NULL, else a number above all others, or a text."""
        listed = self.database.rows(f"PRAGMA table_xinfo({quoted(table.name)})")
        if not any(row[1] == name and row[3] for row in listed):
            return (None,)
        column = table.column(name)
        if column is None or column.affinity in ("TEXT", "BLOB"):
            return (secrets.token_hex(16),)
        highest = self.database.one(f"SELECT max({quoted(name)}) FROM {quoted(table.name)}")
        return (int(float((highest[0] if highest else 0) or 0)) + 1 + number,)

    def _rows(self, table: Table, wanted: Wanted) -> list[Stored]:
        if wanted.where:
            condition = f"({wanted.where}\n)"
            # As one query first: what is asked for rows below could hold several statements.
            self.database.query(f"EXPLAIN SELECT 1 FROM {quoted(table.name)} WHERE {condition}", _ALL)
            return self._where(table, condition, ())
        if wanted.any:
            return self._where(table, *any_of(self.database, table, wanted.columns, wanted.values, self._search))
        return self._where(table, " AND ".join(f"{quoted(name)} = ?" for name in wanted.columns), wanted.values)

    def _where(self, table: Table, condition: str, values: Sequence[Value]) -> list[Stored]:
        number = table.rowid_quoted if table.rowid else "NULL"
        sql = f"SELECT {number}, {selected(table)} FROM {quoted(table.name)} WHERE {condition}"
        return [_stored(table, row) for row in self.database.rows(sql, values)]

    def _condition(self, index: str) -> str:
        sql = self.database.one("SELECT sql FROM sqlite_schema WHERE name = ?", (index,))
        found = _WHERE.search(str(sql[0])) if sql else None
        return f" AND ({found[1]})" if found else ""


def columns_of(player: PlayerTables) -> dict[str, list[str]]:
    """Return by table the columns that refer to the player."""
    found: dict[str, list[str]] = {}
    for table, column in player.references:
        found.setdefault(table, []).append(column)
    return found


def value_of(shown: Any) -> Value:
    """Return the value that an answer holds: the reverse of ``tables.json_value``."""
    if isinstance(shown, dict):
        return bytes.fromhex(shown["blob"]) if "blob" in shown else float(shown["real"])
    if isinstance(shown, int | float | str | None):
        return shown
    raise TypeError(f"no value of a row: {json.dumps(shown)}")


def _stored(table: Table, row: Row) -> Stored:
    number = row[0] if isinstance(row[0], int) else None
    return Stored(dict(zip(table.names, row[1:], strict=True)), number)
