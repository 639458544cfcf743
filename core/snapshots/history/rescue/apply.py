"""The rescue itself: one transaction on the live database, that does what the plan says or nothing."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from ...engines.sqlite.connections import writing
from ...errors import PlanOutdated, QueryError, RestoreFailed
from ...models import ConflictRule, PlayerTables, RescuePlan
from ...units import count_text
from ..databases import Database, Row, quoted
from ..past import Past
from ..player import find_player
from ..questions import AskRescue, PlayerSettings
from .plan import Planned, Planner
from .states import State
from .steps import Step

__all__ = ["perform_rescue", "plan_rescue"]


class _Asked:
    """A rescue as it was asked for, with the states of the past open: the first point, and that after the damage."""

    def __init__(self, past: Past, question: AskRescue) -> None:
        if question.options.only_missing and question.options.exact:
            raise QueryError("A rescue is either of what is missing only, or exact.")
        self._past = past
        self._question = question
        self._point = past.points[0]
        self._damaged = past.points[1] if len(past.points) > 1 else None
        self._stack = ExitStack()

    def __enter__(self) -> _Asked:
        self._then = State(self._stack.enter_context(self._past.opened(self._point)))
        self._after_damage = None
        if self._damaged is not None:
            self._after_damage = State(self._stack.enter_context(self._past.opened(self._damaged)))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def planned(self, database: Database) -> tuple[Planned, RescuePlan]:
        """Compare the past with the live database; return the steps and the plan to show."""
        now, then, asked = State(database), self._then, self._question
        scope, options = asked.scope, asked.options
        player = None if scope.player is None else _player_in(now, then, asked.settings)
        planner = Planner(then, now, self._after_damage, scope, options, player)
        planned = planner.plan([] if scope.rows else then.wanted(scope, player))
        if not planner.found and not scope.rows:
            whose = f"a player {scope.player!r}" if player else "what was asked for"
            raise QueryError(f"No row in {then.name} belongs to {whose}.")
        damaged_at = None if self._damaged is None else self._damaged.snapshot
        return planned, RescuePlan(
            token=planned.token(self._point.snapshot, damaged_at, options, scope),
            then=self._point.snapshot,
            at=self._point.at,
            damaged_at=damaged_at,
            options=options,
            tables=planned.tables(),
            conflicts=planned.conflicts,
            left_out=planned.left_out,
            notes=planned.notes,
            player=player,
            rows=planned.rows(),
        )


def _player_in(now: State, then: State, settings: PlayerSettings) -> PlayerTables:
    """Return who the player is now, and what referred to him in either state."""
    found = find_player(now.tables, settings)
    earlier = find_player(then.tables, settings)
    if (earlier.table, earlier.column) != (found.table, found.column):
        return found
    return msgspec.structs.replace(found, references=tuple(dict.fromkeys((*found.references, *earlier.references))))


def plan_rescue(past: Past, question: AskRescue) -> RescuePlan:
    """Return what a rescue would do now; changes nothing. Raises QueryError, SnapshotDamaged, DatabaseError."""
    with _Asked(past, question) as asked, past.opened(None) as database:
        return asked.planned(database)[1]


def perform_rescue(past: Past, question: AskRescue, path: Path, busy_timeout: float) -> RescuePlan:
    """Put the rows back in one transaction on the database at ``path``; return the plan that was carried out.

    Raises PlanOutdated if the plan is not the one that was agreed to, RestoreFailed if conflicts are to fail or a
    constraint does; nothing is changed then.
    """
    options = question.options
    with _Asked(past, question) as asked, _live(path, busy_timeout, past, triggers=options.triggers) as database:
        planned, plan = asked.planned(database)
        if question.agreed not in (None, plan.token):
            raise PlanOutdated(
                "The rows changed since this rescue was shown. Look at it again, then decide; nothing was changed."
            )
        if plan.conflicts and options.conflicts is ConflictRule.FAIL:
            first = plan.conflicts[0]
            conflicts = count_text(len(plan.conflicts), "row")
            raise RestoreFailed(f"{conflicts} in conflict, first of {first.table}: {first.why}. Nothing was changed.")
        _apply(database, planned.steps)
        database.connection.execute("COMMIT")
        past.watch.commit()
        return plan


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


def _apply(database: Database, steps: Sequence[Step]) -> None:
    """Write the rows: first those that go, then those that change, then those that come back."""
    before = _broken_references(database, steps)
    order = {"delete": 0, "update": 1, "insert": 2}
    for step in sorted(steps, key=lambda each: order[each.kind]):
        database.watch.check()
        with database.translated():
            try:
                cursor = database.connection.execute(*_statement(step))
            except sqlite3.IntegrityError as error:
                raise RestoreFailed(
                    f"The row of {step.table} that is told by {', '.join(map(str, step.key))} cannot be put back: "
                    f"{error}. Nothing was changed."
                ) from error
        if cursor.rowcount != 1:
            raise PlanOutdated(f"A row of {step.table} is not as the plan said. Nothing was changed.")
    broken = _broken_references(database, steps) - before
    if broken:
        table, _, parent, _ = map(str, next(iter(broken)))
        raise RestoreFailed(f"Rows of {table} would refer to rows of {parent} that are not there. Nothing was changed.")


def _statement(step: Step) -> tuple[str, tuple[object, ...]]:
    table = quoted(step.table)
    told = " AND ".join(f"{quoted(name)} = ?" for name in step.columns)
    if step.kind == "delete":
        return f"DELETE FROM {table} WHERE {told}", step.key
    if step.kind == "update":
        changed = ", ".join(f"{quoted(name)} = ?" for name in step.values)
        return f"UPDATE {table} SET {changed} WHERE {told}", (*step.values.values(), *step.key)
    values = dict(zip(step.columns, step.key, strict=True)) | step.values
    names = ", ".join(map(quoted, values))
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(values))})", tuple(values.values())


def _broken_references(database: Database, steps: Sequence[Step]) -> Counter[Row]:
    """Return the broken references of the tables that are written, and of those that refer to rows that change."""
    tables = State(database).tables
    written = {step.table.lower() for step in steps}
    changed = {step.table.lower() for step in steps if step.kind != "insert"}
    checked = [
        name
        for name, table in tables.items()
        if table.foreign_keys
        and (name.lower() in written or any(key.table.lower() in changed for key in table.foreign_keys))
    ]
    return Counter(row for name in checked for row in database.rows(f"PRAGMA foreign_key_check({quoted(name)})"))
