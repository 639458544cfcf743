"""What is in a dump or in the live database: how many rows each table has, the first of one, what keys are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...models import Inside, Names, Point
from ..databases import Value
from ..look import names_in
from ..past import ARCHIVES, name_of
from ..questions import AskNames
from ..rescue.states import Wanted
from ..tables import Table, json_record
from .past import PostgresPast

__all__ = ["inside", "names"]


def inside(past: PostgresPast, point: Point | None, table: str | None, shown: int) -> Inside:
    """Return the tables at a point (None: now) with their numbers of rows, or one with its first rows."""
    with past.opened(point) as state:
        chosen = list(state.tables.values()) if table is None else [state.named(table)]
        rows = [] if table is None else [json_record(row) for row in state.first_rows(chosen[0], shown)]
        return Inside(
            at=name_of(point),
            time=past.time(point),
            tables={each.name: state.count(each) for each in chosen},
            rows=tuple(rows),
            by=ARCHIVES,
        )


def names(past: PostgresPast, point: Point | None, question: AskNames) -> Names:
    """Return what the columns say at a point (None: now) of the rows with these keys."""
    with past.opened(point) as state:

        def rows_with(table: Table, key: str, value: Value) -> Iterator[Mapping[str, Value]]:
            return (row.values for row in state.rows(Wanted(table.name, (key,), (value,))))

        return names_in(state.tables, question, rows_with)
