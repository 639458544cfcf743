"""The order in which the steps of a rescue are carried out, one by one, so that no constraint is broken between two.

A value that must be unique is given up before another row takes it. A row that is referred to is written before what
refers to it, and removed after. Where rows exchange a unique value, one of them is set aside first: for a moment it has
a value that nobody else has.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from ...errors import RestoreFailed
from ..databases import Value
from ..tables import Table
from .states import State
from .steps import Step, Values

__all__ = ["in_order"]

_PHASES = {"delete": 0, "update": 1, "insert": 2}


class _Edge(NamedTuple):
    """One step waits for another: because of a unique value in these columns, or (none) of a reference."""

    first: int
    then: int
    columns: tuple[str, ...] = ()


class _Rows:
    """The rows that steps find and leave, by the values of some columns."""

    def __init__(self, steps: Sequence[Step], now: State) -> None:
        self._steps = steps
        self._now = now
        self._known: dict[tuple[str, tuple[str, ...], bool], dict[tuple[Value, ...], int]] = {}

    def find(self, table: str, columns: tuple[str, ...], values: tuple[Value, ...], *, after: bool) -> int | None:
        """Return the step that finds or leaves a row with these values."""
        place = table, columns, after
        if place not in self._known:
            rows = enumerate(_after(step) if after else step.before for step in self._steps)
            self._known[place] = {
                self._comparable(table, columns, [row.get(name) for name in columns]): number
                for number, row in rows
                if row is not None and self._steps[number].table == table
            }
        return self._known[place].get(self._comparable(table, columns, values))

    def _comparable(self, name: str, columns: tuple[str, ...], values: Sequence[Value]) -> tuple[Value, ...]:
        table = self._now.table(name)
        assert table is not None
        return tuple(self._now.comparable(table, *pair) for pair in zip(columns, values, strict=True))


def in_order(steps: Sequence[Step], now: State) -> list[Step]:
    """Return the steps in an order in which they can be done; raise RestoreFailed if values cannot be exchanged."""
    edges = set(_edges(steps, now))
    done: list[Step] = []
    waiting = set(range(len(steps)))
    aside = 0
    while waiting:
        done += [steps[number] for number in _sorted_out(steps, waiting, edges)]
        if not waiting:
            break
        held = min((edge for edge in edges if edge.columns and {edge.first, edge.then} <= waiting), default=None)
        if held is None:
            # References in a circle: constraints that can wait do, and where nothing is checked before the end it is no
            # matter.
            edges = {edge for edge in edges if edge.columns}
            continue
        done.append(_set_aside(steps[held.first], held.columns, now, aside))
        aside += 1
        given_up = done[-1].values.keys()
        edges = {edge for edge in edges if edge.first != held.first or given_up.isdisjoint(edge.columns)}
    return done


def _sorted_out(steps: Sequence[Step], waiting: set[int], edges: set[_Edge]) -> list[int]:
    """Take the steps that wait for none of the others out of the waiting ones, and return them in order."""
    blocking = dict.fromkeys(waiting, 0)
    after: dict[int, list[int]] = {}
    for edge in edges:
        if edge.first in waiting and edge.then in waiting:
            blocking[edge.then] += 1
            after.setdefault(edge.first, []).append(edge.then)
    free = [(_PHASES[steps[number].kind], number) for number, count in blocking.items() if not count]
    heapq.heapify(free)
    found = []
    while free:
        _, number = heapq.heappop(free)
        waiting.discard(number)
        found.append(number)
        for then in after.get(number, ()):
            blocking[then] -= 1
            if not blocking[then]:
                heapq.heappush(free, (_PHASES[steps[then].kind], then))
    return found


def _edges(steps: Sequence[Step], now: State) -> list[_Edge]:
    rows, found = _Rows(steps, now), []
    for table in {step.table: now.table(step.table) for step in steps}.values():
        if table is None:
            continue
        indexes = [index.columns for index in now.unique(table)]
        for number, step in enumerate(steps):
            if step.table == table.name:
                found += _unique_edges(rows, table, indexes, number, step)
                found += _reference_edges(rows, table, number, step, now)
    return [edge for edge in found if edge.first != edge.then]


def _unique_edges(
    rows: _Rows, table: Table, indexes: Sequence[tuple[str, ...]], number: int, step: Step
) -> list[_Edge]:
    left, found = _after(step), []
    for columns in indexes if left is not None else ():
        assert left is not None
        values = tuple(left.get(name) for name in columns)
        holder = None if None in values else rows.find(table.name, columns, values, after=False)
        if holder is not None:
            found.append(_Edge(holder, number, columns))
    return found


def _reference_edges(rows: _Rows, table: Table, number: int, step: Step, now: State) -> list[_Edge]:
    left, found = _after(step), []
    for key in table.foreign_keys:
        parent = now.table(key.table)
        if parent is None:
            continue
        to = key.to if all(key.to) else parent.key
        wanted = None if left is None else tuple(left.get(name) for name in key.columns)
        had = None if step.before is None else tuple(step.before.get(name) for name in key.columns)
        if wanted is not None and None not in wanted:
            written = rows.find(parent.name, to, wanted, after=True)
            if written is not None and rows.find(parent.name, to, wanted, after=False) != written:
                found.append(_Edge(written, number))
        if had is not None and None not in had and had != wanted:
            removed = rows.find(parent.name, to, had, after=False)
            if removed is not None and rows.find(parent.name, to, had, after=True) != removed:
                found.append(_Edge(number, removed))
    return found


def _after(step: Step) -> Values | None:
    """Return the row that a step leaves; None if it removes it."""
    return None if step.kind == "delete" else {**(step.before or {}), **step.written}


def _set_aside(step: Step, columns: tuple[str, ...], now: State, number: int) -> Step:
    """Return the step that gives a row a value that nobody has, in one of these columns, until its own step comes."""
    table = now.table(step.table)
    assert table is not None
    referring = {name for key in table.foreign_keys for name in key.columns}
    for name in sorted((name for name in columns if name in step.values), key=lambda name: name in referring):
        spare = now.spare(table, name, number)
        if spare is not None:
            return msgspec.structs.replace(step, values={name: spare[0]})
    raise RestoreFailed(
        f"Rows of {table.name} exchanged a unique value ({', '.join(columns)}), and there is no other value of that "
        "type for the moment between. Nothing was changed."
    )
