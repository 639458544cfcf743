"""The rows of tables that no index leads to: found by searching all leaves once, and from then on only fresh ones.

SQLite decides which rows are meant; here only is decided which leaves it need not read again. Whether a row is meant
depends on the table's definition and on the bytes of its leaf, and on overflow pages if it has some. The pages that
SQLite reads for a search are known. If there are none among them but the table's own b-tree, each leaf alone decided
which of its rows are meant; that is noted for this version of the leaf, and holds wherever it is part of the table.
If there are others, nothing is noted.

To search all leaves of several tables, each of the inner pages right above them is a part of a table: the tables are
searched part by part, in the order of their pages, so that a member that holds pages of several tables is expanded
once. The parts are shared out among the processors.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from .chains.btree import Interior, Leaf, Tree, View, child_pages
from .chains.kept import Kept, Searched
from .chains.pages import ChainPages
from .chains.side_by_side import side_by_side
from .databases import Database, Value, quoted
from .tables import Table

__all__ = ["TableSearch", "Wanted"]

_WORTH_IT = 64
"""A table of fewer leaves is searched as quickly as it is known."""
_FRESH = 0.1
"""If more than this part of the leaves is not known, all are searched."""
_WORTH_A_PROCESS = 2048
"""To search fewer leaves takes less time than it takes to share them out."""
_LOWEST, _HIGHEST = -(1 << 63), (1 << 63) - 1

Wanted = tuple[Table, tuple[str, ...], tuple[Value, ...]]
"""The rows of a table in which any of some columns has its value."""


class _Part(NamedTuple):
    """The leaves below an inner page; the numbers of their rows are at least ``lowest`` and at most ``highest``."""

    leaves: array[int]
    lowest: int
    highest: int


class _Found(NamedTuple):
    """The numbers of the rows that a query found, and if SQLite read nothing but the table's b-tree for it."""

    rows: list[int]
    alone: bool


class _Search:
    """One table: what is known of it before it is searched, and the numbers of the rows that are found."""

    def __init__(
        self,
        table: Table,
        condition: str,
        values: tuple[Value, ...],
        searched: Searched,
        parts: list[_Part],
        tree: set[int],
        unknown: dict[int, str],
        holding: list[int],
    ) -> None:
        self.table = table
        self.condition = condition
        self.values = values
        self.searched = searched
        self.parts = parts
        self.unknown = unknown
        """By leaf the file that holds it, of leaves of which nothing is known."""
        self.holding = holding
        self.many_unknown = len(unknown) > _FRESH * sum(len(part.leaves) for part in parts)
        self.tree = tree
        self.rows: list[int] = []
        self.alone = True
        """True as long as SQLite read nothing but the table's b-tree."""

    def add(self, found: _Found) -> None:
        """Add what a query found."""
        self.rows += found.rows
        self.alone = self.alone and found.alone


class TableSearch:
    """Finds rows in the tables of one point; ``opened`` opens that point as another database."""

    def __init__(
        self,
        pages: ChainPages,
        point: int,
        kept: Kept,
        opened: Callable[[], AbstractContextManager[Database]],
    ) -> None:
        self._pages = pages
        self._point = point
        self._kept = kept
        self._opened = opened
        self._view = View(pages, point)
        self._done: dict[str, list[int] | None] = {}

    def prepare(self, database: Database, wanted: Iterable[Wanted]) -> None:
        """Search several tables together; ``numbers`` then knows what was found."""
        begun = {}
        for each in wanted:
            subject = _subject(*each)
            self._done[subject] = None
            search = self._begin(database, subject, *each)
            if search is not None:
                begun[subject] = search
        many = [search for search in begun.values() if search.many_unknown]
        if many:
            self._search_all(many)
        for subject, search in begun.items():
            self._done[subject] = search.rows if search.many_unknown else self._search_unknown(search)
        for search in many:
            self._note(search, {Tree(self._view, search.table.root).leaf(rowid) for rowid in search.rows})

    def numbers(self, database: Database, wanted: Wanted) -> list[int] | None:
        """Return the numbers of rows among which are all that are wanted; None if SQLite is to find them."""
        subject = _subject(*wanted)
        if subject not in self._done:
            self.prepare(database, [wanted])
        return self._done[subject]

    def _begin(
        self, database: Database, subject: str, table: Table, columns: Sequence[str], values: Sequence[Value]
    ) -> _Search | None:
        """Return what is known of a table; None if SQLite is to search it."""
        condition = " OR ".join(f"{quoted(column)} = ?" for column in columns)
        if table.rowid is None or table.without_rowid or not _is_scanned(database, table, condition, values):
            return None
        parts, tree = self._parts(table.root)
        leaves = set[int]().union(*(part.leaves for part in parts))
        if len(leaves) < _WORTH_IT:
            return None
        searched = self._kept.searched(subject)
        unknown: dict[int, str] = {}
        holding: list[int] = []
        for holder, numbers in self._by_holder(leaves).items():
            file = self._pages.file(holder)
            known, having = searched.in_file(file)
            unknown.update(dict.fromkeys(numbers.difference(known), file))
            holding += sorted(numbers.intersection(having))
        return _Search(table, condition, tuple(values), searched, parts, tree, unknown, holding)

    def _by_holder(self, numbers: set[int]) -> dict[int, set[int]]:
        """Return pages by the place in the chain of the file that holds their newest version."""
        found: dict[int, set[int]] = {0: numbers}
        for number in numbers & self._pages.in_incrementals:
            holder = self._pages.holder(number, self._point)
            if holder:
                found.setdefault(holder, set()).add(number)
                numbers.discard(number)
        return found

    def _parts(self, root: int) -> tuple[list[_Part], set[int]]:
        """Return the parts of a table's b-tree and all of its pages; no parts if it has no inner pages, or is none."""
        level, tree = [(root, _LOWEST, _HIGHEST)], {root, 1}
        while True:
            below = list(self._below(level))
            known = [(*found, number, lowest, highest) for found, number, lowest, highest in below if found is not None]
            children = [child for _, found, *_ in known for child in found]
            if len(known) < len(below) or len({leaves for leaves, *_ in known}) > 1 or not tree.isdisjoint(children):
                return [], tree  # SQLite will say if the database is damaged
            tree.update(children)
            if known[0][0]:
                return [_Part(found, lowest, highest) for _, found, _, lowest, highest in known], tree
            level = [each for _, _, *inner in known for each in self._bounded(*inner)]

    def _below(
        self, level: Iterable[tuple[int, int, int]]
    ) -> Iterator[tuple[tuple[bool, array[int]] | None, int, int, int]]:
        """Yield what ``_children`` returns for each inner page of a level, before the page and its bounds."""
        leaves: bool | None = None
        for number, lowest, highest in level:
            found = self._children(number, leaves)
            leaves = leaves if found is None else found[0]
            yield found, number, lowest, highest

    def _bounded(self, number: int, lowest: int, highest: int) -> Iterator[tuple[int, int, int]]:
        """Yield the children of an inner page, with the lowest and highest number that a row below each can have."""
        page = self._view.table_page(number)
        if isinstance(page, Interior):
            for child, key in zip(page.children, [*page.keys, highest], strict=True):
                yield child, lowest, key
                lowest = min(key + 1, _HIGHEST)

    def _children(self, number: int, leaves: bool | None) -> tuple[bool, array[int]] | None:
        """Return if the children of an inner page are leaves, and the children; None if it is no inner page.

        ``leaves`` says it of a page beside it, if that is known: in a sound b-tree it is the same for all of a level.
        """
        file = self._pages.file(self._pages.holder(number, self._point))
        known = self._kept.children(file, number)
        if known is not None:
            return known
        children = child_pages(self._view.page(number), number)
        if not children or not all(0 < child <= self._view.count for child in children):
            return None
        if leaves is None:
            with self._kept.paused():
                leaves = not isinstance(self._view.table_page(children[0]), Interior)
        self._kept.keep_children(file, number, children, leaves=leaves)
        return leaves, children

    def _search_all(self, searches: Sequence[_Search]) -> None:
        """Search all leaves of some tables."""
        parts = sorted(
            ((search, part) for search in searches for part in search.parts), key=lambda each: min(each[1].leaves)
        )
        weights = [len(part.leaves) for _, part in parts]
        found = side_by_side(self._searching, parts, weights, _WORTH_A_PROCESS, _Found)
        for (search, _), each in zip(parts, found, strict=True):
            search.add(each)

    @contextmanager
    def _searching(self) -> Iterator[Callable[[tuple[_Search, _Part]], _Found]]:
        """Open the point, and give what searches a part of a table."""
        with self._kept.paused(), self._opened() as database:

            def search(each: tuple[_Search, _Part]) -> _Found:
                search, part = each
                # Not by an index that holds all columns that are asked for: the leaves are to be searched.
                number = search.table.rowid_quoted
                sql = (
                    f"SELECT {number} FROM {quoted(search.table.name)} NOT INDEXED "
                    f"WHERE {number} BETWEEN ? AND ? AND ({search.condition})"
                )
                return _ask(database, search, sql, (part.lowest, part.highest))

            yield search

    def _search_unknown(self, search: _Search) -> list[int] | None:
        """Search the leaves of which nothing is known, and return the numbers of all rows that can be wanted."""
        numbers = _rows_on(self._view, search.holding)
        if numbers is None or not search.unknown:
            return None if numbers is None else list(numbers)
        with self._kept.paused(), self._opened() as database:
            rows = _rows_on(self._view, sorted(search.unknown))
            if rows is None:
                return None
            number = search.table.rowid_quoted
            sql = (
                f"SELECT {number} FROM {quoted(search.table.name)} NOT INDEXED "
                f"WHERE {number} IN (SELECT value FROM json_each(?)) AND ({search.condition})"
            )
            search.add(_ask(database, search, sql, (json.dumps(list(rows)),)))
        self._note(search, {rows[rowid] for rowid in search.rows})
        return [*numbers, *search.rows]

    def _note(self, search: _Search, holding: set[int]) -> None:
        """Note what was searched, and which of it holds rows that are wanted."""
        by_file: dict[str, list[int]] = {}
        for number, file in search.unknown.items() if search.alone else ():
            by_file.setdefault(file, []).append(number)
        for file, numbers in by_file.items():
            search.searched.add(file, numbers, holding.intersection(numbers))
            self._kept.note_change()


def _ask(database: Database, search: _Search, sql: str, values: Sequence[Value]) -> _Found:
    """Return the rows that a query finds, and if nothing but the table's b-tree was read."""
    database.all(f"EXPLAIN {sql}", (*values, *search.values))  # reads the schema
    assert database.pages_read is not None
    database.pages_read.clear()
    rows = [int(row[0] or 0) for row in database.rows(sql, (*values, *search.values))]
    # What was read before is in SQLite's cache. But this table's overflow pages were read for it alone.
    return _Found(rows, database.pages_read <= search.tree)


def _subject(table: Table, columns: Sequence[str], values: Sequence[Value]) -> str:
    """Return what tells a search from others; the table's definition is part of it."""
    said = repr((table.sql, columns, [(type(value).__name__, value) for value in values]))
    return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _is_scanned(database: Database, table: Table, condition: str, values: Sequence[Value]) -> bool:
    """Return True if SQLite would read the whole table to find rows."""
    plan = database.all(f"EXPLAIN QUERY PLAN SELECT * FROM {quoted(table.name)} WHERE {condition}", values)
    return any(str(row[3]).startswith("SCAN") for row in plan)


def _rows_on(view: View, leaves: Sequence[int]) -> dict[int, int] | None:
    """Return by the numbers of the rows on some leaves on which leaf each is; None if one of them is no leaf."""
    found: dict[int, int] = {}
    for number in leaves:
        page = view.table_page(number)
        if not isinstance(page, Leaf):
            return None
        found.update(dict.fromkeys(page.cells, number))
    return found
