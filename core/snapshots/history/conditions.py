"""The first point of the past at which a condition holds, whatever the engine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Protocol

from ..errors import QueryError
from ..models import ChangePoint, FindChange, Point
from .past import name_of

__all__ = ["Condition"]

_PROBES = 8


class _Past(Protocol):
    """What both engines' pasts have."""

    @property
    def points(self) -> tuple[Point, ...]: ...

    def time(self, point: Point | None) -> dt.datetime: ...


class Condition:
    """A condition, asked once at each point (None: now). ``ask`` is the engine's.

    Evenly spaced points tell whether the condition changes once, from not holding to holding; then it is found by
    bisection. Otherwise every point is asked. Where the condition cannot be asked (a table that is not there yet) it
    does not hold.
    """

    def __init__(self, past: _Past, *, now: bool) -> None:
        self._moments = past.time
        self.points: list[Point | None] = [*past.points, *([None] if now else [])]
        self._answers: dict[int, bool] = {}
        self.problem: QueryError | None = None
        """Why it could not be asked where it was tried last."""
        self.read = 0
        """At how many points it was asked."""

    def ask(self, point: Point | None) -> bool:
        """Return True if the condition holds at a point; set ``problem`` or count ``read``."""
        raise NotImplementedError

    def find_change(self, condition: str) -> FindChange:
        """Return the first point at which it holds and the last before; raise QueryError if it can be asked nowhere."""
        first, by = _search(len(self.points), self._holds)
        if self.problem is not None and not self.read:
            raise self.problem
        return FindChange(
            condition=condition,
            first=None if first is None else self._point(first),
            before=None if not first else self._point(first - 1),
            by=by,
            points=len(self.points),
            read=self.read,
        )

    def _holds(self, number: int) -> bool:
        if number not in self._answers:
            self._answers[number] = self.ask(self.points[number])
        return self._answers[number]

    def _point(self, number: int) -> ChangePoint:
        point = self.points[number]
        return ChangePoint(
            snapshot=name_of(point),
            at=self._moments(point),
            reasons=() if point is None else point.reasons,
            holds=self._holds(number),
        )


def _search(count: int, holds: Callable[[int], bool]) -> tuple[int | None, str]:
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
