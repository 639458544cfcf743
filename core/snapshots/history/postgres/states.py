"""One state of a PostgreSQL database: a dump, or the live database in one transaction.

Values of both are the texts that COPY writes, decoded alike; so a row that nobody changed is equal in both.
"""

from __future__ import annotations

import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from ...engines.postgres.session import Session, quoted
from ...errors import QueryError
from ...models import PlayerTables
from ..databases import Value
from ..player import player_key
from ..rescue.states import State, Stored, Unique, Wanted
from ..tables import Column, Table
from .archive import DumpArchive
from .catalog import LiveTable, read_live_tables
from .conditions import rows_under, translated
from .store import RowStore, columns_of_rows
from .values import Decoder, same_key, sql_value

__all__ = ["DumpState", "LiveState", "PostgresState"]

_IN_MEMORY = 8 * 1024 * 1024
"""Bytes of an answer of the server that are kept in memory; more goes to a file."""
_SCANS = 3
"""How often a table is read from its archive before its rows are kept for finding them."""
_UNIQUE = """
SELECT ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(i.indkey) WITH ORDINALITY u (num, at)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.num
              WHERE u.at <= i.indnkeyatts ORDER BY u.at),
       coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), '')
  FROM pg_catalog.pg_index i
 WHERE i.indrelid = $1::bigint::pg_catalog.oid AND i.indisunique AND NOT i.indisprimary AND i.indisvalid
   AND i.indexprs IS NULL
"""
_CAN_BE_NULL = """
SELECT NOT attnotnull FROM pg_catalog.pg_attribute
 WHERE attrelid = $1::bigint::pg_catalog.oid AND attname = $2::text::pg_catalog.name
"""
Record = dict[str, Value]


class PostgresState(State):
    """What a dump and the live database have in common."""

    def player_key(self, player: PlayerTables, given: str) -> Value:
        """Return the key of the player whom a person names; raise QueryError."""
        return player_key(self.tables, player, given, self.name, self.matching)

    def matching(self, table: Table, columns: Sequence[str], value: Value) -> Iterator[Record]:
        """Yield the rows of a table in which any of these columns has a value."""
        wanted = Wanted(table.name, tuple(columns), (value,) * len(columns), any=True)
        return (row.values for row in self._rows(table, wanted))

    def all_rows(self, table: Table) -> Iterator[Record]:
        """Yield every row of a table."""
        raise NotImplementedError

    def first_rows(self, table: Table, most: int) -> Iterator[Record]:
        """Yield at most so many rows of a table."""
        return islice(self.all_rows(table), most)

    def count(self, table: Table) -> int:
        """Return how many rows a table has."""
        raise NotImplementedError

    def highest_number(self, table: Table) -> int:
        """Return 0: rows have no numbers."""
        return 0

    def spare(self, table: Table, name: str, number: int) -> tuple[Value] | None:
        """Return nothing: nobody changes rows of the past."""
        return None


class DumpState(PostgresState):
    """A dump. ``session`` returns one of the live database, for conditions that are written in SQL."""

    def __init__(self, archive: DumpArchive, name: str, store: RowStore, session: Callable[[], Session]) -> None:
        super().__init__(name, archive.tables)
        self.archive = archive
        self._store = store
        self._session = session
        self._scans: Counter[str] = Counter()

    def all_rows(self, table: Table) -> Iterator[Record]:
        """Yield every row of a table."""
        return self.archive.rows(table)

    def count(self, table: Table) -> int:
        """Return how many rows a table has: the manifest says it, except in old dumps."""
        known = self.archive.count(table)
        return sum(1 for _ in self.archive.rows(table)) if known is None else known

    def with_content(self, table: Table, values: Mapping[str, Value]) -> list[Stored]:
        """Return the rows whose columns have exactly these values, NULL included."""
        return [Stored(row) for row in self._found(table, tuple(values), tuple(values.values()), any_of=False)]

    def needed(self, table: Table) -> list[str]:
        """Return nothing: nobody adds rows to the past."""
        return []

    def unique(self, table: Table) -> list[Unique]:
        """Return nothing: nobody adds rows to the past."""
        return []

    def holders(self, table: Table, index: Unique, values: Sequence[Value]) -> list[Stored]:
        """Return the rows that have these values in these columns."""
        return self.rows(Wanted(table.name, index.columns, tuple(values)))

    def applies(self, table: Table, index: Unique, row: Mapping[str, Value]) -> bool:
        """Return False: nobody adds rows to the past."""
        return False

    def _rows(self, table: Table, wanted: Wanted) -> list[Stored]:
        if wanted.where:
            return [
                Stored(row) for row in rows_under(self._session(), table, self.all_rows(table), wanted.where, self.name)
            ]
        if None in wanted.values and not wanted.any:
            return []  # as in SQL, nothing is equal to NULL
        return [Stored(row) for row in self._found(table, wanted.columns, wanted.values, any_of=wanted.any)]

    def _found(
        self, table: Table, columns: Sequence[str], values: Sequence[Value], *, any_of: bool
    ) -> Iterator[Record]:
        name = f"{self.name}/{table.name}"
        self._scans[table.name] += 1
        if name not in self._store and self._scans[table.name] > _SCANS:
            self._store.load(name, columns_of_rows(table), self.archive.rows(table))
        if name in self._store:
            called = [_column(table, column).name for column in columns]
            return self._store.find(name, called, values, any_of=any_of)
        return self._scanned(table, columns, values, any_of=any_of)

    def _scanned(
        self, table: Table, columns: Sequence[str], values: Sequence[Value], *, any_of: bool
    ) -> Iterator[Record]:
        asked = [(column, value) for name, value in zip(columns, values, strict=True) if (column := table.column(name))]
        one = asked[0] if asked and (len(asked) == 1 or not any_of) else None
        combine = any if any_of else all
        for row in self.archive.rows(table, one):
            if combine(same_key(row.get(column.name), value, column) for column, value in asked):
                yield row


class LiveState(PostgresState):
    """The live database, as the transaction that the session is in sees it."""

    def __init__(self, session: Session, scratch: Path) -> None:
        self.live = read_live_tables(session)
        self._scratch = scratch
        super().__init__("the live database", {name: each.table for name, each in self.live.items()})
        self.session = session

    def all_rows(self, table: Table) -> Iterator[Record]:
        """Yield every row of a table."""
        return self._selected(table, "")

    def first_rows(self, table: Table, most: int) -> Iterator[Record]:
        """Yield at most so many rows of a table."""
        return self._selected(table, f" LIMIT {int(most)}")

    def count(self, table: Table) -> int:
        """Return how many rows a table has."""
        return int(self.session.value(f"SELECT count(*) FROM {self.live[table.name].source}") or 0)

    def selection(self, table: Table) -> str:
        """Return the SQL that gives the rows of a table."""
        return f"SELECT * FROM {self.live[table.name].source}"

    def with_content(self, table: Table, values: Mapping[str, Value]) -> list[Stored]:
        """Return the rows whose columns have exactly these values, NULL included."""
        # As texts, because some types cannot be compared.
        said = [
            f"{quoted(name)}::text IS NOT DISTINCT FROM {sql_value(value, _column(table, name).type)}::text"
            for name, value in values.items()
        ]
        return self._stored(table, " AND ".join(said) or "true")

    def needed(self, table: Table) -> list[str]:
        """Return the columns that a new row must have a value for."""
        return list(self.live[table.name].needed)

    def unique(self, table: Table) -> list[Unique]:
        """Return the unique indexes of a table besides its key, as far as they are of columns alone."""
        rows = self.session.rows(_UNIQUE, self.live[table.name].oid)
        return [Unique(tuple(columns), condition) for columns, condition in rows]

    def holders(self, table: Table, index: Unique, values: Sequence[Value]) -> list[Stored]:
        """Return the rows that have these values in a unique index."""
        condition = f" AND ({index.condition})" if index.condition else ""
        return self._stored(table, self._equal(table, index.columns, values, " AND ") + condition)

    def spare(self, table: Table, name: str, number: int) -> tuple[Value] | None:
        """Return a value of a column that no row has: NULL, else a number above all others, a text or a UUID."""
        live, column = self.live[table.name], _column(table, name)
        if self.session.value(_CAN_BE_NULL, live.oid, name):
            return (None,)
        if column.type in ("smallint", "integer", "bigint") or column.type.startswith("numeric"):
            highest = self.session.value(f"SELECT ceil(coalesce(max({quoted(name)}), 0))::text FROM {live.quoted}")
            return (int(highest) + 1 + number,)
        if column.type in ("text", "character varying", "uuid"):
            return (str(uuid.uuid4()),)
        return None

    def applies(self, table: Table, index: Unique, row: Mapping[str, Value]) -> bool:
        """Return True if a row would be in a unique index."""
        if not index.condition:
            return True
        values = ", ".join(
            f"{sql_value(row.get(column.name), column.type)} AS {quoted(column.name)}" for column in table.columns
        )
        return bool(self.session.value(f"SELECT count(*) FROM (SELECT {values}) AS row WHERE {index.condition}"))

    def _rows(self, table: Table, wanted: Wanted) -> list[Stored]:
        if wanted.where:
            # Taken as one statement first: a COPY is sent as a text that could hold several.
            live = self.live[table.name]
            with translated(self.session, self.name):
                self.session.rows(f"EXPLAIN SELECT 1 FROM {live.source} AS {_alias(table)} WHERE ({wanted.where}\n)")
                return self._stored(table, f"({wanted.where}\n)")
        joined = " OR " if wanted.any else " AND "
        with translated(self.session, self.name):
            return self._stored(table, self._equal(table, wanted.columns, wanted.values, joined))

    def _equal(self, table: Table, columns: Sequence[str], values: Sequence[Value], joined: str) -> str:
        told = zip(columns, values, strict=True)
        return joined.join(
            f"{quoted(_column(table, name).name)} = {sql_value(value, _column(table, name).type)}"
            for name, value in told
        )

    def _stored(self, table: Table, condition: str) -> list[Stored]:
        return [Stored(row) for row in self._selected(table, f" WHERE {condition}")]

    def _selected(self, table: Table, rest: str) -> Iterator[Record]:
        live: LiveTable = self.live[table.name]
        columns = columns_of_rows(table)
        listed = ", ".join(quoted(column.name) for column in columns)
        decoder = Decoder(columns, self.session.encoding)
        with tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(self._scratch)) as kept:
            self.session.copy_query(f"SELECT {listed} FROM {live.source} AS {_alias(table)}{rest}", kept.write)
            kept.seek(0)
            for line in kept:
                yield decoder.row(line[:-1])


def _alias(table: Table) -> str:
    return quoted(table.name.rpartition(".")[2])


def _column(table: Table, name: str) -> Column:
    found = table.column(name)
    if found is None:
        raise QueryError(f"{table.name} has no column {name!r}.", table=table.name)
    return found
