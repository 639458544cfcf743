"""Rows that refer to each other in a circle: a player and his favourite card, which is his.

Where the constraints cannot wait, there is no order in which such rows could be written. So a reference in the circle
is left open at first, if it can be NULL, and closed when the other row is there; before a removal it is opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from ...databases import Value
from ...rescue.steps import Step
from ...tables import ForeignKey, Table
from ..states import LiveState

__all__ = ["with_open_circles"]

Place = tuple[str, tuple[str, ...], tuple[Value, ...]]


class _Circles:
    """Steps in their order, and where the rows are written and removed that others refer to."""

    def __init__(self, steps: Sequence[Step], now: LiveState) -> None:
        self._steps = steps
        self._now = now
        self._known: dict[tuple[str, tuple[str, ...], bool], dict[Place, int]] = {}

    def early(self, number: int) -> set[str]:
        """Return the columns of a step that refer to a row which is written later, or is removed earlier."""
        step, found = self._steps[number], set[str]()
        table = self._now.table(step.table)
        row = (step.before or {}) if step.kind == "delete" else step.written
        for key in table.foreign_keys if table is not None else ():
            assert table is not None
            other = self._place(key, row, removed=step.kind == "delete")
            if other is not None and (other < number if step.kind == "delete" else other > number):
                found |= self._now.open_columns(table, key)
        return found

    def _place(self, key: ForeignKey, row: dict[str, Value], *, removed: bool) -> int | None:
        """Return which step writes or removes the row that a row refers to."""
        parent = self._now.table(key.table)
        values = tuple(row.get(name) for name in key.columns)
        if parent is None or None in values:
            return None
        to = key.to if all(key.to) else parent.key
        place = parent.name, to, removed
        if place not in self._known:
            rows = (
                (number, (step.before or {}) if removed else step.written)
                for number, step in enumerate(self._steps)
                if step.table == parent.name and step.kind == ("delete" if removed else "insert")
            )
            self._known[place] = {
                self._told(parent, to, tuple(row.get(name) for name in to)): number for number, row in rows
            }
        return self._known[place].get(self._told(parent, to, values))

    def _told(self, parent: Table, to: tuple[str, ...], values: Sequence[Value]) -> Place:
        return parent.name, to, tuple(self._now.comparable(parent, *pair) for pair in zip(to, values, strict=True))


def with_open_circles(steps: Sequence[Step], now: LiveState) -> list[Step]:
    """Return steps, which are in order, so that no row refers to one that is not there, wherever that is possible."""
    circles = _Circles(steps, now)
    return [*_opened(steps, circles), *_closed(steps, circles)]


def _opened(steps: Sequence[Step], circles: _Circles) -> Iterator[Step]:
    for number, step in enumerate(steps):  # references to rows that are removed before what refers to them
        early = circles.early(number) if step.kind == "delete" else set()
        if early:
            yield _update(step, dict.fromkeys(sorted(early)))
    for number, step in enumerate(steps):
        early = circles.early(number) if step.kind != "delete" else set()
        if early and step.kind == "insert":
            yield msgspec.structs.replace(step, values=step.values | dict.fromkeys(early))
        elif early:
            kept = {name: value for name, value in step.values.items() if name not in early}
            if kept:
                yield msgspec.structs.replace(step, values=kept)
        else:
            yield step


def _closed(steps: Sequence[Step], circles: _Circles) -> Iterator[Step]:
    for number, step in enumerate(steps):
        early = circles.early(number) if step.kind != "delete" else set()
        if early:
            yield _update(step, {name: step.written[name] for name in sorted(early) if name in step.written})


def _update(step: Step, values: dict[str, Value]) -> Step:
    return msgspec.structs.replace(step, kind="update", values=values, before=step.before or step.written)
