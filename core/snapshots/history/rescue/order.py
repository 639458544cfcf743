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
    """One step waits for another: because of a unique value in an index, or (none) of a reference.

    ``leaving`` is True if a row must stop to refer to another before that one is removed or changed, ``can_be_open`` if
    it can refer to nothing for a moment.
    """

    first: int
    then: int
    unique: Index | None = None
    leaving: bool = False
    can_be_open: bool = False


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
    asides: list[Step] = []
    while waiting:
        done += [each[number] for number in _sorted_out(each, waiting, edges)]
        edges = {edge for edge in edges if edge.first in waiting and edge.then in waiting}
        circles = _in_circles(edges)
        held = sorted((edge for edge in circles if edge.unique), key=_by_places)
        if not held:
            edges -= _given_up(circles, each)
            continue
        found = next(_set_aside(each, held, asides, now), None)
        if found is None:
            raise NoSpareValue(list(steps)[held[0].first])
        done.append(found.step)
        asides.append(found.step)
        edges = {
            edge for edge in edges if edge.first != found.first or edge.unique is None or edge.unique in found.kept
        }
    return done


def _by_places(edge: _Edge) -> tuple[int, int, str]:
    return edge.first, edge.then, edge.unique.name if edge.unique else ""


def _in_circles(edges: set[_Edge]) -> set[_Edge]:
    """Return the edges of circles: what can be reached from their ends both forwards and backwards."""
    after: dict[int, list[int]] = {}
    before: dict[int, list[int]] = {}
    for edge in edges:
        after.setdefault(edge.first, []).append(edge.then)
        before.setdefault(edge.then, []).append(edge.first)
    found: set[_Edge] = set()
    left = set(after)
    while left:
        start = left.pop()
        circle = _reached(start, after) & _reached(start, before)
        found |= {edge for edge in edges if edge.first in circle and edge.then in circle}
        left -= circle
    return found


def _reached(start: int, ways: Mapping[int, Sequence[int]]) -> set[int]:
    seen, left = set[int](), [start]
    while left:
        number = left.pop()
        if number not in seen:
            seen.add(number)
            left += ways.get(number, ())
    return seen


def _given_up(circles: set[_Edge], steps: Sequence[Step]) -> set[_Edge]:
    """Return which of the references in circles are not waited for.

    Where a reference follows a value that changes, the row that is referred to comes first. Some can be left open at
    first; of the others, constraints that can wait do, and where nothing is checked before the end it is no matter.
    """
    leaving = {edge for edge in circles if edge.leaving}
    following = {edge for edge in leaving if steps[edge.then].kind == "update"}
    return following or {edge for edge in circles if edge.can_be_open} or leaving or circles


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
            if not to:
                continue
            wanted = None if left is None else tuple(left.get(name) for name in key.columns)
            had = None if step.before is None else tuple(step.before.get(name) for name in key.columns)
            if wanted is not None and None not in wanted:
                written = rows.find(parent.name, to, wanted, after=True)
                if written is not None and rows.find(parent.name, to, wanted, after=False) != written:
                    found.append(_Edge(written, number, can_be_open=can_be_open))
            if had is not None and None not in had and had != wanted:
                removed = rows.find(parent.name, to, had, after=False)
                if removed is not None and rows.find(parent.name, to, had, after=True) != removed:
                    found.append(_Edge(number, removed, leaving=True, can_be_open=can_be_open))
    return [edge for edge in found if edge.first != edge.then]


class _Aside(NamedTuple):
    """What gives a row a value that nobody has, until its own step comes, and the indexes in which it keeps its own."""

    first: int
    step: Step
    kept: set[Index]


def _set_aside(steps: Sequence[Step], held: Sequence[_Edge], asides: Sequence[Step], now: State) -> Iterator[_Aside]:
    """Yield the ways to set a row aside that others wait for."""
    for edge in held:
        step = steps[edge.first]
        table = now.tables[step.table]
        among = [each for each in (*steps, *asides) if each.table == table.name]
        for name in _can_be_aside(table, step, edge.unique):
            for value in now.spares(table, name, len(asides)):
                if value is not None and now.checks_references_at_once and _is_reference(table, name, now):
                    continue
                aside = msgspec.structs.replace(step, kind="update", values={name: value})
                kept = _kept_beside(among, aside, now)
                if kept is not None and edge.unique not in kept:
                    yield _Aside(edge.first, aside, kept)


def _kept_beside(among: Sequence[Step], aside: Step, now: State) -> set[Index] | None:
    """Return the unique indexes in which a row that is set aside keeps what it has; None if it cannot have its value.

    No row has that value now, when others are set aside, and in the end, so at no moment between.
    """
    table, last = now.tables[aside.table], len(among)
    foreseen = now.foresee(table, [*among, aside])
    if last in foreseen.problems or last in foreseen.unchanged:
        return None
    kept, taken = set(), set()
    for step, unique, row, other in foreseen.collisions:
        if step == last:
            place = (table.name, place_in(table, row)) if row is not None else among[other or 0].place
            if place != aside.place:
                taken.add(unique)
            elif row is not None:
                kept.add(unique)
    return None if taken - kept else kept


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
