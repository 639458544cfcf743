"""The rescue itself: one transaction on the live database, that does what the plan says or nothing."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import msgspec

from ...engines.sqlite.connections import writing
from ...errors import PlanOutdated, QueryError, RestoreFailed
from ...models import Point, RescuePlan
from ..databases import Database, Row, quoted
from ..past import Past
from ..questions import AskRescue
from ..tables import read_tables
from .aftermath import Aftermath
from .asked import AskedRescue
from .plan import Planned
from .rows import not_as_planned, refusal
from .sqlite_state import SqliteState
from .states import State
from .steps import Step

__all__ = ["perform_rescue", "plan_rescue"]

_TABLES_WITH_TRIGGERS = "SELECT DISTINCT tbl_name FROM sqlite_schema WHERE type = 'trigger'"
_REFUSED = (1, 18, 19, 20)
"""What says that this row is refused: an error in SQL, such as an unknown function, a size, a constraint, a type."""
_BY_TRIGGER = 1811
_NO_KEY = "foreign key mismatch"


def plan_rescue(past: Past, question: AskRescue) -> RescuePlan:
    """Return what a rescue would do now; changes nothing. Raises QueryError, SnapshotDamaged, DatabaseError."""
    with AskedRescue(question, past.points, _opener(past)) as asked, past.opened(None) as database:
        return asked.planned(SqliteState(database))[1]


def perform_rescue(past: Past, question: AskRescue) -> RescuePlan:
    """Put the rows back in one transaction on the live database; return the plan that was carried out.

    Raises PlanOutdated if the plan is not the one that was agreed to, RestoreFailed if conflicts are to fail or a
    constraint does; nothing is changed then.
    """
    options = question.options
    with (
        AskedRescue(question, past.points, _opener(past)) as asked,
        _live(past.database, past.busy_timeout, past, triggers=options.triggers) as database,
    ):
        now = SqliteState(database)
        planned, plan = asked.agreed(now)
        notes = _apply(database, now, planned, triggers=options.triggers)
        database.connection.execute("COMMIT")
        past.watch.commit()
        return msgspec.structs.replace(plan, notes=(*plan.notes, *notes))


def _opener(past: Past) -> Callable[[Point], AbstractContextManager[State]]:
    @contextmanager
    def opened(point: Point) -> Iterator[State]:
        with past.opened(point) as database:
            yield SqliteState(database, past.search(point))

    return opened


@contextmanager
def _live(path: Path, busy_timeout: float, past: Past, *, triggers: bool) -> Iterator[Database]:
    """Open the live database for writing and begin a transaction, which is rolled back unless it was committed."""
    with writing(path, busy_timeout, past.watch) as connection:
        connection.text_factory = str
        # Rows that others have must never be removed along; what is broken in the end is seen in the end.
        connection.execute("PRAGMA foreign_keys = OFF")
        if not triggers:
            _switch_off_triggers(connection)
        database = Database(connection, "the live database", past.watch)
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield database
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _switch_off_triggers(connection: sqlite3.Connection) -> None:
    setconfig = getattr(connection, "setconfig", None)
    if setconfig is None:
        raise QueryError("Only Python 3.12 and newer can keep SQLite's triggers from firing.")
    setconfig(1003, False)  # SQLITE_DBCONFIG_ENABLE_TRIGGER, https://www.sqlite.org/c3ref/c_dbconfig_defensive.html


def _apply(database: Database, now: State, planned: Planned, *, triggers: bool) -> list[str]:
    """Write the rows; return sentences about what the game's triggers made of them."""
    steps = planned.ordered
    before = _broken_references(database, steps)
    fired = {str(name).lower() for (name,) in database.rows(_TABLES_WITH_TRIGGERS)} if triggers else set()
    tables = {step.table for step in steps}
    aftermath = Aftermath(now, tables if any(name.lower() in fired for name in tables) else ())
    for step in steps:
        aftermath.before(step)
        _write(database, step, fired)
        aftermath.note(step)
    for step in list(aftermath.changed_since()):
        _write(database, step, fired)
    broken = _broken_references(database, steps) - before
    for (table, parent), count in Counter((str(row[0]), str(row[2])) for row in broken.elements()).items():
        if count > planned.broken[table.lower(), parent.lower()]:
            raise RestoreFailed(
                f"Rows of {table} would refer to rows of {parent} that are not there. Nothing was changed."
            )
    return aftermath.notes()


def _write(database: Database, step: Step, fired: set[str]) -> None:
    """Do a step, which writes one row or nothing is written; ``fired`` are the tables whose triggers fire."""
    database.watch.check()
    # A unique constraint that replaces rows by itself would take somebody else's. Where triggers fire, this would hold
    # for what they do, too; there the plan alone, which knows all unique values, sees to it.
    policy = "" if step.table.lower() in fired else " OR ABORT"
    with database.translated():
        try:
            cursor = database.connection.execute(*_statement(step, policy))
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _REFUSED:  # Python's own have none
                raise
            raise RestoreFailed(refusal(step, _reason(error))) from error
    if cursor.rowcount != 1:
        raise PlanOutdated(not_as_planned(step))


def _reason(error: sqlite3.Error) -> str:
    return f"a trigger refuses it ({error})" if error.sqlite_errorcode == _BY_TRIGGER else str(error)


def _statement(step: Step, policy: str) -> tuple[str, tuple[object, ...]]:
    table = quoted(step.table)
    told = " AND ".join(f"{quoted(name)} = ?" for name in step.columns)
    if step.kind == "delete":
        return f"DELETE FROM {table} WHERE {told}", step.key
    if step.kind == "update":
        changed = ", ".join(f"{quoted(name)} = ?" for name in step.values)
        return f"UPDATE{policy} {table} SET {changed} WHERE {told}", (*step.values.values(), *step.key)
    values = step.written
    names = ", ".join(map(quoted, values))
    return f"INSERT{policy} INTO {table} ({names}) VALUES ({', '.join('?' * len(values))})", tuple(values.values())


def _broken_references(database: Database, steps: Sequence[Step]) -> Counter[Row]:
    """Return the broken references of the tables that are written, and of those that refer to rows that change."""
    tables = read_tables(database)
    written = {step.table.lower() for step in steps}
    changed = {step.table.lower() for step in steps if step.kind != "insert"}
    checked = [
        name
        for name, table in tables.items()
        if table.foreign_keys
        and (name.lower() in written or any(key.table.lower() in changed for key in table.foreign_keys))
    ]
    there = {name.lower() for name in tables}
    found = Counter(row for name in checked for row in _broken_in(database, name))
    # What refers to a table that is gone, the plan leaves out; to one that there never was, everything may.
    return Counter({row: count for row, count in found.items() if str(row[2]).lower() in there})


def _broken_in(database: Database, table: str) -> list[Row]:
    try:
        return database.all(f"PRAGMA foreign_key_check({quoted(table)})")
    except QueryError as error:
        if _NO_KEY not in str(error):
            raise
        return []  # it refers to columns that need not be unique, which SQLite checks nowhere
