"""SQL about rows of the past, answered by the live server: the rows are sent along, so that nothing must be restored.

The rows become relations inside the statement, with the types of their own day and the names of their tables. A
statement that would read anything else of the present is refused: its plan tells. The search path is the role's own, so
that operators and functions are found as they are by the game. The statements run in transactions that only read, one
at a time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import NamedTuple

from ...engines.postgres.session import Session, quoted
from ...errors import DatabaseBusy, DatabaseUnavailable, QueryError, SnapshotError
from ..databases import Value
from ..tables import Column, Table
from .foresight import reason_of
from .mentioned import require_no_parameters
from .store import columns_of_rows
from .values import sql_value, text_of

__all__ = ["Relation", "as_the_game", "as_written", "holds", "relation_of", "rows_under", "translated"]

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
    reads: str = ""
    """The full name of the table that is read as it is now, for the present."""


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
            f"PostgreSQL refuses this for {where}: {reason_of(error)}.",
            detail=str(error),
            unknown=str(error.data["code"]) in _UNKNOWN,
        ) from error
    session.execute("RELEASE SAVEPOINT asked")


def rows_under(session: Session, table: Table, rows: Iterable[Record], condition: str, where: str) -> Iterator[Record]:
    """Yield the rows under a condition; raise QueryError if the server refuses it."""
    require_no_parameters(condition)
    columns, left = _castable(session, _askable(table, condition)), iter(rows)
    while True:
        batch = list(islice(left, _AT_ONCE))
        relation = _relation(table, columns, batch, 1, numbered=True)
        sql = f"SELECT {_number_of(table)} FROM ({relation.sql}) AS {_alias(table)} WHERE ({condition}\n)"
        with as_the_game(session), translated(session, where):
            _require_of_the_past(session, sql, relation.parameters, ())
            found = sorted(int(number) for (number,) in session.rows(sql, *relation.parameters))
        yield from (batch[number - 1] for number in found)
        if len(batch) < _AT_ONCE:
            return


def holds(session: Session, relations: Sequence[Relation], question: str, where: str) -> bool:
    """Return True if the first value of a query is true; raise QueryError if the server refuses it."""
    ctes = ", ".join(f"{quoted(each.name)} AS ({each.sql})" for each in relations)
    sql = f"{'WITH ' + ctes if ctes else ''} SELECT * FROM ({question}\n) AS asked LIMIT 1"
    parameters = [parameter for each in relations for parameter in each.parameters]
    if any(each.reads for each in relations):
        _require_known(session, sql, where)
    with as_the_game(session), translated(session, where):
        _require_of_the_past(session, sql, parameters, [each.reads for each in relations])
        rows = session.rows(sql, *parameters)
    return bool(rows and rows[0][0])


def as_written(session: Session, table: Table, columns: Sequence[str], values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Return a key as PostgreSQL writes it: there can be many ways to write one. What it refuses stays as it is."""
    if not any(isinstance(value, str) for value in values):
        return values
    types = {column.name: kind for column, kind in _castable(session, columns_of_rows(table))}
    try:
        with translated(session, f"a key of {table.name}"):
            rows = [
                session.value(f"SELECT {sql_value(value, types[name])}::text")
                if isinstance(value, str) and name in types
                else value
                for name, value in zip(columns, values, strict=True)
            ]
    except QueryError:
        return values  # it can have been a value of its type then
    return tuple(rows)


@contextmanager
def as_the_game(session: Session) -> Iterator[None]:
    """Find names as the game does, until the end of the block; it must be in a transaction."""
    session.value("SELECT pg_catalog.set_config('search_path', $1, true)", session.search_path)
    try:
        yield
    finally:
        with suppress(SnapshotError):  # the transaction has failed, and ends with its settings
            session.value("SELECT pg_catalog.set_config('search_path', '', true)")


def relation_of(
    session: Session, name: str, table: Table, rows: Iterable[Record], question: str, first: int
) -> Relation:
    """Return a table's rows as a relation for a question, whose parameters count from ``first``."""
    columns = _castable(session, _askable(table, question))
    return _relation(table, columns, rows, first, numbered=False)._replace(name=name)


def _require_known(session: Session, sql: str, where: str) -> None:
    """Raise QueryError if a statement about the present names what no dump has, such as a view of the same tables."""
    try:
        with translated(session, where):
            session.rows(f"EXPLAIN {sql}")
    except QueryError as error:
        if error.data.get("unknown"):  # anything else may only be out of an empty search path
            raise


def _require_of_the_past(session: Session, sql: str, parameters: Sequence[object], allowed: Sequence[str]) -> None:
    """Raise QueryError if a statement reads a table of the present other than these."""
    nothing: list[list[str]] = [[] for _ in parameters]  # the rows need not be sent for a plan
    (plan,) = session.rows(f"EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) {sql}", *nothing)[0]
    for schema, name in _relations_in(json.loads(plan)):
        if schema != "pg_catalog" and f"{schema}.{name}" not in allowed:
            raise QueryError(f"{schema}.{name} would be read as it is now: ask about tables of that day.", unknown=True)


def _relations_in(plan: object) -> Iterator[tuple[str, str]]:
    if isinstance(plan, dict):
        if "Relation Name" in plan:
            yield str(plan.get("Schema")), str(plan["Relation Name"])
        plan = list(plan.values())
    for each in plan if isinstance(plan, list) else ():
        yield from _relations_in(each)


def _askable(table: Table, question: str) -> list[Column]:
    """Return the columns that a question can be about: those with values in a dump, and the computed that it names."""
    words = set(re.findall(r"\w+", question.lower()))
    named = [
        column
        for column in table.columns
        if column.generated and column.expression and words & set(re.findall(r"\w+", column.name.lower()))
    ]
    return [*columns_of_rows(table), *named]


def _castable(session: Session, columns: Sequence[Column]) -> list[tuple[Column, str]]:
    """Return with each column the type that its values can have today: text, if its own type is no more."""
    found = []
    for column in columns:
        bare = re.sub(r"\(.*?\)", "", column.type)
        known = session.value("SELECT pg_catalog.to_regtype($1) IS NOT NULL", bare)
        found.append((column, column.type if known else "text"))
    return found


def _relation(
    table: Table, columns: Sequence[tuple[Column, str]], rows: Iterable[Record], first: int, *, numbered: bool
) -> Relation:
    stored = [(column, kind) for column, kind in columns if not column.generated]
    arrays: tuple[list[str | None], ...] = tuple([] for _ in stored)
    for row in rows:
        for array, (column, _) in zip(arrays, stored, strict=True):
            array.append(text_of(row[column.name], column))
    sources = ", ".join(f"pg_catalog.unnest(${first + number}::text[])" for number in range(len(stored)))
    raw = ", ".join(f"c{number}" for number in range(len(stored)))
    cast = [f"CAST(c{number} AS {kind}) AS {quoted(column.name)}" for number, (column, kind) in enumerate(stored)]
    if numbered or not cast:
        cast.append(_number_of(table))
    sql = f"SELECT {', '.join(cast)} FROM ROWS FROM ({sources}) WITH ORDINALITY AS raw ({raw}, {_number_of(table)})"
    computed = [
        f"CAST(({column.expression}) AS {kind}) AS {quoted(column.name)}"
        for column, kind in columns
        if column.generated
    ]
    if computed:
        sql = f"SELECT stored.*, {', '.join(computed)} FROM ({sql}) AS stored"
    return Relation(table.name, sql, arrays)


def _number_of(table: Table) -> str:
    """Return a name for the number of a row that no column has."""
    longest = max((len(column.name) for column in table.columns if column.name.startswith("row_number")), default=0)
    return "row_number".ljust(longest + 1, "_")


def _alias(table: Table) -> str:
    return quoted(table.name.rpartition(".")[2])
