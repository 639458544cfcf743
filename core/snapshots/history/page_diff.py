"""Which rows of a table can differ between two states, found from the pages that differ, without reading the others.

Why nothing is missed. Let a leaf of the table's tree in the first state be unchanged, and go up from it as long as the
pages are unchanged. If that reaches the root, and the root is the same in both states, the leaf is in the second tree.
Otherwise the page above the last unchanged one, S, differs. All pages that differ and are in the tree are found: each
holds a row number, and the way to that number from the root leads through it. So S is a known child of a known page. If
S is also a child of a page that differs in the second tree, then S and all below it are in both trees. If not, all
leaves below it are read. The same holds the other way round.

Rows with overflow pages can be rewritten there while their leaf stays as it is (``btreeOverwriteCell`` in SQLite's
btree.c). A page that differs, can be an overflow page in both states and belongs to no row that was found is looked for
in all leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..progress import Watch
from .chains.btree import Cell, Leaf, Tree, View, some_rowid

__all__ = ["PageDiff", "Touched", "TreePair"]


class TreePair(NamedTuple):
    """The roots of one table's b-tree in two states."""

    before: int
    after: int
    without_rowid: bool = False


class Touched(NamedTuple):
    """The numbers of the rows of a table that can differ: as they are before, and as they are after.

    None: a table WITHOUT ROWID of which some page differs.
    """

    before: set[int]
    after: set[int]


class PageDiff:
    """Compares two states by the pages in ``numbers``, which must hold all that differ."""

    def __init__(self, before: View, after: View, numbers: Iterable[int], watch: Watch) -> None:
        self._views = before, after
        self._watch = watch
        self._differ = self._found_differing(numbers)
        self._keys = tuple(self._found_keys(view) for view in self._views)

    def touched(self, tables: Mapping[str, TreePair]) -> dict[str, Touched | None]:
        """Return the rows that can differ of each table of which some can; see ``Touched`` for None."""
        found: dict[str, Touched | None] = {}
        hidden = self._possible_overflow()
        for name, pair in tables.items():
            if not pair.without_rowid:
                rows = self._rows(pair)
                found[name] = self._compared(*rows)
                for view, cells in zip(self._views, rows, strict=True):
                    self._take_overflow(hidden, view, cells)
        if hidden:
            for name, pair in tables.items():
                if not pair.without_rowid:
                    more = self._owners(pair, hidden)
                    kept = found[name]
                    assert kept is not None
                    found[name] = Touched(kept.before | more, kept.after | more)
        for name, pair in tables.items():
            if pair.without_rowid and (hidden or not self._same_index(pair)):
                found[name] = None
        return {name: each for name, each in found.items() if each is None or each.before or each.after}

    def _found_differing(self, numbers: Iterable[int]) -> set[int]:
        """Return the pages that do differ; in their order, because neighbours are expanded together."""
        differ = set()
        before, after = self._views
        for number in sorted(numbers):
            self._watch.check()
            here, there = before.page(number), after.page(number)
            if here != there:
                differ.add(number)
                before.keep(number, here)
                after.keep(number, there)
        return differ

    def _found_keys(self, view: View) -> dict[int, int]:
        """Return a row number of each page of a table that differs, whosever it is."""
        keys = {}
        for number in self._differ:
            self._watch.check()
            key = some_rowid(view, number)
            if key is not None:
                keys[number] = key
        return keys

    def _rows(self, pair: TreePair) -> tuple[dict[int, Cell], dict[int, Cell]]:
        """Return the rows of the leaves that differ or are in one of the two trees only."""
        trees = Tree(self._views[0], pair.before), Tree(self._views[1], pair.after)
        owned = [
            {tree.root} & self._differ | {number for number, key in keys.items() if tree.holds(number, key)}
            for tree, keys in zip(trees, self._keys, strict=True)
        ]
        rows: list[dict[int, Cell]] = []
        children: list[set[int]] = []
        for tree, pages in zip(trees, owned, strict=True):
            cells, below = self._read(tree.view, sorted(pages))
            rows.append(cells)
            children.append({tree.root} | below)
        for side, tree in enumerate(trees):
            for number in children[side] - children[1 - side] - self._differ:
                rows[side] |= self._read(tree.view, tree.leaves(number))[0]
        return rows[0], rows[1]

    def _read(self, view: View, numbers: Iterable[int]) -> tuple[dict[int, Cell], set[int]]:
        """Return the rows on some pages, and the pages directly below them."""
        cells: dict[int, Cell] = {}
        below: set[int] = set()
        for number in numbers:
            self._watch.check()
            page = view.table_page(number)
            if isinstance(page, Leaf):
                cells |= page.cells
            elif page is not None:
                below.update(page.children)
        return cells, below

    def _compared(self, before: dict[int, Cell], after: dict[int, Cell]) -> Touched:
        same = {
            rowid
            for rowid, cell in before.items()
            if after.get(rowid) == cell and self._differ.isdisjoint(self._views[0].overflow_chain(cell.overflow))
        }
        return Touched(before.keys() - same, after.keys() - same)

    def _possible_overflow(self) -> set[int]:
        """Return the pages that differ and can be overflow pages in both states."""
        before, after = self._views
        possible = {
            number
            for number in self._differ
            if before.looks_like_overflow(number) and after.looks_like_overflow(number)
        }
        return possible - before.free_pages() - after.free_pages() if possible else possible

    def _take_overflow(self, hidden: set[int], view: View, cells: dict[int, Cell]) -> None:
        """Take from these pages the overflow pages of rows that were found."""
        for cell in cells.values() if hidden else ():
            if cell.overflow:
                hidden.difference_update(view.overflow_chain(cell.overflow))

    def _owners(self, pair: TreePair, hidden: set[int]) -> set[int]:
        """Return the rows whose overflow pages are among the hidden ones: all leaves are read."""
        view, found = self._views[0], set()
        for number in Tree(view, pair.before).leaves(pair.before):
            self._watch.check()
            page = view.table_page(number)
            for rowid, cell in page.cells.items() if isinstance(page, Leaf) else ():
                if cell.overflow and not hidden.isdisjoint(view.overflow_chain(cell.overflow)):
                    found.add(rowid)
        return found

    def _same_index(self, pair: TreePair) -> bool:
        pages = self._views[0].index_pages(pair.before)
        return pair.before == pair.after and pages.isdisjoint(self._differ)
