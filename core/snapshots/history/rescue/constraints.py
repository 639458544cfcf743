"""What stands against writing a row: values that must be unique, rows that it refers to or that refer to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..databases import Value
from ..tables import Table, same_value
from .states import State, Stored, Unique, Wanted
from .steps import Step, place_of

__all__ = ["Constraints"]

Planned = Mapping[tuple[str, tuple[Value, ...]], Step]


class Constraints:
    """The constraints of the live database."""

    def __init__(self, now: State) -> None:
        self._now = now
        self._indexes: dict[str, list[Unique]] = {}
        self._needed: dict[str, list[str]] = {}
        self._numbers: dict[str, int] = {}
        self._left: dict[tuple[str, Unique], dict[tuple[Value, ...], Step]] = {}

    def missing_value(self, table: Table, values: Mapping[str, Value]) -> str | None:
        """Return what an inserted row lacks: a value for a column that is new, must have one and has no default."""
        if table.name not in self._needed:
            self._needed[table.name] = self._now.needed(table)
        missing = [name for name in self._needed[table.name] if values.get(name) is None]
        return f"{', '.join(missing)} must have a value, and there was none then" if missing else None

    def unique_holder(self, table: Table, step: Step, planned: Planned, owned: list[str]) -> str | None:
        """Return who has a unique value that a step would write, once the plan is carried out; None if nobody has."""
        row = {**(step.before or {}), **step.written}
        for index in self._indexes_of(table.name):
            if step.kind == "update" and not index.condition and step.values.keys().isdisjoint(index.columns):
                continue
            values = [row.get(name) for name in index.columns]
            if None in values or not self._now.applies(table, index, row):
                continue
            for other in self._now.holders(table, index, values):
                key = _key(table, other)
                theirs = planned.get((table.name, key))
                if (table.name, key) != step.place and (theirs is None or self._holds(table, theirs, index, values)):
                    return _named_by(other.values, owned, key)
            twin = self._left.get((table.name, index), {}).get(tuple(values))
            stays = twin is not None and planned.get(twin.place) is twin
            if stays and twin is not None and twin.place != step.place and self._holds(table, twin, index, values):
                return _named_by({**(twin.before or {}), **twin.written}, owned, twin.key)
        return None

    def look_for_twins(self, planned: Planned) -> None:
        """Note the unique values that steps leave, so that ``unique_holder`` finds two that leave the same."""
        self._left = {}
        for step in planned.values():
            row = {**(step.before or {}), **step.written}
            for index in self._indexes_of(step.table) if step.kind != "delete" else ():
                values = tuple(row.get(name) for name in index.columns)
                self._left.setdefault((step.table, index), {}).setdefault(values, step)

    def _indexes_of(self, name: str) -> list[Unique]:
        table = self._now.table(name)
        if name not in self._indexes:
            self._indexes[name] = [] if table is None else self._now.unique(table)
        return self._indexes[name]

    def _holds(self, table: Table, step: Step, index: Unique, values: list[Value]) -> bool:
        """Return True if a row has these values in a unique index after its step."""
        row = {**(step.before or {}), **step.written}
        same = all(same_value(row.get(name), value) for name, value in zip(index.columns, values, strict=True))
        return step.kind != "delete" and same and self._now.applies(table, index, row)

    def refers(self, step: Step, parent: Step) -> bool:
        """Return True if a step leaves a row that refers to the row that another one would write."""
        table, above = self._now.table(step.table), self._now.table(parent.table)
        if table is None or above is None or step.kind == "delete":
            return False
        row, written = {**(step.before or {}), **step.written}, parent.written
        return any(
            key.table.lower() == above.name.lower()
            and all(row.get(name) is not None for name in key.columns)
            and all(
                self._now.comparable(above, to, row.get(name)) == self._now.comparable(above, to, written.get(to))
                for name, to in zip(key.columns, key.to if all(key.to) else above.key, strict=True)
            )
            for key in table.foreign_keys
        )

    def parents(
        self, table: Table, values: Mapping[str, Value]
    ) -> Iterator[tuple[Table, tuple[str, ...], tuple[Value, ...]]]:
        """Yield the rows that a row refers to: their table, the columns that tell them, and their values."""
        for key in table.foreign_keys:
            parent = self._now.table(key.table)
            found = tuple(values.get(name) for name in key.columns)
            if parent is not None and None not in found:
                yield parent, key.to if all(key.to) else parent.key, found

    def referring(self, step: Step, planned: Planned) -> str | None:
        """Return a table of which a row refers to what a step would remove and still would after the plan, or None."""
        table, values = self._now.table(step.table), step.before or {}
        for child in self._now.tables.values() if table is not None else ():
            for key in child.foreign_keys:
                if table is None or key.table.lower() != table.name.lower():
                    continue
                found = tuple(values.get(name) for name in (key.to if all(key.to) else table.key))
                rows = self._now.rows(Wanted(child.name, key.columns, found)) if None not in found else []
                if any(_stays(child, row, key.columns, planned) for row in rows):
                    return child.name
        return None

    def next_number(self, table: Table) -> int:
        """Return a number that no row of a table has, and that was not returned before."""
        if table.name not in self._numbers:
            self._numbers[table.name] = self._now.highest_number(table)
        self._numbers[table.name] += 1
        return self._numbers[table.name]


def _key(table: Table, row: Stored) -> tuple[Value, ...]:
    key = tuple(row.values[name] for name in table.key)
    if table.key and (None not in key or table.rowid is None):
        return key
    if table.rowid is None:
        return tuple(row.values[name] for name in table.names)
    return place_of((row.number,), by_number=bool(table.key))


def _named_by(values: Mapping[str, Value], owned: list[str], key: tuple[Value, ...]) -> str:
    """Return what tells whose a row is, else which it is."""
    holder = next((values[name] for name in owned if values.get(name) is not None), None)
    return str(holder) if holder is not None else ", ".join(map(str, key))


def _stays(child: Table, row: Stored, columns: tuple[str, ...], planned: Planned) -> bool:
    """Return True if a row refers to the same as now after the plan."""
    step = planned.get((child.name, _key(child, row)))
    return step is None or (step.kind == "update" and not any(name in step.values for name in columns))
