"""A rescue in PostgreSQL: one transaction, in which the plan is made once more and carried out, or nothing is.

It sees one state from its beginning to its end (REPEATABLE READ): a row that somebody else changes meanwhile makes the
server refuse the write. Foreign keys are checked by the server; so rows that are referred to are written first and
removed last, and constraints that can wait do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import msgspec

from ...engines.postgres.session import quoted
from ...errors import DatabaseUnavailable, PlanOutdated, RestoreFailed
from ...models import Point, RescuePlan
from ..questions import AskRescue
from ..rescue.aftermath import Aftermath
from ..rescue.asked import AskedRescue, Opener
from ..rescue.rows import not_as_planned, refusal
from ..rescue.states import State
from ..rescue.steps import Step, Values
from .foresight import reason_of
from .past import PostgresPast, transaction
from .states import LiveState
from .values import sql_value
from .writing.circles import with_open_circles
from .writing.sequences import move_sequences
from .writing.triggers import watched_tables, without_triggers

__all__ = ["perform_rescue", "plan_rescue"]

_WRITING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE"
_RAISED = "P0001"
_SERIALIZATION = ("40001", "40P01")
_REFUSED = ("09", "22", "23", "25", "27", "2B", "42", "44", "55", "P0")
"""Classes of codes that say that this statement is refused: a constraint, a right, a trigger of the game."""


def plan_rescue(past: PostgresPast, question: AskRescue) -> RescuePlan:
    """Return what a rescue would do now; changes nothing. Raises QueryError, SnapshotDamaged, DatabaseError."""
    with transaction(past.session), AskedRescue(question, past.points, _opener(past)) as asked:
        return asked.planned(_live(past))[1]


def perform_rescue(past: PostgresPast, question: AskRescue) -> RescuePlan:
    """Put the rows back in one transaction; return the plan that was carried out.

    Raises PlanOutdated if the plan is not the one that was agreed to, RestoreFailed if conflicts are to fail or a
    constraint does; nothing is changed then.
    """
    session = past.session
    with transaction(session, _WRITING), AskedRescue(question, past.points, _opener(past)) as asked, _refusals():
        now = _live(past)
        planned, plan = asked.agreed(now)
        tables = {step.table for step in planned.steps}
        watched = watched_tables(now, tables) if question.options.triggers else set[str]()
        triggers: AbstractContextManager[None] = nullcontext()
        if not question.options.triggers:
            triggers = without_triggers(now, tables)
        with triggers:
            notes = _apply(now, planned.ordered, Aftermath(now, watched))
        move_sequences(now, sorted({step.table for step in planned.steps if step.kind == "insert"}))
        session.execute("COMMIT")
        past.watch.commit()
        return msgspec.structs.replace(plan, notes=(*plan.notes, *notes))


def _live(past: PostgresPast) -> LiveState:
    """Return the present, in whose types the rows of the past are compared and put back."""
    live = past.live()
    for point in past.points:
        past.state(point).write_as(live)
    return live


def _opener(past: PostgresPast) -> Opener:
    def opened(point: Point) -> AbstractContextManager[State]:
        return nullcontext(past.state(point))

    return opened


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what the server refuses into our errors; the transaction is rolled back by whoever holds it."""
    try:
        yield
    except DatabaseUnavailable as error:
        code, detail = str(error.data.get("code", "")), reason_of(error)
        if code in _SERIALIZATION:
            raise PlanOutdated(
                "Somebody changed rows of this rescue while they were put back. Look at it again, then decide; nothing "
                "was changed."
            ) from error
        if code.startswith(_REFUSED):
            raise RestoreFailed(f"The rows cannot be put back: {detail}. Nothing was changed.") from error
        raise


def _apply(now: LiveState, steps: Sequence[Step], aftermath: Aftermath) -> list[str]:
    """Write the rows; return sentences about what the game's triggers made of them."""
    session = now.session
    # The game's triggers and checks find what they name as they do when the game writes.
    session.value("SELECT pg_catalog.set_config('search_path', $1, true)", session.search_path)
    session.execute("SET CONSTRAINTS ALL DEFERRED")
    for step in with_open_circles(steps, now):
        aftermath.before(step)
        _write(now, step)
        aftermath.note(step)
    session.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for step in list(aftermath.changed_since()):
        _write(now, step)
    session.value("SELECT pg_catalog.set_config('search_path', '', true)")
    return aftermath.notes()


def _write(now: LiveState, step: Step) -> None:
    """Do a step, which writes one row or nothing is written."""
    if _written(now, step) != 1:
        raise PlanOutdated(not_as_planned(step))


def _written(now: LiveState, step: Step) -> int:
    """Do a step; return how many rows it wrote."""
    try:
        return now.session.count(_statement(now, step))
    except DatabaseUnavailable as error:
        code, detail = str(error.data.get("code", "")), reason_of(error)
        if not code.startswith(_REFUSED) or code in _SERIALIZATION:
            raise
        raise RestoreFailed(refusal(step, f"a trigger refuses it ({detail})" if code == _RAISED else detail)) from error


def _statement(now: LiveState, step: Step) -> str:
    """Return the statement for a step; not within another one, which rules of the game do not allow."""
    table, name, source = now.tables[step.table], now.live[step.table].quoted, now.live[step.table].source
    types = {column.name: column.type for column in table.columns}
    if step.kind == "insert":
        columns, values = ", ".join(map(quoted, step.written)), _values(step.written, types)
        return f"INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values})"
    told = " AND ".join(
        f"{quoted(column)} = {sql_value(value, types[column])}"
        for column, value in zip(step.columns, step.key, strict=True)
    )
    if not table.key:
        same = " AND ".join(
            f"{quoted(column)}::text IS NOT DISTINCT FROM {sql_value(value, types[column])}::text"
            for column, value in zip(step.columns, step.key, strict=True)
        )
        told = f"(tableoid, ctid) = (SELECT tableoid, ctid FROM {source} WHERE {same} LIMIT 1)"
    if step.kind == "delete":
        return f"DELETE FROM {source} WHERE {told}"
    changed = ", ".join(
        f"{quoted(column)} = {sql_value(value, types[column])}" for column, value in step.values.items()
    )
    return f"UPDATE {source} SET {changed} WHERE {told}"


def _values(written: Values, types: dict[str, str]) -> str:
    return ", ".join(sql_value(value, types[column]) for column, value in written.items())
