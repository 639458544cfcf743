"""Free questions in SQL: a query at one point, and the first point at which a condition holds."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from ..errors import QueryError
from ..models import FindChange, Point, QueryResult, Sums
from .conditions import Condition
from .past import Past, name_of
from .tables import json_value

__all__ = ["ONLY_QUERIES", "STEPS", "add_number", "as_query", "find_change", "query", "sums"]

STEPS = 2_000_000_000
"""How many steps of SQLite a query may take: about half a minute."""

ONLY_QUERIES = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(select|with|values)\b", re.IGNORECASE | re.DOTALL)
_PARTS = re.compile(r"'[^']*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/|[()]|\b\w+\b", re.DOTALL)
"""Quotes, comments, parentheses and words."""


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

    Raises QueryError if it can be asked nowhere; see ``Condition``.
    """
    return _Condition(past, condition, steps, now=now).find_change(condition)


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
        number = 0 if first is None else float(str(first))
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        values[question] = number
    else:
        problems[question] = f"it gives {first!r}, which is no number."


class _Condition(Condition):
    """A condition in SQLite's SQL."""

    def __init__(self, past: Past, condition: str, steps: int, *, now: bool) -> None:
        super().__init__(past, now=now)
        self._past = past
        self._sql = as_query(condition)
        self._steps = steps

    def ask(self, point: Point | None) -> bool:
        """Return True if it holds at a point."""
        with self._past.opened(point) as database:
            database.allow_only_reading(self._steps)
            try:
                _, rows = database.query(self._sql, 1)
            except QueryError as error:
                if error.data.get("too_long"):
                    raise
                self.problem = error
                return False
        self.read += 1
        return bool(rows and rows[0][0])


def as_query(condition: str) -> str:
    """Turn "count(*) < 1000 FROM users" into a query for its truth; what stands in parentheses or quotes is left."""
    if ONLY_QUERIES.match(condition):
        return condition
    depth, at = 0, len(condition)
    for found in _PARTS.finditer(condition):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if not depth and found[0].lower() == "from":
            at = found.start()
            break
    return f"SELECT ({condition[:at]}\n) {condition[at:]}"
