"""What the game's triggers make of rows that are put back."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from ...errors import RestoreFailed
from ..databases import Value
from ..tables import same_value
from .rows import refusal
from .states import State
from .steps import Step, Told, Values

__all__ = ["Aftermath"]


class Aftermath:
    """What the game's triggers make of rows that were put back, while later steps are done.

    A trigger that counts a player's cards counts those that come back, and so his count would be too high in the end.
    ``watched`` are the tables whose rows are looked at.
    """

    def __init__(self, now: State, watched: Collection[str]) -> None:
        self._now = now
        self._watched = watched
        self._meant: dict[Told, tuple[Step, Values]] = {}
        """The rows as they should be in the end: as the plan says, but for what triggers set as they were written."""
        self._found: Values = {}
        """The row of the next step."""
        self._set: dict[tuple[str, str], None] = {}
        """The columns that triggers set as the row was written."""

    def before(self, step: Step) -> None:
        """Look at the row of a step that is about to be done: triggers of earlier steps may have changed it."""
        if step.table in self._watched:
            self._found = self._row(step) if step.kind == "update" else {}

    def note(self, step: Step) -> None:
        """Look at the row of a step that was just done."""
        if step.table not in self._watched:
            return
        _, meant = self._meant.pop(step.place, (step, step.before or {}))
        if step.kind == "delete":
            return
        row = self._row(step)
        by_step = {name for name in row if name in step.written or not same_value(row[name], self._found.get(name))}
        self._meant[step.place] = step, {name: row[name] if name in by_step else meant.get(name) for name in row}
        for name, value in step.written.items():
            if not self._same(step.table, name, row.get(name), value):
                self._set[step.table, name] = None

    def changed_since(self) -> Iterator[Step]:
        """Yield the steps that make rows again what they should be after those of others."""
        for step, meant in self._meant.values():
            present = self._row(step)
            columns = [each.name for each in self._now.tables[step.table].columns if not each.generated | each.fixed]
            changed = {name: meant[name] for name in columns if not same_value(present[name], meant[name])}
            if changed:
                yield msgspec.structs.replace(step, kind="update", values=changed, before=present)

    def notes(self) -> list[str]:
        """Return sentences about what the triggers made of the rows."""
        return [f"{table}: a trigger of the game set {name} of rows that are back." for table, name in self._set]

    def _row(self, step: Step) -> Values:
        row = self._now.by_key(step.table, step.columns, step.key)
        if row is None:
            raise RestoreFailed(refusal(step, "a trigger removes it again, or gives it another key"))
        return row.values

    def _same(self, name: str, column: str, first: Value, second: Value) -> bool:
        table = self._now.tables[name]
        return self._now.comparable(table, column, first) == self._now.comparable(table, column, second)
