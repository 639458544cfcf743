"""The order in which the steps of a rescue are carried out, one by one, so that no constraint is broken between two.

A value that must be unique is given up before another row takes it. A row that is referred to is written before what
refers to it, and removed after. Where rows exchange a unique value, one of them is set aside first: for a moment it has
a value that nobody else has.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from ..databases import Value
from ..tables import Table
from .references import columns_of_parent
from .rows import left_by, place_in
from .states import Index, State
from .steps import Step, Told

__all__ = ["Exchange", "NoSpareValue", "in_order"]

_PHASES = {"delete": 0, "update": 1, "insert": 2}


class Exchange(NamedTuple):
    """A step gives up a value in a unique index that another step takes."""

    giver: Told
    taker: Told
    unique: Index


class NoSpareValue(Exception):
    """A row must be set aside, and there is no value that it could have for the moment between."""

    def __init__(self, told: Told) -> None:
        super().__init__(told)
        self.told = told


class _Edge(NamedTuple):
    """One step waits for another: because of a unique value in an index, or (none) of a reference."""

    first: int
    then: int
    unique: Index | None = None
    can_be_open: bool = False
    """True if it is a reference that can be left open for a moment."""


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
            rows = enumerate(left_by(step) if after else step.before for step in self._steps)
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


def in_order(steps: Mapping[Told, Step], exchanges: Sequence[Exchange], now: State) -> list[Step]:
    """Return the steps in an order in which they can be done; raise NoSpareValue."""
    places = {told: number for number, told in enumerate(steps)}
    each = list(steps.values())
    edges = set(_reference_edges(each, now))
    edges |= {_Edge(places[giver], places[taker], index) for giver, taker, index in exchanges}
    done: list[Step] = []
    waiting = set(range(len(each)))
    aside = 0
    while waiting:
        done += [each[number] for number in _sorted_out(each, waiting, edges)]
        edges = {edge for edge in edges if edge.first in waiting and edge.then in waiting}
        held = sorted((edge for edge in edges if edge.unique and _is_in_circle(edge, edges)), key=_by_places)
        if not held:
            # References in a circle: some can be left open at first, constraints that can wait do, and where nothing is
            # checked before the end it is no matter.
            opened = {edge for edge in edges if edge.can_be_open and _is_in_circle(edge, edges)}
            edges = edges - opened if opened else {edge for edge in edges if edge.unique}
            continue
        found = next(_set_aside(each, held, now, aside), None)
        if found is None:
            raise NoSpareValue(list(steps)[held[0].first])
        first, step, kept = found
        done.append(step)
        aside += 1
        edges = {edge for edge in edges if edge.first != first or edge.unique is None or edge.unique in kept}
    return done


def _by_places(edge: _Edge) -> tuple[int, int, str]:
    return edge.first, edge.then, edge.unique.name if edge.unique else ""


def _is_in_circle(edge: _Edge, edges: set[_Edge]) -> bool:
    """Return True if the step that waits is one that the other waits for in turn."""
    after: dict[int, list[int]] = {}
    for each in edges:
        after.setdefault(each.first, []).append(each.then)
    seen, left = set[int](), [edge.then]
    while left:
        number = left.pop()
        if number == edge.first:
            return True
        if number not in seen:
            seen.add(number)
            left += after.get(number, ())
    return False


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


def _reference_edges(steps: Sequence[Step], now: State) -> list[_Edge]:
    rows, found = _Rows(steps, now), []
    for number, step in enumerate(steps):
        left = left_by(step)
        for key in now.tables[step.table].foreign_keys:
            parent = now.table(key.table)
            if parent is None:
                continue
            to, can_be_open = columns_of_parent(key, parent), now.can_be_open(now.tables[step.table], key)
            wanted = None if left is None else tuple(left.get(name) for name in key.columns)
            had = None if step.before is None else tuple(step.before.get(name) for name in key.columns)
            if wanted is not None and None not in wanted:
                written = rows.find(parent.name, to, wanted, after=True)
                if written is not None and rows.find(parent.name, to, wanted, after=False) != written:
                    found.append(_Edge(written, number, can_be_open=can_be_open))
            if had is not None and None not in had and had != wanted:
                removed = rows.find(parent.name, to, had, after=False)
                if removed is not None and rows.find(parent.name, to, had, after=True) != removed:
                    found.append(_Edge(number, removed, can_be_open=can_be_open))
    return [edge for edge in found if edge.first != edge.then]


def _set_aside(
    steps: Sequence[Step], held: Sequence[_Edge], now: State, number: int
) -> Iterator[tuple[int, Step, set[Index]]]:
    """Yield what gives a row a value that nobody has, until its own step comes: the place of that, and the step.

    With it the unique indexes in which the row keeps what it has.
    """
    for first, _, unique, _ in held:
        step = steps[first]
        table = now.tables[step.table]
        for name in _can_be_aside(table, step, unique):
            for value in now.spares(table, name, number):
                if value is not None and now.checks_references_at_once and _is_reference(table, name, now):
                    continue
                aside = msgspec.structs.replace(step, kind="update", values={name: value})
                foreseen = now.foresee(table, [aside])
                kept = {each.unique for each in foreseen.collisions}
                of_others = any(
                    each.row and (table.name, place_in(table, each.row)) != step.place for each in foreseen.collisions
                )
                if not (foreseen.problems or foreseen.unchanged or of_others or unique in kept):
                    yield first, aside, kept


def _can_be_aside(table: Table, step: Step, unique: Index | None) -> list[str]:
    """Return the columns of an index that a step changes or removes: they can have another value for a moment."""
    columns = [column.name for column in table.columns if not column.generated and column.name not in step.columns]
    changed = columns if step.kind == "delete" else [name for name in columns if name in step.values]
    concerned = [name for name in changed if unique is not None and name in unique.columns]
    referring = {name for key in table.foreign_keys for name in key.columns}
    return sorted(concerned, key=lambda name: name in referring)


def _is_reference(table: Table, name: str, now: State) -> bool:
    """Return True if a column refers to rows, or rows refer to it."""
    return any(name in key.columns for key in table.foreign_keys) or any(
        now.table(key.table) is table and name in columns_of_parent(key, table)
        for child in now.tables.values()
        for key in child.foreign_keys
    )
