"""Which rows of one table were added, removed and changed: from the rows that can differ, or from all of them.

Rows are told by their key, or by their number where a table has none. Only columns that both states have are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from ..models import DiffMethod, TableDiff
from .databases import Database, Row, Value, quoted
from .past import LATER
from .tables import Table, json_record, same_value

__all__ = ["OnDifference", "TablePair", "Tally", "compare_all", "compare_some", "count_all"]

_AT_ONCE = 500
Record = dict[str, Value]
OnDifference = Callable[[str, Record | None, Record | None], object]
"""Called with a table's name and a row that differs, as it is in each of two states."""


class TablePair(NamedTuple):
    """A table as it is in two states."""

    before: Table
    after: Table

    @property
    def common(self) -> tuple[str, ...]:
        """The columns that both have, in the order of the first."""
        there = {name.lower() for name in self.after.names}
        return tuple(name for name in self.before.names if name.lower() in there)

    @property
    def key(self) -> tuple[str, ...] | None:
        """The columns by which rows are told in both; None if it is their number."""
        common = {name.lower() for name in self.common}
        for table in (self.after, self.before):
            if table.key and all(name.lower() in common for name in table.key):
                return tuple(name for name in self.common if name.lower() in {key.lower() for key in table.key})
        return None if self.before.rowid and self.after.rowid else self.common

    @property
    def by_number(self) -> bool:
        """True if a row's number tells it: it has no other key, or its key is that number."""
        return self.key is None or (self.before.integer_key and self.after.integer_key)

    @property
    def stored_alike(self) -> bool:
        """True if the same stored bytes are the same row in both: columns can only have been added at the end."""
        first, second = self.before, self.after
        if any(table.rowid is None and not table.without_rowid for table in self):
            return False  # the rows have numbers, and all three names for them are taken
        return first.sql == second.sql or (
            first.columns == second.columns[: len(first.columns)]
            and first.key == second.key
            and first.without_rowid == second.without_rowid
            and not any(column.generated for column in second.columns)
        )


class Tally:
    """Counts what differs in a table, and keeps as many rows of each kind as are shown."""

    def __init__(self, pair: TablePair, shown: int, found: OnDifference | None = None) -> None:
        self._pair = pair
        self._found = found
        self._shown = shown
        self._counts = {"added": 0, "removed": 0, "changed": 0}
        self._added: list[Record] = []
        self._removed: list[Record] = []
        self._changed: list[tuple[Record, Record]] = []

    def take(self, before: Record | None, after: Record | None) -> None:
        """Add a row as it is in each of the two states."""
        if self._found is not None:
            self._found(self._pair.after.name, before, after)
        if before is not None and after is not None:
            self._counts["changed"] += 1
            if len(self._changed) < self._shown:
                self._changed.append((before, after))
        elif after is not None:
            self._counts["added"] += 1
            if len(self._added) < self._shown:
                self._added.append(after)
        elif before is not None:
            self._counts["removed"] += 1
            if len(self._removed) < self._shown:
                self._removed.append(before)

    def result(self, by: DiffMethod) -> TableDiff | None:
        """Return what was counted; None if nothing differs."""
        before, after = ({name.lower() for name in table.names} for table in self._pair)
        added = tuple(name for name in self._pair.after.names if name.lower() not in before)
        removed = tuple(name for name in self._pair.before.names if name.lower() not in after)
        if not any(self._counts.values()) and not added and not removed:
            return None
        return TableDiff(
            **self._counts,
            by=by,
            rows_added=tuple(map(json_record, self._added)),
            rows_removed=tuple(map(json_record, self._removed)),
            rows_changed=tuple((json_record(before), json_record(after)) for before, after in self._changed),
            columns_added=added,
            columns_removed=removed,
        )


def compare_some(
    database: Database, pair: TablePair, before: Iterable[int], after: Iterable[int], tally: Tally
) -> TableDiff | None:
    """Compare the rows with these numbers, before and after; all others must be the same in both."""
    first = _numbered(database, "main", pair.before, before)
    second = _numbered(database, LATER, pair.after, after)
    _match(pair, first, second, tally)
    return tally.result(DiffMethod.PAGES)


def compare_all(database: Database, pair: TablePair, tally: Tally) -> TableDiff | None:
    """Compare all rows of a table."""
    if pair.before.rowid is None or pair.after.rowid is None:
        _match(pair, _only_in(database, pair, "main"), _only_in(database, pair, LATER), tally)
        return tally.result(DiffMethod.COMPARISON)
    if pair.by_number:
        for _, one, other in _side_by_side(database, pair):
            tally.take(one, other)
        return tally.result(DiffMethod.COMPARISON)
    first: list[tuple[int, Record]] = []
    second: list[tuple[int, Record]] = []
    for number, one, other in _side_by_side(database, pair):
        if one is not None:
            first.append((number, one))
        if other is not None:
            second.append((number, other))
    _match(pair, first, second, tally)
    return tally.result(DiffMethod.COMPARISON)


def count_all(
    database: Database, schema: str, table: Table, shown: int, found: OnDifference | None = None
) -> TableDiff:
    """Count the rows of a table that only one of two states has."""
    for row in database.rows(f"SELECT {_listed(table.names)} FROM {schema}.{quoted(table.name)}") if found else ():
        assert found is not None
        record = _record(table.names, row)
        found(table.name, *((None, record) if schema == LATER else (record, None)))
    counted = database.one(f"SELECT count(*) FROM {schema}.{quoted(table.name)}")
    count = int(counted[0] or 0) if counted else 0
    sql = f"SELECT {_listed(table.names)} FROM {schema}.{quoted(table.name)} LIMIT ?"
    rows = tuple(json_record(_record(table.names, row)) for row in database.rows(sql, (shown,)))
    if schema == LATER:
        return TableDiff(added=count, removed=0, changed=0, by=DiffMethod.PAGES, rows_added=rows)
    return TableDiff(added=0, removed=count, changed=0, by=DiffMethod.PAGES, rows_removed=rows)


def _match(
    pair: TablePair, before: Iterable[tuple[int, Record]], after: Iterable[tuple[int, Record]], tally: Tally
) -> None:
    """Tell which rows are the same one by their keys, and take those that differ."""
    first = {_identity(pair, number, row): row for number, row in before}
    for number, row in after:
        earlier = first.pop(_identity(pair, number, row), None)
        if earlier is None or not _same(pair, earlier, row):
            tally.take(earlier, row)
    for row in first.values():
        tally.take(row, None)


def _identity(pair: TablePair, number: int, row: Record) -> tuple[Value, ...]:
    """Return what a row is told by; of rows whose key has a NULL there can be several, so their number counts too."""
    if pair.key is None:
        return (number,)
    values = _values(row, pair.key)
    return (*values, number) if None in values else values


def _values(row: Record, names: Sequence[str]) -> tuple[Value, ...]:
    if all(name in row for name in names):
        return tuple(row[name] for name in names)
    lower = {name.lower(): value for name, value in row.items()}
    return tuple(lower[name.lower()] for name in names)


def _same(pair: TablePair, before: Record, after: Record) -> bool:
    common = pair.common
    return all(map(same_value, _values(before, common), _values(after, common)))


def _numbered(database: Database, schema: str, table: Table, numbers: Iterable[int]) -> Iterator[tuple[int, Record]]:
    ordered = sorted(numbers)
    for at in range(0, len(ordered), _AT_ONCE):
        wanted = ordered[at : at + _AT_ONCE]
        marks = ", ".join("?" * len(wanted))
        sql = (
            f"SELECT {table.rowid_quoted}, {_listed(table.names)} FROM {schema}.{quoted(table.name)} "
            f"WHERE {table.rowid_quoted} IN ({marks})"
        )
        for row in database.rows(sql, wanted):
            yield int(row[0] or 0), _record(table.names, row[1:])


def _side_by_side(database: Database, pair: TablePair) -> Iterator[tuple[int, Record | None, Record | None]]:
    """Yield the rows that are not the same in both states, told by their number, in its order."""
    first, second = (
        database.rows(
            f"SELECT {table.rowid_quoted}, {_listed(table.names)} FROM {schema}.{quoted(table.name)} "
            f"ORDER BY {table.rowid_quoted}"
        )
        for schema, table in (("main", pair.before), (LATER, pair.after))
    )
    alike = pair.before.names == pair.after.names
    one, other = next(first, None), next(second, None)
    while one is not None or other is not None:
        if alike and one == other:
            one, other = next(first, None), next(second, None)
            continue
        number = min(int(row[0] or 0) for row in (one, other) if row is not None)
        earlier = later = None
        if one is not None and one[0] == number:
            earlier, one = _record(pair.before.names, one[1:]), next(first, None)
        if other is not None and other[0] == number:
            later, other = _record(pair.after.names, other[1:]), next(second, None)
        if earlier is None or later is None or not _same(pair, earlier, later):
            yield number, earlier, later


def _only_in(database: Database, pair: TablePair, schema: str) -> Iterator[tuple[int, Record]]:
    """Yield the rows, in the columns that both states have, that are in one state and not in the other."""
    mine, theirs = (pair.before, pair.after) if schema == "main" else (pair.after, pair.before)
    other = LATER if schema == "main" else "main"
    names = pair.common
    exact = ", ".join(f"{quoted(name)} COLLATE BINARY" for name in names)
    sql = f"SELECT {exact} FROM {schema}.{quoted(mine.name)} EXCEPT SELECT {exact} FROM {other}.{quoted(theirs.name)}"
    for number, row in enumerate(database.rows(sql)):
        yield number, _record(names, row)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(quoted, names))


def _record(names: Sequence[str], row: Row) -> Record:
    return dict(zip(names, row, strict=True))
