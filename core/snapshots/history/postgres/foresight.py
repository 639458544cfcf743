"""What PostgreSQL would say of steps before they are done: which rows it refuses, and which unique values are taken.

The rows go along in statements that only read; the server evaluates its own defaults, generated columns, checks and
index expressions for them, beside the live rows. Nothing is locked, no sequence moves, no trigger fires.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from ...engines.postgres.session import Session
from ...errors import DatabaseUnavailable
from ..databases import Value
from ..rescue.rows import left_by
from ..rescue.states import Collision, Foreseen, Stored
from ..rescue.steps import Step
from ..tables import Column, same_value
from .catalog import LiveTable
from .constraints import Demanded, UniqueIndex
from .planned_rows import NUMBER, PlannedRows

__all__ = ["Records", "foresee", "reason_of"]

_AT_ONCE = 500
_REFUSED = ("22", "23", "P0")
"""Classes of codes that say that a row is refused: the form of a value, a constraint of its type, a function."""
_CUT = ("S", "V")
"""Categories of types whose values are cut where they are too long and cast: texts and bits."""
Records = Callable[[str, Sequence[Column]], Iterator[dict[str, Value]]]
"""Returns the rows of a query, with the values as COPY writes them."""
Steps = Mapping[int, Step]
Answer = TypeVar("Answer")


def foresee(session: Session, live: LiveTable, demanded: Demanded, records: Records, steps: Sequence[Step]) -> Foreseen:
    """Return what stands against steps, all of one table."""
    problems = {number: problem for number, step in enumerate(steps) if (problem := _forbidden(demanded, step))}
    written = ((number, step) for number, step in enumerate(steps) if step.kind != "delete" and number not in problems)
    unchanged: set[int] = set()
    collisions: list[Collision] = []
    with _as_the_game_reads(session):
        asked = _Asked(session, live, demanded, records)
        while batch := dict(islice(written, _AT_ONCE)):
            found = asked.judge(batch)
            problems |= found.problems
            unchanged |= found.unchanged
            collisions += asked.collisions({number: batch[number] for number in batch if number not in found.problems})
    return Foreseen(problems, frozenset(unchanged), tuple(collisions))


@contextmanager
def _as_the_game_reads(session: Session) -> Iterator[None]:
    """Let functions find what they name as they do when the game writes, and keep them from writing, for the block."""
    session.execute("SAVEPOINT foreseen")
    try:
        session.value("SELECT pg_catalog.set_config('search_path', $1, true)", session.search_path)
        session.execute("SET LOCAL transaction_read_only = on")
        yield
    finally:
        session.execute("ROLLBACK TO SAVEPOINT foreseen; RELEASE SAVEPOINT foreseen")


class _Asked:
    """Asks the server about batches of steps of one table."""

    def __init__(self, session: Session, live: LiveTable, demanded: Demanded, records: Records) -> None:
        self._session = session
        self._demanded = demanded
        self._records = records
        self._live = live
        self._rows = PlannedRows(live.table, live.source, demanded)
        self._known: dict[tuple[str, tuple[str | None, ...]], int] = {}
        """The keys of earlier batches in the unique indexes, as texts."""

    def judge(self, steps: Steps) -> Foreseen:
        """Return which rows are refused, and which steps change nothing."""
        try:
            with self._session.savepoint():
                return self._judged(steps)
        except DatabaseUnavailable as error:
            if not _code(error):
                raise
            if not _code(error).startswith(_REFUSED) and self._pass_over():
                return self.judge(steps)
            if len(steps) == 1:
                refused = _code(error).startswith(_REFUSED)
                said = f"the database does not take it today ({reason_of(error)})"
                return Foreseen(dict.fromkeys(steps, said) if refused else {})
        found = [self.judge({number: step}) for number, step in steps.items()]
        problems = {number: problem for each in found for number, problem in each.problems.items()}
        return Foreseen(problems, frozenset(number for each in found for number in each.unchanged))

    def collisions(self, steps: Steps) -> Iterator[Collision]:
        """Yield which unique values of the rows live rows have, or rows of other steps."""
        for index in self._demanded.indexes if steps else ():
            query, columns = self._rows.holders(index, steps)
            for record in self._answered(lambda: list(self._records(query, columns))):  # noqa: B023 - called at once
                number = record.pop(NUMBER.name)
                yield Collision(int(number or 0), index.unique, Stored(record))
            for one, other in self._answered(lambda: self._session.rows(self._rows.twins(index, steps))):  # noqa: B023
                yield Collision(other, index.unique, other=one)
            yield from self._with_earlier_batches(index, steps)

    def _judged(self, steps: Steps) -> Foreseen:
        problems, unchanged = {}, set()
        query, columns = self._rows.judged(steps)
        for record in self._records(query, columns):
            number, marks = int(record.pop(NUMBER.name) or 0), str(record.pop("failed") or "")
            step = steps[number]
            row = left_by(step) or {}
            problem = self._demanded.failed(marks, row) or self._cut(row, record)
            if problem is not None:
                problems[number] = problem
            elif step.kind == "update" and step.before is not None:
                before = step.before
                if all(same_value(before.get(name), value) for name, value in record.items()):
                    unchanged.add(number)
        return Foreseen(problems, frozenset(unchanged))

    def _cut(self, row: Mapping[str, Value], held: Mapping[str, Value]) -> str | None:
        """Return that a text is too long for its column, if it is: a cast cuts it and says nothing."""
        for column in self._demanded.columns:
            given, kept = row.get(column.name), held.get(column.name)
            if column.category in _CUT and isinstance(given, str) and given.rstrip(" ") != str(kept).rstrip(" "):
                return f"{column.name} is {column.type} now, and it does not fit"
        return None

    def _pass_over(self) -> bool:
        """Leave out what the server does not understand outside of its table; return True if there is something."""
        demanded = self._demanded
        checks = {name: check for name, check in demanded.checks.items() if self._is_understood(check)}
        indexes = tuple(
            index
            for index in demanded.indexes
            if all(self._is_understood(each) for each in (index.condition or "true", *index.terms))
        )
        if (checks, indexes) == (demanded.checks, demanded.indexes):
            return False
        self._demanded = demanded._replace(checks=checks, indexes=indexes)
        self._rows = PlannedRows(self._live.table, self._live.source, self._demanded)
        return True

    def _is_understood(self, condition: str) -> bool:
        nothing = {0: Step(kind="insert", table=self._live.table.name, columns=(), key=(), values={}, before=None)}
        try:
            with self._session.savepoint():
                self._session.rows(self._rows.probe(condition, nothing))
        except DatabaseUnavailable as error:
            if not _code(error):
                raise
            return False
        return True

    def _answered(self, ask: Callable[[], list[Answer]]) -> list[Answer]:
        """Return the rows of a query; none if a function of the game stands against it, which writing will show."""
        try:
            with self._session.savepoint():
                return ask()
        except DatabaseUnavailable as error:
            if not _code(error):
                raise
            return []

    def _with_earlier_batches(self, index: UniqueIndex, steps: Steps) -> Iterator[Collision]:
        for number, *key in self._answered(lambda: self._session.rows(self._rows.keys(index, steps))):
            if None in key and not index.nulls_are_same:
                continue
            other = self._known.setdefault((index.unique.name, tuple(key)), number)
            if other not in steps:
                yield Collision(number, index.unique, other=other)


def reason_of(error: DatabaseUnavailable) -> str:
    """Return in one sentence why the server refuses something, with the detail that it gives."""
    first, *more = str(error.data.get("detail", error)).splitlines() or [""]
    details = [line.removeprefix("DETAIL:").strip(" .") for line in more if line.startswith("DETAIL:")]
    return first + "".join(f" ({detail})" for detail in details)


def _code(error: DatabaseUnavailable) -> str:
    return str(error.data.get("code", ""))


def _forbidden(demanded: Demanded, step: Step) -> str | None:
    """Return why a step may not be taken at all, or None."""
    if not demanded.allowed[step.kind]:
        return "the role may not write to this table"
    if step.kind == "update":
        numbered = [column.name for column in demanded.columns if column.identity == "a" and column.name in step.values]
        return f"{numbered[0]} is numbered by the server" if numbered else None
    return None
