"""An open SQLite database as a state that a rescue compares."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Mapping, Sequence

from ...models import PlayerTables
from ..databases import Database, Row, Value, quoted
from ..player import any_of, player_key, sqlite_matching
from ..searched import TableSearch
from ..tables import ForeignKey, Table, read_tables, selected
from .foresight import as_held_today, foresee
from .indexes import folded_text, unique_indexes
from .references import columns_of_parent
from .states import Foreseen, State, Stored, Wanted, numbers_beyond
from .steps import Step

__all__ = ["SqliteState"]

_ALL = 1_000_000


class SqliteState(State):
    """An open SQLite database; ``search`` finds rows in tables that no index leads to."""

    def __init__(self, database: Database, search: TableSearch | None = None) -> None:
        super().__init__(database.name, read_tables(database))
        self.database = database
        self._search = search
        self._compared: dict[tuple[str, tuple[str, ...]], dict[str, str]] = {}

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

    def children(self, child: Table, key: ForeignKey, parent: Table, values: Sequence[Value]) -> list[Stored]:
        """Return the rows that refer to these values, which SQLite compares as the parent's columns do."""
        named = columns_of_parent(key, parent)
        pairs = [(quoted(one), quoted(other)) for one, other in zip(key.columns, named, strict=True)]
        if all(
            _affinity(child, one) == _affinity(parent, other) for one, other in zip(key.columns, named, strict=True)
        ):
            collations = self._collations(parent, named)
            told = (f"{one} COLLATE {quoted(collations.get(other, 'BINARY'))} = ?" for one, other in pairs)
            return self._where(child, " AND ".join(told), values)
        told = (f"above.{other} = ? AND above.{other} = {quoted(child.name)}.{one}" for one, other in pairs)
        condition = f"EXISTS (SELECT 1 FROM {quoted(parent.name)} AS above WHERE {' AND '.join(told)})"
        return self._where(child, condition, values)

    def comparable(self, table: Table, name: str, value: Value) -> Value:
        """Return what is equal for two values if they are the same one where the column must be unique."""
        if not isinstance(value, str):
            return value
        return folded_text(value, self._collations(table, (name,)).get(quoted(name), "BINARY"))

    def _collations(self, table: Table, columns: tuple[str, ...]) -> dict[str, str]:
        """Return how columns that must be unique together compare texts, by their quoted names."""
        place = table.name, columns
        if place not in self._compared:
            names = set(map(quoted, columns))
            found = [
                dict(zip(each.terms, each.collations, strict=True)) for each in unique_indexes(self.database, table)
            ]
            self._compared[place] = next((each for each in reversed(found) if each.keys() == names), {})
        return self._compared[place]

    def as_today(self, table: Table, rows: Sequence[Stored], then: Table) -> list[Stored]:
        """Return rows of the past with their values as the table's columns hold them today; ``then`` is theirs."""
        types = {column.name.lower(): column.affinity for column in then.columns}
        same = all(types.get(column.name.lower(), column.affinity) == column.affinity for column in table.columns)
        return list(rows) if same else as_held_today(self.database, table, rows)

    def foresee(self, table: Table, steps: Sequence[Step]) -> Foreseen:
        """Return what stands against steps, all of one table."""
        return foresee(self.database, table, steps)

    def highest_number(self, table: Table) -> int:
        """Return the highest number of a row."""
        highest = self.database.one(f"SELECT max({table.rowid_quoted}) FROM {quoted(table.name)}")
        return int((highest[0] if highest else 0) or 0)

    def spares(self, table: Table, name: str, number: int) -> Iterator[Value]:
        """Yield values of a column that no row has: NULL, a text, numbers above and below all others."""
        yield None
        column = table.column(name)
        if column is None or column.affinity in ("TEXT", "BLOB"):
            yield secrets.token_hex(16)
        found = self.database.one(f"SELECT max({quoted(name)}), min({quoted(name)}) FROM {quoted(table.name)}")
        highest, lowest = found or (None, None)
        if isinstance(highest, int | float) and isinstance(lowest, int | float) and math.isfinite(highest - lowest):
            yield from numbers_beyond(int(lowest), int(highest), number)

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


def _stored(table: Table, row: Row) -> Stored:
    number = row[0] if isinstance(row[0], int) else None
    return Stored(dict(zip(table.names, row[1:], strict=True)), number)


def _affinity(table: Table, name: str) -> str | None:
    column = table.column(name)
    return None if column is None else column.affinity
