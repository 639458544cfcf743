"""The history of one row: each change of it, and between which points it happened.

A query is a function of the pages that it reads. So a point whose incremental changed none of the pages that were read
for the point before it gives the same row, and is not read. Of page 1 only what a reader uses counts: the numbers that
every commit moves (https://www.sqlite.org/fileformat2.html, 1.3) do not.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import QueryError
from ..models import Change, Key, Point, RowHistory
from .databases import Database, Value
from .past import Past
from .player_history import change_at
from .tables import Table, find_table, json_record, json_value, key_values, read_tables, rows_by_key, same_record

__all__ = ["row_history"]

_MOVING = (slice(24, 40), slice(92, 100))
"""Change counter, size, freelist; the version of the last writer."""

Record = dict[str, Value]


def row_history(past: Past, table: str, key: Key, column: str | None = None, *, now: bool = True) -> RowHistory:
    """Return every change of the row with a key over all points, and up to ``now``; of one column if it is named.

    A point without the table is one without the row. Columns that only one of two points has are not compared. Raises
    QueryError if no point has the table.
    """
    asked = _asked(past, table, key, column, now)
    points: list[Point | None] = [*past.points, *([None] if now else [])]
    changes: list[Change] = []
    state: Record | None = None
    before: Point | None = None
    pages_read: set[int] | None = None
    read = 0
    for number, point in enumerate(points):
        past.watch.check()
        if number and point is not None and before is not None and _same(past, pages_read, before, point):
            before = point
            continue
        with past.opened(point) as database:
            found = asked.row(database)
            pages_read = database.pages_read
        read += 1
        if number and not same_record(state, found):
            changes.append(_change(past, before, point, state, found))
        elif not number and found is not None:
            changes.append(_change(past, None, point, None, found))
        state, before = found, point
    return RowHistory(
        table=asked.table.name,
        key={name: json_value(value) for name, value in zip(asked.columns, asked.values, strict=True)},
        changes=tuple(changes),
        points=len(points),
        read=read,
        by=past.by,
    )


class _Asked:
    """The row that is asked for; its key is that of the newest state that has the table."""

    def __init__(self, table: Table, values: Sequence[Value], column: str | None) -> None:
        self.table = table
        self.columns = table.identity
        self.values = tuple(values)
        self.column = column

    def row(self, database: Database) -> Record | None:
        """Return the row in a state, or None."""
        tables = {name.lower(): each for name, each in read_tables(database).items()}
        table = tables.get(self.table.name.lower())
        if table is None or not all(table.column(name) or name == table.rowid for name in self.columns):
            return None
        rows = rows_by_key(database, table, self.columns, self.values)
        if not rows:
            return None
        return {name: value for name, value in rows[0].items() if self.column in (None, name)}


def _asked(past: Past, name: str, key: Key, column: str | None, now: bool) -> _Asked:
    """Find the newest state that has the table."""
    states: list[Point | None] = [*([None] if now else []), *reversed(past.points)]
    problem: QueryError | None = None
    for point in states:
        with past.opened(point) as database:
            try:
                table = find_table(read_tables(database), name, database.name)
            except QueryError as error:
                problem = problem or error
                continue
        return _Asked(
            table, key_values(table, key), None if column is None else _column_of(past, states, table, column)
        )
    raise problem or QueryError("There is no snapshot yet, so there is no past to read.")


def _column_of(past: Past, states: Sequence[Point | None], newest: Table, column: str) -> str:
    """Return a column's name as the newest state has it that has the column; raise QueryError if none has it."""
    found = newest.column(column)
    for point in states if found is None else ():
        with past.opened(point) as database:
            table = {name.lower(): each for name, each in read_tables(database).items()}.get(newest.name.lower())
        found = None if table is None else table.column(column)
        if found is not None:
            break
    if found is None:
        there = ", ".join(newest.names)
        raise QueryError(f"{newest.name} has no column {column!r}. Its columns: {there}.", table=newest.name)
    return found.name


def _same(past: Past, pages_read: set[int] | None, before: Point, point: Point) -> bool:
    """Return True if none of the pages that were read differs between two points of one chain."""
    if pages_read is None or before.chain != point.chain or before.position > point.position:
        return False
    pages = past.pages(point)
    for number in pages_read:
        here, there = pages.holder(number, before.position), pages.holder(number, point.position)
        if here != there and (number != 1 or not _same_first(past, before, point)):
            return False
    return True


def _same_first(past: Past, before: Point, point: Point) -> bool:
    first, second = (bytearray(past.pages(each).page(1, each.position)) for each in (before, point))
    for part in _MOVING:
        first[part] = second[part]
    return first == second


def _change(
    past: Past, since: Point | None, point: Point | None, before: Record | None, after: Record | None
) -> Change:
    shown = [None if row is None else json_record(row) for row in (before, after)]
    return change_at(since, point, past.time(point), *shown)
