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
from .btree import Cell, Interior, Leaf, Tree, View, some_rowid

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
        self._differ = {number for number in numbers if before.page(number) != after.page(number)}
        self._keys = tuple(self._found_keys(view) for view in self._views)

    def touched(self, tables: Mapping[str, TreePair]) -> dict[str, Touched | None]:
        """Return the rows that can differ of each table of which some can; see ``Touched`` for None."""
        rows = {name: self._rows(pair) for name, pair in tables.items() if not pair.without_rowid}
        found: dict[str, Touched | None] = {name: self._compared(*each) for name, each in rows.items()}
        hidden = self._hidden_overflow(each for pair in rows.values() for each in pair)
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
        children = [
            {tree.root} | {child for number in pages for child in _children(tree.view, number)}
            for tree, pages in zip(trees, owned, strict=True)
        ]
        rows = []
        for side, tree in enumerate(trees):
            alone = children[side] - children[1 - side] - self._differ
            leaves = {number for number in owned[side] if isinstance(tree.view.table_page(number), Leaf)}
            for number in alone:
                leaves.update(tree.leaves(number))
            rows.append(self._cells(tree.view, leaves))
        return rows[0], rows[1]

    def _cells(self, view: View, leaves: set[int]) -> dict[int, Cell]:
        cells: dict[int, Cell] = {}
        for number in leaves:
            self._watch.check()
            page = view.table_page(number)
            if isinstance(page, Leaf):
                cells |= page.cells
        return cells

    def _compared(self, before: dict[int, Cell], after: dict[int, Cell]) -> Touched:
        same = {
            rowid
            for rowid, cell in before.items()
            if after.get(rowid) == cell and self._differ.isdisjoint(self._views[0].overflow_chain(cell.overflow))
        }
        return Touched(before.keys() - same, after.keys() - same)

    def _hidden_overflow(self, rows: Iterable[dict[int, Cell]]) -> set[int]:
        """Return the pages that differ and can be overflow pages of rows that were not found."""
        before, after = self._views
        hidden = {
            number
            for number in self._differ
            if before.looks_like_overflow(number) and after.looks_like_overflow(number)
        }
        if not hidden:
            return hidden
        hidden -= before.free_pages() | after.free_pages()
        for side, cells in enumerate(rows):
            view = self._views[side % 2]
            for cell in cells.values():
                if cell.overflow:
                    hidden.difference_update(view.overflow_chain(cell.overflow))
        return hidden

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


def _children(view: View, number: int) -> list[int]:
    page = view.table_page(number)
    return page.children if isinstance(page, Interior) else []
