"""How long the steps of a restore will take, and how far one is that is under way. Pure.

The last restore of this database is the best guide, then the last verification that rebuilt a snapshot, then figures of
a small machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..models import Method, RestoreStep

__all__ = ["PAUSED", "Course", "Measured", "course_of", "expected", "pause_of"]

PAUSED = (RestoreStep.PAUSE, RestoreStep.SAFETY, RestoreStep.REPLACE, RestoreStep.COMPARE, RestoreStep.RECORD)
"""The steps during which the game is paused."""

_EXCHANGE_SECONDS = 5.0
"""An exchange waits so long for transactions that are under way, then ends them."""
_FIXED = 0.2
"""Seconds to start a worker, and the least that a step with one takes."""
_A_SECOND = {
    RestoreStep.REBUILD: 60e6,
    RestoreStep.CHECK: 60e6,
    RestoreStep.SAFETY: 60e6,
    RestoreStep.REPLACE: 150e6,
    RestoreStep.COMPARE: 100e6,
}
"""Bytes of the database a second, for a machine of which nothing is known."""
_SHARE_KNOWN = 0.1
"""So much of a step must be done before its own pace is a better guide than what was expected of it."""
_SLOWEST = 5.0
"""How much slower than expected the next steps are taken to be, at most, because the first ones were."""
_LEAST, _MOST = 0.5, 3.0
"""How far a step's own progress is believed, beside what was expected of it: a step can have several phases."""


class Measured(NamedTuple):
    """What was measured before: seconds by step, of a database of ``size`` bytes."""

    seconds: Mapping[RestoreStep, float]
    size: int


class Course(NamedTuple):
    """How far a restore is: the ``share`` that is done, and about how many seconds are left."""

    share: float
    left: float


def expected(
    method: Method, size: int, *, last: Measured | None = None, verified: tuple[float, int] | None = None
) -> dict[RestoreStep, float]:
    """Return about how long each step takes, in seconds, for a database of ``size`` bytes.

    ``last`` is the last restore by the same method; ``verified`` is how long the last test restore took, and its size.
    """
    guessed = {step: _FIXED + size / pace for step, pace in _A_SECOND.items()}
    guessed |= {RestoreStep.PAUSE: 0.0, RestoreStep.RECORD: 0.1}
    if method is Method.EXCHANGE:
        guessed[RestoreStep.REPLACE] = _EXCHANGE_SECONDS
    if verified is not None:
        both = _scaled(*verified, size)
        guessed |= {RestoreStep.REBUILD: both / 2, RestoreStep.CHECK: both / 2}
    known = {} if last is None else {step: _scaled(each, last.size, size) for step, each in last.seconds.items()}
    return {step: known.get(step, guessed[step]) for step in RestoreStep}


def _scaled(seconds: float, then: int, now: int) -> float:
    return seconds * now / then if then > 0 else seconds


def pause_of(method: Method, seconds: Mapping[RestoreStep, float]) -> float | None:
    """Return about how long the game is paused, in seconds; None if the bot must be stopped for it."""
    return None if method is Method.SWAP else max(1.0, sum(seconds[step] for step in PAUSED))


def course_of(
    seconds: Mapping[RestoreStep, float], taken: Sequence[float], elapsed: float, share_of_step: float
) -> Course:
    """Return how far a restore is whose first steps have ``taken`` their seconds.

    ``elapsed`` is the time since the present step began, and ``share_of_step`` how much of that step is done.
    """
    steps = list(RestoreStep)
    number = len(taken)
    present, later = steps[number], steps[number + 1 :]
    before = sum(seconds[step] for step in steps[:number])
    pace = _pace(sum(taken) / before) if before > 0 else 1.0
    here = seconds[present] * pace
    if share_of_step >= _SHARE_KNOWN:
        here = min(_MOST * here, max(_LEAST * here, elapsed / share_of_step))
    left = max(0.0, here - elapsed) + pace * sum(seconds[step] for step in later)
    whole = sum(seconds.values())
    share = (before + seconds[present] * min(1.0, share_of_step)) / whole if whole > 0 else 0.0
    return Course(share=min(1.0, share), left=left)


def _pace(measured: float) -> float:
    """Return how the next steps are taken to go: as slowly as the first ones, but only half as much quicker."""
    return min(_SLOWEST, measured) if measured >= 1.0 else (1.0 + measured) / 2
