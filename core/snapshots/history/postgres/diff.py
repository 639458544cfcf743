"""What differs between two dumps, or between a dump and the present. Tables whose hashes are equal are not read."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import zip_longest

import msgspec

from ...errors import QueryError
from ...models import Diff, DiffMethod, Point, TableDiff
from ...progress import Watch
from ..chains.members import damaged
from ..comparison import OnDifference, TablePair, Tally
from ..databases import Value
from ..past import name_of
from ..tables import Column, Table, json_record
from .past import PostgresPast
from .states import DumpState, PostgresState
from .store import columns_of_rows
from .values import Decoder, converted

__all__ = ["diff", "unmatched"]

_MOST_UNMATCHED = 64 * 1024 * 1024
"""Bytes of lines that wait for their like, with what each takes besides."""
_ENTRY = 120
_CHECK_EVERY = 10_000
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
        comparison = _Comparison(past, before, after, shown, found)
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


def unmatched(
    first: Iterable[bytes], second: Iterable[bytes], most: int, watch: Watch
) -> tuple[Iterator[bytes], Iterator[bytes]] | None:
    """Return the lines that are more often among the first ones than among the second ones, and the other way round.

    None if they, or those that wait for their like, are more than so many bytes.
    """
    waiting = Counter[bytes](), Counter[bytes]()
    size = 0
    for number, pair in enumerate(zip_longest(first, second)):
        if not number % _CHECK_EVERY:
            watch.check()
        if pair[0] == pair[1]:
            continue
        for place, line in enumerate(pair):
            if line is None:
                continue
            own, other = waiting[place], waiting[1 - place]
            if line in other:
                size -= len(line) + _ENTRY
                other[line] -= 1
                if not other[line]:
                    del other[line]
            else:
                size += len(line) + _ENTRY
                own[line] += 1
        if size > most:
            return None
    return waiting[0].elements(), waiting[1].elements()


def _decoded(
    state: PostgresState, table: Table, columns: tuple[Column, ...], lines: Iterable[bytes]
) -> Iterator[Record]:
    decoder = Decoder(columns, state.encoding)
    for line in lines:
        try:
            yield decoder.row(line)
        except QueryError:
            raise
        except ValueError as error:
            if isinstance(state, DumpState):
                raise damaged(state.archive.part, f"a row of {table.name} cannot be read ({error})") from error
            raise


class _Comparison:
    def __init__(
        self,
        past: PostgresPast,
        before: PostgresState,
        after: PostgresState,
        shown: int,
        found: OnDifference | None,
    ) -> None:
        self._store, self._watch = past.store, past.watch
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
        first, second = self._differing(before, after, columns) or (
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

    def _differing(self, before: Table, after: Table, columns: tuple[Column, ...]) -> tuple[str, str] | None:
        """Store the rows that only one of the states has, and return the names of that; None if they are too many.

        Rows that nobody changed are the same line in both, mostly in the same order: the others are few.
        """
        there = [(before.column(column.name), after.column(column.name)) for column in columns]
        names = [tuple(column.name for column in side if column is not None) for side in zip(*there, strict=True)]
        alike = all(one is not None and other is not None and one.type == other.type for one, other in there)
        if not there or not alike or self._before.encoding != self._after.encoding:
            return None
        found = unmatched(
            self._before.lines(before, names[0]), self._after.lines(after, names[1]), _MOST_UNMATCHED, self._watch
        )
        if found is None:
            return None
        sides = (self._before, before), (self._after, after)
        for (state, table), lines in zip(sides, found, strict=True):
            self._store.load(f"{state.name}: {table.name}", columns, _decoded(state, table, columns, lines))
        return f"{self._before.name}: {before.name}", f"{self._after.name}: {after.name}"

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
