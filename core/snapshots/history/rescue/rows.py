"""Rows of two states beside each other, and the steps that make one of the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..databases import Value
from ..tables import Table, same_record
from .states import State, Stored
from .steps import Kind, Step, Told, Values, place_of

__all__ = [
    "RowsLeft",
    "alike",
    "common_columns",
    "key_text",
    "left_by",
    "named",
    "named_by",
    "named_with_owner",
    "not_as_planned",
    "place_in",
    "refusal",
    "step_for",
    "title",
    "told_by_key",
]


def step_for(
    kind: Kind, table: Table, columns: tuple[str, ...], key: tuple[Value, ...], values: Values, before: Values | None
) -> Step:
    """Return the step for a row that is told by these columns: the table's key, or the row's number."""
    by_number = bool(table.key) and columns != table.key
    return Step(
        kind=kind, table=table.name, columns=columns, key=key, values=values, before=before, by_number=by_number
    )


def told_by_key(
    rows: list[Stored], key: tuple[str, ...]
) -> tuple[list[tuple[tuple[Value, ...], Stored]], list[Stored]]:
    """Return rows with their keys, and those that have a NULL in it: there can be several that are told by it."""
    told: list[tuple[tuple[Value, ...], Stored]] = []
    untold: list[Stored] = []
    for row in rows:
        values = tuple(row.values[named(row.values, name)] for name in key)
        if None in values:
            untold.append(row)
        else:
            told.append((values, row))
    return told, untold


def common_columns(table: Table, row: Stored) -> list[str]:
    """Return the columns that can be written now and were there then."""
    there = {name.lower() for name in row.values}
    return [column.name for column in table.columns if not column.generated and column.name.lower() in there]


def named(values: Values, name: str) -> str:
    """Return a column's name as a state writes it."""
    return name if name in values else next(each for each in values if each.lower() == name.lower())


def alike(first: Stored | None, second: Stored) -> bool:
    """Return True if two rows have the same values in the columns that both have."""
    return first is not None and same_record(first.values, second.values)


def title(step: Step) -> str:
    """Return what a sentence calls the row of a step."""
    return f"{step.table} {key_text(step.key)}"


def refusal(step: Step, reason: str) -> str:
    """Return the sentence about a row whose step the database refuses."""
    table, key = step.table, key_text(step.key)
    if step.kind == "delete":
        return f"The row of {table} that is told by {key} cannot be removed: {reason}. Nothing was changed."
    return f"The row of {table} that is told by {key} cannot be put back: {reason}. Nothing was changed."


def not_as_planned(step: Step) -> str:
    """Return the sentence about a row that is not written as it was planned."""
    return f"A row of {step.table} is not as the plan said ({key_text(step.key)}). Nothing was changed."


def left_by(step: Step) -> Values | None:
    """Return the row that a step leaves; None if it removes it."""
    return None if step.kind == "delete" else {**(step.before or {}), **step.written}


def place_in(table: Table, row: Stored, copy: int = 0) -> tuple[Value, ...]:
    """Return what tells a row of the live database from others, as steps are told; ``copy`` counts equal rows."""
    key = tuple(row.values[name] for name in table.key)
    if table.key and (None not in key or table.rowid is None):
        return key
    if table.rowid is None:
        return (*row.values.values(), copy)
    return place_of((row.number,), by_number=bool(table.key))


def named_by(table: Table, row: Mapping[str, Value], owned: Sequence[str], place: tuple[Value, ...]) -> str:
    """Return what tells whose a row is, else which it is; ``place`` tells it from others, as of ``place_in``."""
    owner = next((row[name] for name in owned if row.get(name) is not None), None)
    return key_text(_shown(table, place)) if owner is None else str(owner)


def named_with_owner(table: Table, row: Mapping[str, Value], owned: Sequence[str], place: tuple[Value, ...]) -> str:
    """Return which a row is, and whose if that is known: "9 (seller_id 2)"."""
    owner = next((name for name in owned if row.get(name) is not None), None)
    which = key_text(_shown(table, place))
    return which if owner is None else f"{which} ({owner} {row[owner]!s})"


def _shown(table: Table, place: tuple[Value, ...]) -> tuple[Value, ...]:
    """Return what people call a row: its key, else its number or its content."""
    if table.key and (None not in place or table.rowid is None):
        return place
    return place[-1:] if table.rowid is not None else place[:-1]


def key_text(key: tuple[Value, ...]) -> str:
    """Return a key as sentences show it."""
    return ", ".join(map(str, key))


class RowsLeft:
    """The rows that steps leave, found by the values of some columns."""

    def __init__(self, steps: Mapping[Told, Step], now: State) -> None:
        self._steps = steps
        self._now = now
        self._known: dict[tuple[str, tuple[str, ...]], dict[tuple[Value, ...], list[Told]]] = {}

    def find(self, table: str, columns: tuple[str, ...], values: tuple[Value, ...]) -> list[Told]:
        """Return the steps that leave a row with these values."""
        known = self._known.get((table, columns))
        if known is None:
            known = self._known[table, columns] = {}
            for told, step in self._steps.items():
                row = left_by(step) if step.table == table else None
                if row is not None:
                    found = tuple(row.get(name) for name in columns)
                    known.setdefault(self._comparable(table, columns, found), []).append(told)
        return known.get(self._comparable(table, columns, values), [])

    def _comparable(self, name: str, columns: Sequence[str], values: Sequence[Value]) -> tuple[Value, ...]:
        table = self._now.tables[name]
        return tuple(self._now.comparable(table, *pair) for pair in zip(columns, values, strict=True))
