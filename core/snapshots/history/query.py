"""Free questions in SQL: a query at one point, and the first point at which a condition holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ..errors import QueryError
from ..models import ChangePoint, FindChange, Point, QueryResult, Sums
from .past import Past, name_of
from .tables import json_value

__all__ = ["ONLY_QUERIES", "STEPS", "add_number", "as_query", "find_change", "query", "search", "sums"]

STEPS = 2_000_000_000
"""How many steps of SQLite a query may take: about half a minute."""

_PROBES = 8
ONLY_QUERIES = re.compile(r"\s*(select|with|values)\b", re.IGNORECASE)


def query(past: Past, point: Point | None, sql: str, *, most: int = 1000, steps: int = STEPS) -> QueryResult:
    """Return the rows of a query at a point (None: now), at most so many; raise QueryError for anything but reading."""
    if not ONLY_QUERIES.match(sql):
        raise QueryError("Only a query can be asked: it begins with SELECT, WITH or VALUES.")
    with past.opened(point) as database:
        database.allow_only_reading(steps)
        columns, rows = database.query(sql, most + 1)
    return QueryResult(
        at=name_of(point),
        columns=columns,
        rows=tuple(tuple(map(json_value, row)) for row in rows[:most]),
        truncated=len(rows) > most,
        by=past.by,
    )


def find_change(past: Past, condition: str, *, now: bool = True, steps: int = STEPS) -> FindChange:
    """Return the first point at which a condition holds ("count(*) < 1000 FROM users"), and the last before it.

    Evenly spaced points tell whether the condition changes once, from not holding to holding; then it is found by
    bisection. Otherwise every point is asked. Where the condition cannot be asked (a table that is not there yet) it
    does not hold; if it can be asked nowhere, QueryError says why.
    """
    points: list[Point | None] = [*past.points, *([None] if now else [])]
    asked = _Condition(past, points, condition, steps)
    first, by = search(len(points), asked.holds)
    asked.raise_if_never_asked()
    return FindChange(
        condition=condition,
        first=None if first is None else asked.point(first),
        before=None if not first else asked.point(first - 1),
        by=by,
        points=len(points),
        read=asked.read,
    )


def sums(past: Past, point: Point | None, questions: Sequence[str], *, steps: int = STEPS) -> Sums:
    """Return the number that each question gives at a point; one that gives none is among the problems."""
    values: dict[str, float] = {}
    problems: dict[str, str] = {}
    for question in questions:
        with past.opened(point) as database:
            database.allow_only_reading(steps)
            try:
                _, rows = database.query(as_query(question), 1)
            except QueryError as error:
                problems[question] = str(error)
                continue
        add_number(question, rows, values, problems)
    return Sums(values=values, problems=problems)


def add_number(
    question: str, rows: Sequence[Sequence[object]], values: dict[str, float], problems: dict[str, str]
) -> None:
    """Add the number that a question gave, 0 for none; what is no number is a problem."""
    first = rows[0][0] if rows else None
    try:
        values[question] = 0 if first is None else float(str(first))
    except ValueError:
        problems[question] = f"it gives {first!r}, which is no number."


def search(count: int, holds: Callable[[int], bool]) -> tuple[int | None, str]:
    """Return the first of so many points at which something holds, and whether by "bisection" or by asking "all"."""
    if not count:
        raise QueryError("There is no snapshot yet, so there is no past to read.")
    last = count - 1
    probes = sorted({last * number // _PROBES for number in range(_PROBES + 1)})
    answers = [holds(number) for number in probes]
    if answers == sorted(answers):
        return _bisect(probes, answers, holds), "bisection"
    return next((number for number in range(count) if holds(number)), None), "all"


def _bisect(probes: list[int], answers: list[bool], holds: Callable[[int], bool]) -> int | None:
    if not answers[-1]:
        return None
    place = answers.index(True)
    low, high = (probes[place - 1] if place else -1), probes[place]
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


class _Condition:
    """A condition, asked once at each point."""

    def __init__(self, past: Past, points: list[Point | None], condition: str, steps: int) -> None:
        self._past = past
        self._points = points
        self._sql = as_query(condition)
        self._steps = steps
        self._answers: dict[int, bool] = {}
        self._problem: QueryError | None = None
        self.read = 0

    def holds(self, number: int) -> bool:
        """Return True if the condition holds at the point with a number."""
        if number not in self._answers:
            self._answers[number] = self._ask(self._points[number])
        return self._answers[number]

    def point(self, number: int) -> ChangePoint:
        """Return what the condition was at the point with a number."""
        point = self._points[number]
        return ChangePoint(
            snapshot=name_of(point),
            at=self._past.time(point),
            reasons=() if point is None else point.reasons,
            holds=self.holds(number),
        )

    def raise_if_never_asked(self) -> None:
        """Raise the QueryError of the last point, if the condition could be asked at none."""
        if self._problem is not None and not self.read:
            raise self._problem

    def _ask(self, point: Point | None) -> bool:
        with self._past.opened(point) as database:
            database.allow_only_reading(self._steps)
            try:
                _, rows = database.query(self._sql, 1)
            except QueryError as error:
                if error.data.get("too_long"):
                    raise
                self._problem = error
                return False
        self.read += 1
        return bool(rows and rows[0][0])


def as_query(condition: str) -> str:
    """Turn "count(*) < 1000 FROM users" into a query for its truth."""
    if ONLY_QUERIES.match(condition):
        return condition
    expression, found, rest = (
        re.split(r"(?i)(\sfrom\s)", condition, maxsplit=1)
        if re.search(r"(?i)\sfrom\s", condition)
        else (condition, "", "")
    )
    return f"SELECT ({expression}){found}{rest}"
