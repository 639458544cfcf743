"""What stands against the steps of a plan, in today's database: those that cannot be done are taken back.

A step can stand in the way of another, and free it when it is taken back; so this is repeated until nothing changes.
Then the steps are put into the order in which they are done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..databases import Value
from .order import Exchange, NoSpareValue, in_order
from .references import References
from .rows import RowsLeft, left_by, named_by, place_in
from .states import Index, State
from .steps import Step, Told

__all__ = ["Settlement", "Withdrawn"]


class Withdrawn(NamedTuple):
    """A step that is not done: a conflict with what is in its way, or else a row that is left out."""

    step: Step
    why: str
    holder: str | None = None
    is_conflict: bool = True


class Settlement:
    """Takes steps out of ``steps``; ``owned`` are by table the columns that say whose a row is."""

    def __init__(
        self, steps: dict[Told, Step], references: References, now: State, owned: Mapping[str, list[str]]
    ) -> None:
        self.withdrawn: list[Withdrawn] = []
        self._steps = steps
        self._references = references
        self._now = now
        self._owned = owned
        self._held: dict[Told, dict[tuple[Told, Index], Mapping[str, Value]]] = {}
        """By step the rows that have its unique values now."""
        self._twins: dict[Told, dict[tuple[Told, Index], None]] = {}
        """By step the other steps that leave its unique values."""

    def settle(self) -> list[Step]:
        """Take back what cannot be done; return the other steps in the order in which they are."""
        self._foresee()
        while True:
            count = len(self._steps)
            self._keep_what_is_referred_to()
            self._keep_unique()
            self._keep_references()
            if len(self._steps) != count:
                continue
            try:
                return in_order(self._steps, self._exchanges(), self._now)
            except NoSpareValue as found:
                why = "it exchanged a unique value, and there is no other value for the moment between"
                self._withdraw(found.told, Withdrawn(self._steps[found.told], why))

    def _foresee(self) -> None:
        """Ask the database what it says of the steps; take back those that it refuses or that change nothing."""
        for name in dict.fromkeys(step.table for step in self._steps.values()):
            table = self._now.tables[name]
            told = [each for each, step in self._steps.items() if step.table == name]
            foreseen = self._now.foresee(table, [self._steps[each] for each in told])
            for number, index, row, other in foreseen.collisions:
                if row is not None:
                    place = name, place_in(table, row)
                    if place != told[number]:
                        self._held.setdefault(told[number], {})[place, index] = row.values
                elif other is not None:
                    self._twins.setdefault(told[number], {})[told[other], index] = None
                    self._twins.setdefault(told[other], {})[told[number], index] = None
            for number in foreseen.unchanged:
                del self._steps[told[number]]
            for number, problem in foreseen.problems.items():
                self._leave_out(told[number], problem)

    def _keep_unique(self) -> None:
        """Turn steps into conflicts that would write a unique value which somebody else has then."""
        order = {told: number for number, told in enumerate(self._steps)}
        for told, step in list(self._steps.items()):
            holder = self._holder(told, order) if told in self._steps else None
            if holder is not None:
                why = f"a value that must be unique is that of {holder} now"
                self._withdraw(told, Withdrawn(step, why, holder))

    def _holder(self, told: Told, order: Mapping[Told, int]) -> str | None:
        """Return who has a unique value that a step would write, once the plan is carried out; None if nobody has."""
        held, twins = self._held.get(told, {}), self._twins.get(told, {})
        for (place, index), row in held.items():
            if place not in self._steps or (place, index) in twins:
                return self._whose(place, row)
        for place, index in twins:
            theirs = self._steps.get(place)
            if theirs is not None and (told, index) not in self._held.get(place, {}) and order[place] < order[told]:
                return self._whose(place, left_by(theirs) or {})
        return None

    def _whose(self, place: Told, row: Mapping[str, Value]) -> str:
        name, told = place
        return named_by(self._now.tables[name], row, self._owned.get(name, []), told)

    def _keep_what_is_referred_to(self) -> None:
        """Turn steps into conflicts as long as rows that stay refer to what they would remove."""
        count = -1
        while len(self._steps) != count:
            count = len(self._steps)
            left = RowsLeft(self._steps, self._now)
            found = {
                told: referring
                for told, step in self._steps.items()
                if (referring := self._references.referring(told, step, self._steps, left)) is not None
            }
            for told, (why, holder) in found.items():
                self._withdraw(told, Withdrawn(self._steps[told], why, holder))

    def _keep_references(self) -> None:
        """Leave out rows that would refer to what is not there."""
        left = RowsLeft(self._steps, self._now)
        for told, step in list(self._steps.items()):
            problem = self._references.dangling(told, step, self._steps, left)
            if problem is not None:
                self._leave_out(told, problem)

    def _exchanges(self) -> list[Exchange]:
        """Return which steps give up a unique value before which others take it."""
        return [
            Exchange(place, told, index)
            for told in self._steps
            for place, index in self._held.get(told, {})
            if place in self._steps and not index.waits
        ]

    def _leave_out(self, told: Told, problem: str) -> None:
        step = self._steps[told]
        self._withdraw(told, Withdrawn(step, problem, is_conflict=False))

    def _withdraw(self, told: Told, withdrawn: Withdrawn) -> None:
        del self._steps[told]
        self.withdrawn.append(withdrawn)
