"""Free questions in SQL for dumps: a query at one point, and the first point at which a condition holds.

A query is asked of the snapshot rebuilt as a scratch database, for which the role must be allowed to create one. A
condition needs only the tables that it names: their rows go along with the question.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

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
from .conditions import Relation, as_the_game, holds, relation_of, translated
from .copied import answer_of
from .mentioned import Mentioned, mentioned, require_no_parameters
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
    with (
        _database(past, point) as session,
        transaction(session),
        _limited(session),
        as_the_game(session),
        translated(session, name),
    ):
        columns, rows = answer_of(session, sql, most + 1, past.scratch)
    return QueryResult(
        at=name_of(point),
        columns=columns,
        rows=tuple(tuple(map(json_value, row)) for row in rows[:most]),
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
    require_no_parameters(sql)


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


class _Condition(Condition):
    """A condition in the server's SQL, asked once for equal tables."""

    def __init__(self, past: PostgresPast, sql: str, *, now: bool) -> None:
        super().__init__(past, now=now)
        self._past = past
        self._sql = sql
        self._known: dict[object, bool] = {}

    def ask(self, point: Point | None) -> bool:
        """Return True if it holds at a point."""
        session = self._past.session
        with transaction(session), _limited(session), self._past.opened_within(point) as state:
            about = mentioned(self._sql, state.tables, _search_path(session))
            told = _digests(state, about)
            if told is not None and told in self._known:
                return self._known[told]
            try:
                found = holds(session, _relations(session, state, about), about.text, state.name)
            except QueryError as error:
                if not error.data.get("unknown"):
                    raise
                self.problem = error
                return False
        self.read += 1
        if told is not None:
            self._known[told] = found
        return found


def _search_path(session: Session) -> list[str]:
    with as_the_game(session):
        return list(session.value("SELECT pg_catalog.current_schemas(false)::text[]"))


def _digests(state: PostgresState, about: Mentioned) -> object:
    if not isinstance(state, DumpState):
        return None
    digests = tuple(
        (name, table.full_name, table.columns, state.archive.digest(table)) for name, table in about.tables.items()
    )
    return None if any(each[-1] is None for each in digests) else digests


def _relations(session: Session, state: PostgresState, about: Mentioned) -> list[Relation]:
    if isinstance(state, LiveState):
        return [Relation(name, state.selection(table), reads=table.full_name) for name, table in about.tables.items()]
    assert isinstance(state, DumpState)
    size = sum(state.archive.size(table) for table in about.tables.values())
    if size > _MOST_BYTES:
        raise QueryError(
            f"The tables in this condition hold {size_text(size)} in {state.name}, and at most "
            f"{size_text(_MOST_BYTES)} are sent along with a question."
        )
    found: list[Relation] = []
    for name, table in about.tables.items():
        first = 1 + sum(len(each.parameters) for each in found)
        found.append(relation_of(session, name, table, state.all_rows(table), about.text, first))
    return found
