"""Free questions in SQL for dumps: a query at one point, and the first point at which a condition holds.

A query is asked of the snapshot rebuilt as a scratch database, for which the role must be allowed to create one. A
condition needs only the tables that it names: their rows go along with the question.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...engines.postgres.rebuild import drop_quietly, rebuild
from ...engines.postgres.scratch import Image
from ...engines.postgres.session import Session, connected
from ...errors import QueryError
from ...models import FindChange, Point, QueryResult, Sums
from ...units import size_text
from ..conditions import Condition
from ..past import ARCHIVES, REBUILD, name_of
from ..query import ONLY_QUERIES, add_number, as_query
from ..tables import json_value
from .conditions import Relation, holds, relation_of, require_bare_names, tables_in, translated
from .past import PostgresPast, transaction
from .states import DumpState, LiveState, PostgresState

__all__ = ["find_change", "query", "sums"]

_SECONDS = 60.0
"""How long the server may work on one question."""
_MOST_BYTES = 256 * 1024 * 1024
_EFFECTS = re.compile(
    r"\b(pg_terminate_backend|pg_cancel_backend|pg_reload_conf|pg_rotate_logfile|pg_promote|pg_switch_wal|"
    r"pg_create_\w+|pg_drop_\w+|pg_read_\w+|pg_file_\w+|pg_ls_\w+|pg_stat_reset\w*|lo_import|lo_export|lo_unlink|"
    r"dblink\w*|pg_notify|pg_advisory_\w+|pg_try_advisory_\w+|pg_log_\w+)\s*\(",
    re.IGNORECASE,
)
"""Functions that do something outside of the transaction, or read the server's files."""


def query(past: PostgresPast, point: Point | None, sql: str, *, most: int) -> QueryResult:
    """Return the rows of a query at a point (None: now), at most so many; raise QueryError for anything but reading."""
    _require_reading(sql)
    name = "the live database" if point is None else f"snapshot {point.snapshot}"
    with _database(past, point) as session, transaction(session), _limited(session):
        path = session.search_path
        session.value("SELECT pg_catalog.set_config('search_path', $1, true)", path)
        with translated(session, name):
            columns, rows = session.described(f"{sql.rstrip().rstrip(';')}\n", most + 1)
    return QueryResult(
        at=name_of(point),
        columns=columns,
        rows=tuple(tuple(map(_shown, row)) for row in rows[:most]),
        truncated=len(rows) > most,
        by=ARCHIVES if point is None else REBUILD,
    )


def find_change(past: PostgresPast, condition: str, *, now: bool) -> FindChange:
    """Return the first point at which a condition holds, and the last before it; see ``history.query.find_change``."""
    _require_reading(as_query(condition))
    return _Condition(past, as_query(condition), now=now).find_change(condition)


def sums(past: PostgresPast, point: Point | None, questions: Sequence[str]) -> Sums:
    """Return the number that each question gives, whatever the point is; one that gives none is among the problems.

    Asked of the live database, where it costs one scan: the snapshot that was just taken is moments older.
    """
    values: dict[str, float] = {}
    problems: dict[str, str] = {}
    for question in questions:
        try:
            add_number(question, query(past, None, as_query(question), most=1).rows, values, problems)
        except QueryError as error:
            problems[question] = str(error)
    return Sums(values=values, problems=problems)


def _require_reading(sql: str) -> None:
    if not ONLY_QUERIES.match(sql):
        raise QueryError("Only a query can be asked: it begins with SELECT, WITH or VALUES.")
    found = _EFFECTS.search(sql)
    if found:
        raise QueryError(f"Only reading is allowed here, and {found[1]} does more.")


@contextmanager
def _database(past: PostgresPast, point: Point | None) -> Iterator[Session]:
    """Open a point as a database: rebuilt in scratch, and dropped in the end."""
    if point is None:
        yield past.session
        return
    image = past.scratch / f"asked-{secrets.token_hex(4)}"
    rebuild(past.address, past.busy_timeout, past.archive(point).part, image, past.watch, fresh=True)
    name = Image.read(image).database
    if name is None:
        raise QueryError(
            "To ask a query of the past, a snapshot is rebuilt beside the game, and the role may not create databases. "
            "Let it: ALTER ROLE … CREATEDB. look, history, diff and find-change need no such right."
        )
    try:
        scratch = past.address.with_database(name)
        with connected(scratch, past.watch, lock_timeout=past.busy_timeout) as session:
            yield session
    finally:
        drop_quietly(past.address, name)


@contextmanager
def _limited(session: Session) -> Iterator[None]:
    session.execute(f"SET LOCAL statement_timeout = {int(_SECONDS * 1000)}")
    yield


def _shown(value: Any) -> Any:
    """Return a value as answers hold it: what JSON has no word for is the text that PostgreSQL has for it."""
    if isinstance(value, bool | int | str | None):
        return value
    if isinstance(value, float | bytes):
        return json_value(value)
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, list | tuple):
        return [_shown(each) for each in value]
    return str(value)


class _Condition(Condition):
    """A condition in the server's SQL, asked once for equal tables."""

    def __init__(self, past: PostgresPast, sql: str, *, now: bool) -> None:
        super().__init__(past, now=now)
        self._past = past
        self._sql = sql
        self._known: dict[object, bool] = {}
        self._required = False

    def ask(self, point: Point | None) -> bool:
        """Return True if it holds at a point."""
        session = self._past.session
        with transaction(session), _limited(session), self._past.opened_within(point) as state:
            if not self._required:
                require_bare_names(session, self._sql)
                self._required = True
            told = _digests(state, self._sql)
            if told is not None and told in self._known:
                return self._known[told]
            try:
                found = holds(session, _relations(session, state, self._sql), self._sql, state.name)
            except QueryError as error:
                if not error.data.get("unknown"):
                    raise
                self.problem = error
                return False
        self.read += 1
        if told is not None:
            self._known[told] = found
        return found


def _digests(state: PostgresState, sql: str) -> object:
    if not isinstance(state, DumpState):
        return None
    digests = tuple((table.name, table.columns, state.archive.digest(table)) for table in tables_in(sql, state.tables))
    return None if any(digest is None for _, _, digest in digests) else digests


def _relations(session: Session, state: PostgresState, sql: str) -> list[Relation]:
    found: list[Relation] = []
    tables = tables_in(sql, state.tables)
    if isinstance(state, LiveState):
        return [Relation(table.name, state.selection(table)) for table in tables]
    assert isinstance(state, DumpState)
    size = sum(state.archive.size(table) for table in tables)
    if size > _MOST_BYTES:
        raise QueryError(
            f"The tables in this condition hold {size_text(size)} in {state.name}, and at most "
            f"{size_text(_MOST_BYTES)} are sent along with a question."
        )
    for table in tables:
        first = 1 + sum(len(each.parameters) for each in found)
        found.append(relation_of(session, table, state.all_rows(table), first))
    return found
