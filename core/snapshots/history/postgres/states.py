"""One state of a PostgreSQL database: a dump, or the live database in one transaction.

Values of both are the texts that COPY writes, decoded alike; so a row that nobody changed is equal in both.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from ...engines.postgres.session import Session, quoted
from ...errors import DatabaseUnavailable, QueryError
from ...models import Key, PlayerTables
from ..databases import Value
from ..player import player_key
from ..rescue.states import Foreseen, State, Stored, Wanted, numbers_beyond
from ..rescue.steps import Step
from ..tables import Column, ForeignKey, Table, find_table
from .archive import DumpArchive
from .catalog import Equality, TableNames, read_live_tables
from .conditions import as_the_game, as_written, rows_under, translated
from .constraints import Demanded, read_demanded, unread_children
from .copied import copied_lines
from .foresight import foresee
from .mentioned import require_no_parameters
from .planned_rows import alias_of
from .store import RowStore, columns_of_rows
from .values import Decoder, comparable, converted, same_key, sql_value

__all__ = ["DumpState", "LiveState", "PostgresState"]

_NO_VALUE = ("22", "23")
"""Classes of codes that say that a text is no value of a type."""
_SCANS = 3
"""How often a table is read from its archive before its rows are kept for finding them."""
Record = dict[str, Value]


class PostgresState(State):
    """What a dump and the live database have in common."""

    def __init__(self, name: str, tables: Mapping[str, Table], names: TableNames) -> None:
        super().__init__(name, tables)
        self._names = names
        self._full = {table.full_name: table for table in self.tables.values()}
        names.learn(self.tables.values())

    def table(self, name: str) -> Table | None:
        """Return a table by what it is called in this state, or in another one of the question; None if there is none.

        Raises QueryError if it may not be read.
        """
        full = [self._full[each] for each in (name, *sorted(self._names.full_names(name))) if each in self._full]
        return super().table(name) or (full[0] if len(set(full)) == 1 else None)

    def like(self, table: Table) -> Table | None:
        """Return the table that is another state's; None if there is none. Raises QueryError if it may not be read."""
        return self._full.get(table.full_name) or self.table(table.name)

    def named(self, name: str) -> Table:
        """Return a table that a person names. Raises QueryError if there is none or it may not be read."""
        return self.table(name) or find_table(self.tables, name, self.name)

    def player_key(self, player: PlayerTables, given: str) -> Value:
        """Return the key of the player whom a person names; raise QueryError."""
        here = self.table(player.table)
        found = player if here is None else msgspec.structs.replace(player, table=here.name)
        return player_key(self.tables, found, given, self.name, self.matching)

    def matching(self, table: Table, columns: Sequence[str], value: Value) -> Iterator[Record]:
        """Yield the rows of a table in which any of these columns has a value."""
        wanted = Wanted(table.name, tuple(columns), (value,) * len(columns), any=True)
        return (row.values for row in self._rows(table, wanted))

    def all_rows(self, table: Table) -> Iterator[Record]:
        """Yield every row of a table."""
        raise NotImplementedError

    @property
    def encoding(self) -> str:
        """The encoding of the database."""
        raise NotImplementedError

    def lines(self, table: Table, columns: Sequence[str]) -> Iterator[bytes]:
        """Yield every row of a table as COPY writes these columns of it."""
        raise NotImplementedError

    def first_rows(self, table: Table, most: int) -> Iterator[Record]:
        """Yield at most so many rows of a table."""
        return islice(self.all_rows(table), most)

    def count(self, table: Table) -> int:
        """Return how many rows a table has."""
        raise NotImplementedError

    def comparable(self, table: Table, name: str, value: Value) -> Value:
        """Return what is equal for two values if they are the same one in a column, whatever type they come from."""
        column = table.column(name)
        return value if column is None else comparable(value, column)

    def highest_number(self, table: Table) -> int:
        """Return 0: rows have no numbers."""
        return 0

    def foresee(self, table: Table, steps: Sequence[Step]) -> Foreseen:
        """Return nothing: nobody changes rows of the past."""
        return Foreseen()

    def spares(self, table: Table, name: str, number: int) -> Iterator[Value]:
        """Yield nothing: nobody changes rows of the past."""
        return iter(())


class DumpState(PostgresState):
    """A dump. ``session`` returns one of the live database, for conditions that are written in SQL."""

    def __init__(
        self, archive: DumpArchive, name: str, store: RowStore, session: Callable[[], Session], names: TableNames
    ) -> None:
        super().__init__(name, archive.tables, names)
        self.archive = archive
        self._store = store
        self._session = session
        self._scans: Counter[str] = Counter()
        self._written_as: LiveState | None = None

    def write_as(self, live: LiveState) -> None:
        """Give the values of rows as the columns of the live database hold them from now on."""
        self._written_as = live

    def key_of(self, table: Table, given: Key) -> tuple[Value, ...]:
        """Return the values of a key that a person gave, as the dump has them; raise QueryError."""
        values = super().key_of(table, given)
        if self.rows(Wanted(table.name, table.identity, values)):
            return values
        return as_written(self._session(), table, table.identity, values)

    def all_rows(self, table: Table) -> Iterator[Record]:
        """Yield every row of a table."""
        return self.archive.rows(table)

    @property
    def encoding(self) -> str:
        """The encoding of the dump."""
        return self.archive.encoding

    def lines(self, table: Table, columns: Sequence[str]) -> Iterator[bytes]:
        """Yield every row of a table as COPY writes these columns of it."""
        return self.archive.lines(table, columns)

    def count(self, table: Table) -> int:
        """Return how many rows a table has: the manifest says it, except in old dumps."""
        known = self.archive.count(table)
        return sum(1 for _ in self.archive.rows(table)) if known is None else known

    def with_content(self, table: Table, values: Mapping[str, Value]) -> list[Stored]:
        """Return the rows whose columns have exactly these values, NULL included."""
        found = self._found(table, tuple(values), tuple(values.values()), any_of=False)
        return [self._stored(table, row) for row in found]

    def _rows(self, table: Table, wanted: Wanted) -> list[Stored]:
        if wanted.where:
            under = rows_under(self._session(), table, self.all_rows(table), wanted.where, self.name)
            return [self._stored(table, row) for row in under]
        if None in wanted.values and not wanted.any:
            return []  # as in SQL, nothing is equal to NULL
        found = self._found(table, wanted.columns, wanted.values, any_of=wanted.any)
        return [self._stored(table, row) for row in found]

    def _stored(self, table: Table, row: Record) -> Stored:
        present = None if self._written_as is None else self._written_as.like(table)
        if present is None:
            return Stored(row)
        columns = {column.name: (column, present.column(column.name)) for column in table.columns}
        return Stored(
            {
                name: value if (pair := columns[name])[1] is None else converted(value, pair[0].type, pair[1])
                for name, value in row.items()
            }
        )

    def _found(
        self, table: Table, columns: Sequence[str], values: Sequence[Value], *, any_of: bool
    ) -> Iterator[Record]:
        if any(_column(table, column).generated for column in columns):
            return iter(())  # no dump has computed values
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

    checks_references_at_once = True

    def __init__(self, session: Session, scratch: Path, names: TableNames) -> None:
        self.live, self._unreadable = read_live_tables(session)
        self._scratch = scratch
        self._demanded: dict[str, Demanded] = {}
        super().__init__("the live database", {name: each.table for name, each in self.live.items()}, names)
        self.session = session
        self._equality = Equality(session)
        self._castable: dict[tuple[Value, str], bool] = {}

    def table(self, name: str) -> Table | None:
        """Return a table, as for every state. Raises QueryError if the role may not read it."""
        found = super().table(name)
        hidden = {name, *self._names.full_names(name)} | ({f"public.{name}"} if "." not in name else set())
        unreadable = None if found else next((each for each in self._unreadable if each in hidden), None)
        if unreadable is not None:
            raise QueryError(
                f"The role may not read {unreadable} in the live database (any more): GRANT SELECT, or the policies of "
                "its row security, keep it from that.",
                table=name,
            )
        return found

    def like(self, table: Table) -> Table | None:
        """Return the table that is another state's. Raises QueryError if the role may not read it."""
        return super().like(table) if table.full_name not in self._unreadable else self.table(table.full_name)

    def can_be_open(self, table: Table, key: ForeignKey) -> bool:
        """Return True if rows may refer to nothing for the moment in which what they refer to is not there."""
        return bool(self.open_columns(table, key))

    def open_columns(self, table: Table, key: ForeignKey) -> set[str]:
        """Return the columns of a foreign key that can be NULL for a moment."""
        fixed = {*self._demands(table).never_null, *table.key}
        return set(key.columns) - fixed if table.key else set()

    def all_rows(self, table: Table) -> Iterator[Record]:
        """Yield every row of a table."""
        return self._selected(table, "")

    @property
    def encoding(self) -> str:
        """The encoding of the database."""
        return self.session.encoding

    def lines(self, table: Table, columns: Sequence[str]) -> Iterator[bytes]:
        """Yield every row of a table as COPY writes these columns of it."""
        query = f"SELECT {', '.join(map(quoted, columns))} FROM {self.live[table.name].source}"
        return copied_lines(self.session, query, self._scratch)

    def first_rows(self, table: Table, most: int) -> Iterator[Record]:
        """Yield at most so many rows of a table."""
        return self._selected(table, f" LIMIT {int(most)}")

    def count(self, table: Table) -> int:
        """Return how many rows a table has."""
        return int(self.session.value(f"SELECT count(*) FROM {self.live[table.name].source}") or 0)

    def selection(self, table: Table) -> str:
        """Return the SQL that gives the rows of a table."""
        return f"SELECT * FROM {self.live[table.name].source}"

    def tells_apart(self, table: Table, columns: Sequence[str]) -> bool:
        """Return True if no two rows have the same values in these columns."""
        # As texts, because some types cannot be compared.
        named = ", ".join(f"{quoted(name)}::text" for name in columns)
        source = self.live[table.name].source
        return not self.session.rows(f"SELECT 1 FROM {source} GROUP BY {named} HAVING count(*) > 1 LIMIT 1")

    def with_content(self, table: Table, values: Mapping[str, Value]) -> list[Stored]:
        """Return the rows whose columns have exactly these values, NULL included."""
        # As texts, because some types cannot be compared.
        said = [
            f"{quoted(name)}::text IS NOT DISTINCT FROM {sql_value(value, _column(table, name).type)}::text"
            for name, value in values.items()
        ]
        return self._stored(table, " AND ".join(said) or "true")

    def by_key(self, name: str, columns: Sequence[str], values: Sequence[Value]) -> Stored | None:
        """Return the row of a table whose columns have these values, or None: today's types may have no such values."""
        try:
            return super().by_key(name, columns, values)
        except QueryError:
            table = self.table(name)
            if table is None or self._are_values(table, columns, values):
                raise
            return None

    def _are_values(self, table: Table, columns: Sequence[str], values: Sequence[Value]) -> bool:
        casts = [sql_value(value, _column(table, name).type) for name, value in zip(columns, values, strict=True)]
        try:
            with self.session.savepoint():
                self.session.rows(f"SELECT {', '.join(casts)}")
        except DatabaseUnavailable as error:
            if not str(error.data.get("code", "")).startswith(_NO_VALUE):
                raise
            return False
        return True

    def foresee(self, table: Table, steps: Sequence[Step]) -> Foreseen:
        """Return what stands against steps, all of one table."""
        return foresee(self.session, self.live[table.name], self._demands(table), self._records, steps)

    def unread_children(self, table: Table) -> tuple[str, ...]:
        """Return tables that refer to a table and whose rows cannot be read."""
        return unread_children(self.session, self.live[table.name], {each.oid for each in self.live.values()})

    def spares(self, table: Table, name: str, number: int) -> Iterator[Value]:
        """Yield values of a column that no row has: NULL, else numbers, a text, or an empty range."""
        column = _column(table, name)
        if name not in self._demands(table).never_null:
            yield None
        if column.type in ("smallint", "integer", "bigint") or column.type.startswith("numeric"):
            ends = f"floor(coalesce(min({quoted(name)}), 0))::text, ceil(coalesce(max({quoted(name)}), 0))::text"
            lowest, highest = self.session.rows(f"SELECT {ends} FROM {self.live[table.name].quoted}")[0]
            if lowest.lstrip("-").isdigit() and highest.lstrip("-").isdigit():
                yield from numbers_beyond(int(lowest), int(highest), number)
        elif column.type.endswith("range"):
            yield "empty"
        elif not column.type.startswith(("date", "time")):
            yield str(uuid.uuid4())

    def _demands(self, table: Table) -> Demanded:
        if table.name not in self._demanded:
            self._demanded[table.name] = read_demanded(self.session, self.live[table.name])
        return self._demanded[table.name]

    def _rows(self, table: Table, wanted: Wanted) -> list[Stored]:
        if wanted.where:
            # Taken as one statement first: a COPY is sent as a text that could hold several.
            live = self.live[table.name]
            require_no_parameters(wanted.where)
            with as_the_game(self.session), translated(self.session, self.name):
                self.session.rows(f"EXPLAIN SELECT 1 FROM {live.source} AS {alias_of(table)} WHERE ({wanted.where}\n)")
                return self._stored(table, f"({wanted.where}\n)")
        if wanted.any:
            return self._with_any(table, zip(wanted.columns, wanted.values, strict=True))
        with translated(self.session, self.name):
            return self._stored(table, self._equal(table, wanted.columns, wanted.values, " AND "))

    def _with_any(self, table: Table, wanted: Iterable[tuple[str, Value]]) -> list[Stored]:
        """Return the rows in which any column has its value; one of a type that cannot have it does not have it."""
        told = [(name, value) for name, value in wanted if self._can_be(value, _column(table, name).type)]
        if not told:
            return []
        with translated(self.session, self.name):
            names, values = [name for name, _ in told], [value for _, value in told]
            return self._stored(table, self._equal(table, names, values, " OR "))

    def _can_be(self, value: Value, declared: str) -> bool:
        if (value, declared) not in self._castable:
            try:
                with translated(self.session, self.name):
                    self.session.rows(f"SELECT {sql_value(value, declared)}")
                self._castable[value, declared] = True
            except QueryError:
                self._castable[value, declared] = False
        return self._castable[value, declared]

    def _equal(self, table: Table, columns: Sequence[str], values: Sequence[Value], joined: str) -> str:
        told = [(_column(table, name), value) for name, value in zip(columns, values, strict=True)]
        return joined.join(
            f"{quoted(column.name)} {self._equality.of(column.type)} {sql_value(value, column.type)}"
            for column, value in told
        )

    def _stored(self, table: Table, condition: str) -> list[Stored]:
        return [Stored(row) for row in self._selected(table, f" WHERE {condition}")]

    def _selected(self, table: Table, rest: str) -> Iterator[Record]:
        columns = columns_of_rows(table)
        listed = ", ".join(quoted(column.name) for column in columns)
        return self._records(f"SELECT {listed} FROM {self.live[table.name].source} AS {alias_of(table)}{rest}", columns)

    def _records(self, query: str, columns: Sequence[Column]) -> Iterator[Record]:
        decoder = Decoder(columns, self.session.encoding)
        return map(decoder.row, copied_lines(self.session, query, self._scratch))


def _column(table: Table, name: str) -> Column:
    found = table.column(name)
    if found is None:
        raise QueryError(f"{table.name} has no column {name!r}.", table=table.name)
    return found
