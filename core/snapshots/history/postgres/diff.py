"""What differs between two dumps, or between a dump and the present. Tables whose hashes are equal are not read."""

from __future__ import annotations

import time

import msgspec

from ...models import Diff, DiffMethod, Point, TableDiff
from ..comparison import OnDifference, TablePair, Tally
from ..databases import Value
from ..past import name_of
from ..tables import Column, Table, json_record
from .past import PostgresPast
from .states import DumpState, PostgresState
from .store import RowStore, columns_of_rows
from .values import converted

__all__ = ["diff"]

Record = dict[str, Value]


def diff(
    past: PostgresPast, first: Point, second: Point | None, *, shown: int = 0, found: OnDifference | None = None
) -> Diff:
    """Compare two points, the second being the present if it is None; keep ``shown`` rows of each kind and table.

    ``found`` is called with each row that differs.
    """
    started = time.monotonic()
    tables: dict[str, TableDiff] = {}
    with past.opened(first) as before, past.opened(second) as after:
        comparison = _Comparison(past.store, before, after, shown, found)
        for name, earlier, later in _matched(before, after):
            past.watch.check()
            one = comparison.table(earlier, later)
            if one is not None:
                tables[name] = one
    by_hash = second is not None and all(table.by is DiffMethod.PAGES for table in tables.values())
    return Diff(
        since=first.snapshot,
        until=name_of(second),
        by=DiffMethod.PAGES if by_hash else DiffMethod.COMPARISON,
        tables=dict(sorted(tables.items())),
        seconds=time.monotonic() - started,
    )


def _matched(before: PostgresState, after: PostgresState) -> list[tuple[str, Table | None, Table | None]]:
    """Return the tables of both states beside each other, with the newer name."""
    found: list[tuple[str, Table | None, Table | None]] = []
    left = dict(after.tables)
    for table in before.tables.values():
        later = after.like(table)
        if later is not None and left.pop(later.name, None) is None:
            later = None  # another one of that name is it
        found.append((table.name if later is None else later.name, table, later))
    return [*found, *((name, None, table) for name, table in left.items())]


class _Comparison:
    def __init__(
        self, store: RowStore, before: PostgresState, after: PostgresState, shown: int, found: OnDifference | None
    ) -> None:
        self._store = store
        self._before = before
        self._after = after
        self._shown = shown
        self._found = found

    def table(self, before: Table | None, after: Table | None) -> TableDiff | None:
        """Return what differs in a table; None if nothing does."""
        if before is None or after is None:
            return self._alone(before, after)
        if before.columns == after.columns and self._same_digest(before, after):
            return None
        pair = TablePair(before, after)
        stored = columns_of_rows(after)
        columns = tuple(
            msgspec.structs.replace(later, name=column.name)
            for column in columns_of_rows(before)
            if (later := after.column(column.name)) in stored and later is not None
        )
        tally = Tally(pair, self._shown, self._found)
        first, second = (
            self._kept(state, table, columns) for state, table in ((self._before, before), (self._after, after))
        )
        # What tells the rows of one state only can be the same in several rows of the other.
        told = [set(table.key) for table in (before, after)]
        key = pair.key if told[0] or told[1] else None
        self._match(first, second, columns, key, tally, counted=told[0] != told[1])
        return tally.result(DiffMethod.COMPARISON)

    def _same_digest(self, before: Table, after: Table) -> bool:
        if not isinstance(self._before, DumpState) or not isinstance(self._after, DumpState):
            return False
        first, second = self._before.archive.digest(before), self._after.archive.digest(after)
        return first is not None and first == second

    def _kept(self, state: PostgresState, table: Table, columns: tuple[Column, ...]) -> str:
        """Store the rows of a table of one of the states, and return the name of that."""
        name = f"{state.name}: {table.name}"
        there = [(column, found) for column in columns if (found := table.column(column.name)) is not None]
        rows = (
            {column.name: converted(row[found.name], found.type, column) for column, found in there}
            for row in state.all_rows(table)
        )
        self._store.load(name, columns, rows)
        return name

    def _match(
        self,
        first: str,
        second: str,
        columns: tuple[Column, ...],
        key: tuple[str, ...] | None,
        tally: Tally,
        *,
        counted: bool,
    ) -> None:
        """Tell which rows are the same one by their keys, and take those that differ.

        ``counted`` is True if several rows of a state can have one key.
        """
        told = key is not None and not counted
        earlier = self._store.only_in(first, second, columns, told=told)
        later = self._store.only_in(second, first, columns, told=told)
        if key is None:
            for row in earlier:
                tally.take(row, None)
            for row in later:
                tally.take(None, row)
            return
        there: dict[tuple[Value, ...], list[Record]] = {}
        for row in earlier:
            there.setdefault(tuple(row[name] for name in key), []).append(row)
        for row in later:
            rows = there.get(tuple(row[name] for name in key))
            tally.take(rows.pop() if rows else None, row)
        for rows in there.values():
            for row in rows:
                tally.take(row, None)

    def _alone(self, before: Table | None, after: Table | None) -> TableDiff | None:
        """Count the rows of a table that only one of two states has."""
        state, table = (self._before, before) if before is not None else (self._after, after)
        if table is None:
            return None
        rows: list[dict[str, object]] = []
        count = 0
        for row in state.all_rows(table):
            count += 1
            if self._found is not None:
                self._found(table.name, *((row, None) if before is not None else (None, row)))
            if len(rows) < self._shown:
                rows.append(json_record(row))
        shown = tuple(rows)
        if before is not None:
            return TableDiff(added=0, removed=count, changed=0, by=DiffMethod.PAGES, rows_removed=shown)
        return TableDiff(added=count, removed=0, changed=0, by=DiffMethod.PAGES, rows_added=shown)
