"""Whether a watched number jumped from one snapshot to the next. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Jump", "jumps"]


class Jump(NamedTuple):
    """A watched question with its answers before and after."""

    question: str
    before: float
    after: float


def jumps(before: Mapping[str, float], after: Mapping[str, float], percent: int) -> tuple[Jump, ...]:
    """Return what changed by more than ``percent`` of what it was (0: nothing is looked for), the largest first.

    A question that only one of the two has an answer to says nothing, and neither does one whose answer was 0: the
    first coins of a game are no exploit.
    """
    if percent <= 0:
        return ()
    found = [
        Jump(question, value, after[question])
        for question, value in before.items()
        if value and question in after and abs(after[question] - value) * 100 > abs(value) * percent
    ]
    return tuple(sorted(found, key=lambda each: -abs((each.after - each.before) / each.before)))
