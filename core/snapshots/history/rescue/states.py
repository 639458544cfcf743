"""The states that a rescue compares: rows by their keys, and all rows that it is about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...errors import QueryError
from ...models import PlayerTables, RescueScope
from ..databases import Database, Row, Value, quoted
from ..player import player_key
from ..tables import Table, find_table, key_values, read_tables, selected

__all__ = ["State", "Stored", "Wanted", "value_of"]


class Stored(NamedTuple):
    """A row: its values by column, and its number, if it has one."""

    values: dict[str, Value]
    number: int | None


class Wanted(NamedTuple):
    """The rows of one table that a rescue is about: an SQL condition with its values."""

    table: str
    condition: str
    values: tuple[Value, ...]


class State:
    """One state of the database, open for reading or, being the live one, for writing."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.tables = read_tables(database)
        self._lower = {name.lower(): table for name, table in self.tables.items()}

    @property
    def name(self) -> str:
        """What sentences call the state."""
        return self.database.name

    def table(self, name: str) -> Table | None:
        """Return a table by its name, or None."""
        return self._lower.get(name.lower())

    def rows(self, name: str, condition: str, values: Sequence[Value]) -> list[Stored]:
        """Return the rows of a table under a condition; none if there is no such table."""
        table = self.table(name)
        if table is None:
            return []
        number = table.rowid_quoted if table.rowid else "NULL"
        sql = f"SELECT {number}, {selected(table)} FROM {quoted(table.name)} WHERE {condition}"
        return [_stored(table, row) for row in self.database.rows(sql, values)]

    def by_key(self, name: str, columns: Sequence[str], values: Sequence[Value]) -> Stored | None:
        """Return the row of a table whose columns have these values, or None; the columns can be the row's number."""
        table = self.table(name)
        if table is None or not all(table.column(each) or each == table.rowid for each in columns):
            return None
        condition = " AND ".join(f"{quoted(each)} = ?" for each in columns)
        return next(iter(self.rows(name, condition, values)), None)

    def wanted(self, scope: RescueScope, player: PlayerTables | None) -> list[Wanted]:
        """Return what a scope means; the player and the key are looked up in this state. Raises QueryError."""
        if player is not None and scope.player is not None:
            key = player_key(self.database, self.tables, player, scope.player)
            return [
                Wanted(name, " OR ".join(f"{quoted(column)} = ?" for column in columns), (key,) * len(columns))
                for name, columns in columns_of(player).items()
            ]
        table = find_table(self.tables, scope.table or "", self.name)
        if scope.key is not None:
            condition = " AND ".join(f"{quoted(each)} = ?" for each in table.identity)
            return [Wanted(table.name, condition, key_values(table, scope.key))]
        if not (scope.where or "").strip():
            raise QueryError("Say which rows: a player, a key, or a condition.")
        return [Wanted(table.name, f"({scope.where})", ())]


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
