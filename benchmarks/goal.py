"""A goal of the benchmarks: a limit, what was measured, and the verdict."""

from __future__ import annotations

import msgspec

__all__ = ["LARGEST", "Goal"]

LARGEST = 1000
"""The size of database that goals are set for, in MB, unless they say another."""

_NOT_MEASURED = "not measured"


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """A limit and what was measured, by size of the database in MB; with ``at_least`` more is better.

    ``at`` is the size that the goal is set for; None if it holds for every size.
    """

    work: str
    limit: float
    unit: str
    measured: dict[int, float]
    at: int | None = LARGEST
    at_least: bool = False

    @property
    def goal(self) -> str:
        """The limit as text, with its unit and size."""
        size = f", {self.at:,} MB" if self.at is not None else ""
        return f"{'≥' if self.at_least else '≤'} {self.shown(self.limit)}{size}"

    @property
    def judged(self) -> float | None:
        """The value that decides: at the goal's size, or the worst of all; None if it was not measured."""
        if self.at is not None:
            return self.measured.get(self.at)
        worst = min if self.at_least else max
        return worst(self.measured.values(), default=None)

    @property
    def met(self) -> bool | None:
        """True if the goal is met; None if it was not measured."""
        value = self.judged
        if value is None:
            return None
        return value >= self.limit if self.at_least else value <= self.limit

    @property
    def verdict(self) -> str:
        """The verdict as text; for a goal that was missed, by how much."""
        value = self.judged
        if value is None:
            return _NOT_MEASURED
        if self.met:
            return "met"
        return f"**missed** by {self.shown(abs(value - self.limit))} ({value / self.limit:.2f} of the goal)"

    def shown(self, value: float) -> str:
        """Return a value with its unit, in about three digits."""
        digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
        return f"{value:,.{digits}f} {self.unit}".strip()
