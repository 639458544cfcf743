"""SQL about rows of the past, answered by the live server: the rows are sent along, so that nothing must be restored.

The rows become a relation inside the statement, with the types of their own day. The search path of our sessions is
empty, so that a table's bare name means those rows or nothing; names with a schema would mean the present, and are
refused. The statements run in transactions that only read, one at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

from ...engines.postgres.session import Session, quoted
from ...errors import DatabaseBusy, DatabaseUnavailable, QueryError
from ..databases import Value
from ..tables import Column, Table
from .store import columns_of_rows
from .values import text_of

__all__ = ["Relation", "holds", "relation_of", "require_bare_names", "rows_under", "tables_in", "translated"]

_AT_ONCE = 5000
_WRONG_SQL = ("22", "23", "42", "0A", "25", "2F", "39", "P0")
"""Classes of codes that say that the statement is wrong, not the server."""
_UNKNOWN = ("42P01", "42703")
"""A table or a column that is not there."""
Record = dict[str, Value]


class Relation(NamedTuple):
    """A table of a statement: the SQL that gives its rows, and the parameters of that SQL."""

    name: str
    sql: str
    parameters: tuple[Sequence[str | None], ...] = ()


@contextmanager
def translated(session: Session, where: str) -> Iterator[None]:
    """Turn what the server says of wrong SQL into a QueryError, and go on after it in the same transaction."""
    session.execute("SAVEPOINT asked")
    try:
        yield
    except DatabaseBusy as error:
        if "statement timeout" not in str(error):
            raise
        raise QueryError("The query takes too long: ask for less, or by columns that have an index.") from error
    except DatabaseUnavailable as error:
        if not str(error.data.get("code", "")).startswith(_WRONG_SQL):
            raise
        session.execute("ROLLBACK TO SAVEPOINT asked")
        raise QueryError(
            f"PostgreSQL refuses this for {where}: {error.data['detail']}.",
            detail=str(error),
            unknown=str(error.data["code"]) in _UNKNOWN,
        ) from error
    session.execute("RELEASE SAVEPOINT asked")


def rows_under(session: Session, table: Table, rows: Iterable[Record], condition: str, where: str) -> Iterator[Record]:
    """Yield the rows under a condition; raise QueryError if the server refuses it."""
    columns, left = _castable(session, columns_of_rows(table)), iter(rows)
    while True:
        batch = list(islice(left, _AT_ONCE))
        relation = _relation(table, columns, batch, 1, numbered=True)
        sql = f"SELECT row_number_ FROM ({relation.sql}) AS {_alias(table)} WHERE ({condition}\n)"
        with translated(session, where):
            found = sorted(int(number) for (number,) in session.rows(sql, *relation.parameters))
        yield from (batch[number - 1] for number in found)
        if len(batch) < _AT_ONCE:
            return


def holds(session: Session, relations: Sequence[Relation], question: str, where: str) -> bool:
    """Return True if the first value of a query is true; raise QueryError if the server refuses it."""
    ctes = ", ".join(f"{quoted(each.name)} AS ({each.sql})" for each in relations)
    sql = f"{'WITH ' + ctes if ctes else ''} SELECT * FROM ({question}\n) AS asked LIMIT 1"
    with translated(session, where):
        rows = session.rows(sql, *(parameter for each in relations for parameter in each.parameters))
    return bool(rows and rows[0][0])


def relation_of(session: Session, table: Table, rows: Iterable[Record], first: int) -> Relation:
    """Return a table's rows as a relation, whose parameters count from ``first``."""
    return _relation(table, _castable(session, columns_of_rows(table)), list(rows), first, numbered=False)


def require_bare_names(session: Session, text: str) -> None:
    """Raise QueryError if a text names a table with its schema, since that is a table of the present."""
    for (schema,) in session.rows("SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname <> 'pg_catalog'"):
        if re.search(rf'(?<![\w"])"?{re.escape(schema)}"?\s*\.', text, re.IGNORECASE):
            raise QueryError(f"Name tables without their schema here: {schema}.… would be read as it is now.")


def _castable(session: Session, columns: Sequence[Column]) -> list[tuple[Column, str]]:
    """Return with each column the type that its values can have today: text, if its own type is no more."""
    found = []
    for column in columns:
        bare = re.sub(r"\(.*?\)", "", column.type)
        known = session.value("SELECT pg_catalog.to_regtype($1) IS NOT NULL", bare)
        found.append((column, column.type if known else "text"))
    return found


def _relation(
    table: Table, columns: Sequence[tuple[Column, str]], rows: Sequence[Record], first: int, *, numbered: bool
) -> Relation:
    arrays = tuple([text_of(row[column.name], column) for row in rows] for column, _ in columns)
    sources = ", ".join(f"pg_catalog.unnest(${first + number}::text[])" for number in range(len(columns)))
    raw = ", ".join(f"c{number}" for number in range(len(columns)))
    cast = [f"CAST(c{number} AS {kind}) AS {quoted(column.name)}" for number, (column, kind) in enumerate(columns)]
    if numbered or not cast:
        cast.append("row_number_")
    sql = f"SELECT {', '.join(cast)} FROM ROWS FROM ({sources}) WITH ORDINALITY AS raw ({raw}, row_number_)"
    return Relation(table.name, sql, arrays)


def _alias(table: Table) -> str:
    return quoted(table.name.rpartition(".")[2])


def tables_in(text: str, tables: Mapping[str, Table]) -> list[Table]:
    """Return the tables whose names are words of a text."""
    words = set(re.findall(r'"([^"]+)"', text)) | {word.lower() for word in re.findall(r"\w+", text)}
    return [table for table in tables.values() if table.name in words]
