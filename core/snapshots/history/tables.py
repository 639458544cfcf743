"""The tables of a state, read from that state's own schema, and what a key that a person writes means there."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from ..errors import QueryError
from ..models import Key
from ..units import count_text
from .databases import Database, Row, Value, quoted

__all__ = [
    "Column",
    "ForeignKey",
    "Table",
    "as_record",
    "find_table",
    "json_record",
    "json_value",
    "key_values",
    "read_tables",
    "rows_by_key",
    "same_record",
    "same_value",
    "selected",
    "table_called",
    "typed",
]

_ROWID_NAMES = ("rowid", "_rowid_", "oid")
_GENERATED = (2, 3)
_INTEGER_MAX = 1 << 63
_INTEGER = re.compile(r"[+-]?[0-9]+")
_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Column(msgspec.Struct, frozen=True):
    """A column: its declared type, and whether its values are computed from others.

    ``kind`` is what its values are, for an engine in which the declared type does not say it by its letters.
    ``expression`` is what a computed one is computed from, where that is known. ``fixed`` ones are written in new rows
    only.
    """

    name: str
    type: str
    generated: bool = False
    kind: str | None = None
    expression: str = ""
    fixed: bool = False

    @property
    def affinity(self) -> str:
        """The type that SQLite prefers for it (https://www.sqlite.org/datatype3.html, 3.1)."""
        if self.kind is not None:
            return self.kind
        declared = self.type.upper()
        if "INT" in declared:
            return "INTEGER"
        if any(word in declared for word in ("CHAR", "CLOB", "TEXT")):
            return "TEXT"
        if not declared or "BLOB" in declared:
            return "BLOB"
        return "REAL" if any(word in declared for word in ("REAL", "FLOA", "DOUB")) else "NUMERIC"


class ForeignKey(msgspec.Struct, frozen=True):
    """Columns that refer to columns of another table."""

    columns: tuple[str, ...]
    table: str
    to: tuple[str, ...]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table. ``key`` are the columns of its primary key, or of a unique constraint that takes no NULL; else none.

    ``rowid`` is a name under which the number of a row can be asked for, or None (WITHOUT ROWID, or all names taken).
    ``integer_key`` is True if the key is that number. ``full_name`` is the name with its schema, where there are any.
    """

    name: str
    sql: str
    root: int
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rowid: str | None
    without_rowid: bool
    integer_key: bool
    foreign_keys: tuple[ForeignKey, ...] = ()
    full_name: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in their order."""
        return tuple(column.name for column in self.columns)

    @property
    def rowid_quoted(self) -> str:
        """The name of the row's number, as SQL writes it."""
        return quoted(self.rowid or "rowid")

    @property
    def identity(self) -> tuple[str, ...]:
        """What a row is told by: its key, else its number."""
        return self.key or ((self.rowid,) if self.rowid else self.names)

    def column(self, name: str) -> Column | None:
        """Return a column by its name, whatever its case unless two differ in nothing else."""
        return _called(self.columns, name)


def read_tables(database: Database, schema: str = "main") -> dict[str, Table]:
    """Return the tables of a state by name; not SQLite's own, not views and not virtual tables."""
    listed = database.all(f"SELECT name, type, wr FROM pragma_table_list WHERE schema = '{schema}'")
    kinds = {str(name): (str(kind), bool(without)) for name, kind, without in listed}
    found = {}
    for name, sql, root in database.all(
        f"SELECT name, sql, rootpage FROM {schema}.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' "
        "ESCAPE '\\' ORDER BY rowid"
    ):
        kind, without_rowid = kinds.get(str(name), ("table", False))
        if kind in ("table", "shadow") and isinstance(root, int) and root:
            found[str(name)] = _table(database, schema, str(name), str(sql or ""), root, without_rowid)
    return found


def _table(database: Database, schema: str, name: str, sql: str, root: int, without_rowid: bool) -> Table:
    columns, key, needed = [], [], set()
    for _, column, declared, must, _, position, hidden in database.rows(f"PRAGMA {schema}.table_xinfo({quoted(name)})"):
        if hidden == 1:
            continue
        columns.append(Column(str(column), str(declared or ""), hidden in _GENERATED))
        if must:
            needed.add(str(column))
        if isinstance(position, int) and position:
            key.append((position, str(column), str(declared or "")))
    key.sort()
    indexes = database.all(f"PRAGMA {schema}.index_list({quoted(name)})")
    unique = [] if key else _unique_key(database, schema, indexes, needed)
    taken = {column.name.lower() for column in columns}
    rowid = None if without_rowid else next((each for each in _ROWID_NAMES if each not in taken), None)
    has_index = any(row[3] == "pk" for row in indexes)
    integer_key = len(key) == 1 and not without_rowid and key[0][2].upper() == "INTEGER" and not has_index
    return Table(
        name=name,
        sql=sql,
        root=root,
        columns=tuple(columns),
        key=tuple(column for _, column, _ in key) or tuple(unique),
        rowid=key[0][1] if integer_key else rowid,
        without_rowid=without_rowid,
        integer_key=integer_key,
        foreign_keys=_foreign_keys(database, schema, name),
    )


def _unique_key(database: Database, schema: str, indexes: list[Row], needed: set[str]) -> list[str]:
    """Return the columns of the first unique constraint that takes no NULL; none if there is none."""
    for _, index, unique, origin, partial, *_ in reversed(indexes):
        columns = [row[2] for row in database.rows(f"PRAGMA {schema}.index_info({quoted(str(index))})")]
        if unique and origin == "u" and not partial and columns and all(column in needed for column in columns):
            return [str(column) for column in columns]
    return []


def _foreign_keys(database: Database, schema: str, name: str) -> tuple[ForeignKey, ...]:
    found: dict[Value, list[Row]] = {}
    for row in database.rows(f"PRAGMA {schema}.foreign_key_list({quoted(name)})"):
        found.setdefault(row[0], []).append(row)
    return tuple(
        ForeignKey(
            tuple(str(row[3]) for row in rows),
            str(rows[0][2]),
            tuple("" if row[4] is None else str(row[4]) for row in rows),
        )
        for _, rows in sorted(found.items(), key=repr)
    )


def find_table(tables: Mapping[str, Table], name: str, where: str) -> Table:
    """Return a table by its name, whatever its case; raise QueryError that lists those there are ``where``."""
    table = table_called(tables, name)
    if table is not None:
        return table
    there = ", ".join(sorted(tables)) or "none"
    raise QueryError(f"There is no table {name!r} in {where}. The tables there: {there}.", table=name)


def table_called(tables: Mapping[str, Table], name: str) -> Table | None:
    """Return a table by its name, with or without its schema, whatever its case; None if there is none."""
    found = _called(tables.values(), name)
    plain = name.replace('"', "").lower()
    return found or next((table for table in tables.values() if table.full_name.lower() == plain), None)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Thing = TypeVar("Thing", bound=_Named)


def _called(things: Iterable[Thing], name: str) -> Thing | None:
    """Return what is called exactly so, else what is called so but for its case; None if nothing is."""
    alike = [thing for thing in things if thing.name.lower() == name.lower()]
    return next((thing for thing in alike if thing.name == name), alike[0] if alike else None)


def key_values(table: Table, given: Key) -> tuple[Value, ...]:
    """Return the values of a key as the table's columns hold them; raise QueryError that says what is wrong."""
    columns = table.identity
    if len(given) != len(columns):
        wanted = ", ".join(columns)
        raise QueryError(
            f"A row of {table.name} is told by {count_text(len(columns), 'value')} ({wanted}), not by {len(given)}.",
            table=table.name,
        )
    return tuple(_key_value(table, name, value) for name, value in zip(columns, given, strict=True))


def _key_value(table: Table, name: str, given: str | None) -> Value:
    if given is None:
        raise QueryError(f"NULL in {name} tells no single row of {table.name}; ask with a query.", table=table.name)
    column = table.column(name) or Column(name, "INTEGER")
    return typed(column, given, table.name)


def typed(column: Column, given: str, table: str) -> Value:
    """Return a value that a person wrote as a column holds it; raise QueryError if it is of another type."""
    affinity = column.affinity
    if affinity == "TEXT":
        return given
    if affinity == "BLOB" and given.lower().startswith("x'") and given.endswith("'"):
        try:
            return bytes.fromhex(given[2:-1])
        except ValueError:
            raise _other_type(column, given, table, "a blob like x'00ff'") from None
    number = _number(given)
    if number is None or (affinity == "INTEGER" and not isinstance(number, int)):
        if affinity in ("INTEGER", "REAL"):
            raise _other_type(column, given, table, "a whole number" if affinity == "INTEGER" else "a number")
        return given
    if isinstance(number, int) and not -_INTEGER_MAX <= number < _INTEGER_MAX:
        raise _other_type(column, given, table, "a number of 64 bits")
    return float(number) if affinity == "REAL" else number


def _other_type(column: Column, given: str, table: str, wanted: str) -> QueryError:
    return QueryError(f"{given!r} is no key of {table}: {column.name} is {wanted}.", table=table, column=column.name)


def _number(text: str) -> int | float | None:
    """Return the number that a text is, as SQLite would; Python takes more for one: "1_0", digits of other scripts."""
    text = text.strip(" \t\n\v\f\r")
    if _INTEGER.fullmatch(text):
        return int(text)
    if not _REAL.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def rows_by_key(
    database: Database, table: Table, columns: Sequence[str], values: Sequence[Value]
) -> list[dict[str, Value]]:
    """Return the rows of a table whose columns have these values."""
    condition = " AND ".join(f"{quoted(column)} = ?" for column in columns)
    sql = f"SELECT {selected(table)} FROM {quoted(table.name)} WHERE {condition}"
    return [as_record(table, row) for row in database.rows(sql, values)]


def selected(table: Table) -> str:
    """Return the columns of a table as a query names them."""
    return ", ".join(quoted(name) for name in table.names)


def as_record(table: Table, row: Row) -> dict[str, Value]:
    """Return a row by the names of its columns."""
    return dict(zip(table.names, row, strict=True))


def same_value(first: Value, second: Value) -> bool:
    """Return True if two values are the same; a number and a text never are, and NaN is NaN."""
    return first == second or (first != first and second != second)


def same_record(before: Mapping[str, Value] | None, after: Mapping[str, Value] | None) -> bool:
    """Return True if two rows are the same in the columns that both have; None is no row."""
    if before is None or after is None:
        return before is after
    return all(same_value(before[name], after[name]) for name in before.keys() & after.keys())


def json_value(value: Value) -> Any:
    """Return a value as answers hold it (see ``models.history``)."""
    if isinstance(value, bytes):
        return {"blob": value.hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"real": str(value)}
    return value


def json_record(record: dict[str, Value]) -> dict[str, Any]:
    """Return a row as answers hold it."""
    return {name: json_value(value) for name, value in record.items()}
