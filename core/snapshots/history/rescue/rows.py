"""Rows of two states beside each other, and the steps that make one of the other."""

from __future__ import annotations

from ..databases import Value
from ..tables import Table, same_record
from .states import Stored
from .steps import Kind, Step, Values

__all__ = ["alike", "common_columns", "named", "step_for", "title", "told_by_key"]


Told = tuple[tuple[Value, ...], Stored]
"""A row, and its key before it."""


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
    told: list[Told] = []
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
    return f"{step.table} {', '.join(str(value) for value in step.key)}"
