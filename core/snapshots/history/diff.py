"""What differs between two states, table by table: by the pages that differ, or by comparing all rows."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ..models import Diff, DiffMethod, Point, TableDiff
from .chains.btree import View
from .comparison import OnDifference, TablePair, Tally, compare_all, compare_some, count_all
from .databases import Database
from .page_diff import PageDiff, Touched, TreePair
from .past import LATER, Past, name_of
from .tables import Table, read_tables

__all__ = ["diff"]

_WORTH_IT = 0.25
"""Up to this share of all pages the rows on pages that differ are fewer than all rows, and fit into memory."""
_ALWAYS_WORTH_IT = 500


def diff(past: Past, first: Point, second: Point | None, *, shown: int = 0, found: OnDifference | None = None) -> Diff:
    """Compare two points, the second being the present if it is None; keep ``shown`` rows of each kind and table.

    ``found`` is called with each row that differs.
    """
    started = time.monotonic()
    second = second or past.present()
    tables: dict[str, TableDiff] = {}
    with past.pair(first, second) as database:
        before, after = read_tables(database), read_tables(database, LATER)
        pairs, alone_before, alone_after = _matched(before, after)
        touched = _touched(past, first, second, pairs)
        for name, pair in pairs.items():
            past.watch.check()
            one = _compare(database, pair, touched, name, Tally(pair, shown, found))
            if one is not None:
                tables[pair.after.name] = one
        tables |= {table.name: count_all(database, "main", table, shown, found) for table in alone_before}
        tables |= {table.name: count_all(database, LATER, table, shown, found) for table in alone_after}
    by_pages = touched is not None and all(table.by is DiffMethod.PAGES for table in tables.values())
    return Diff(
        since=first.snapshot,
        until=name_of(second),
        by=DiffMethod.PAGES if by_pages else DiffMethod.COMPARISON,
        tables=dict(sorted(tables.items())),
        seconds=time.monotonic() - started,
    )


def _matched(
    before: Mapping[str, Table], after: Mapping[str, Table]
) -> tuple[dict[str, TablePair], list[Table], list[Table]]:
    """Return the tables that both states have, and those that only one of them has."""
    lower = {name.lower(): table for name, table in after.items()}
    pairs = {name: TablePair(table, lower[name.lower()]) for name, table in before.items() if name.lower() in lower}
    paired = {name.lower() for name in pairs}
    alone_before = [table for name, table in before.items() if name not in pairs]
    return pairs, alone_before, [table for name, table in lower.items() if name not in paired]


def _touched(
    past: Past, first: Point, second: Point | None, pairs: Mapping[str, TablePair]
) -> dict[str, Touched | None] | None:
    """Return the rows that can differ by table, or None if the pages cannot tell or would be too many."""
    numbers = None if second is None else past.changed(first, second)
    if second is None or numbers is None:
        return None
    views = View(past.pages(first), first.position), View(past.pages(second), second.position)
    if len(numbers) > max(_ALWAYS_WORTH_IT, _WORTH_IT * views[0].count):
        return None
    trees = {
        name: TreePair(pair.before.root, pair.after.root, pair.before.without_rowid or pair.after.without_rowid)
        for name, pair in pairs.items()
        if pair.stored_alike
    }
    return PageDiff(*views, numbers, past.watch).touched(trees)


def _compare(
    database: Database, pair: TablePair, touched: dict[str, Touched | None] | None, name: str, tally: Tally
) -> TableDiff | None:
    if touched is None or not pair.stored_alike:
        return compare_all(database, pair, tally)
    if name not in touched:
        return compare_some(database, pair, (), (), tally)
    rows = touched[name]
    return compare_all(database, pair, tally) if rows is None else compare_some(database, pair, *rows, tally)
