"""Which rows refer to which, now and once the steps of a plan are done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ..databases import Value
from ..tables import ForeignKey, Table, same_value
from .rows import RowsLeft, left_by, named_by, named_with_owner, place_in
from .states import State, Stored
from .steps import Step, Told

__all__ = ["References", "Referring", "Target", "columns_of_parent"]

_NAMED = 3
"""How many of the rows that refer to one are named."""


class Target(NamedTuple):
    """What a row refers to: a table, its columns that the foreign key names, and their values."""

    table: str
    columns: tuple[str, ...]
    values: tuple[Value, ...]


class Referring(NamedTuple):
    """Rows that refer to another: a sentence about them, and whose the first is that is another one's."""

    why: str
    holder: str | None = None


class References:
    """The foreign keys of the live database; ``then`` says what there was in the past.

    ``owned`` are by table the columns that say whose a row is. ``undoing`` gives back also references that were broken
    then, where the engine lets that be.
    """

    def __init__(self, now: State, then: State, owned: Mapping[str, list[str]], *, undoing: bool) -> None:
        self._now = now
        self._then = then
        self._owned = owned
        self._may_break = undoing and not now.checks_references_at_once
        self._broken: dict[tuple[str, str], set[Told]] = {}
        self._brought: dict[Target, Told] = {}
        self._parents: dict[Target, Stored | None] = {}
        self._children: dict[Target, list[Stored]] = {}

    def broken(self) -> Counter[tuple[str, str]]:
        """Return how many rows of one table may refer to rows of another that are not there, as they did then."""
        return Counter({tables: len(rows) for tables, rows in self._broken.items()})

    def targets(self, step: Step) -> Iterator[Target]:
        """Yield what the row refers to that a step leaves, as far as the step changes it.

        A foreign key to a table that there never was is none: no row can keep it.
        """
        row = left_by(step)
        for key in self._now.tables[step.table].foreign_keys if row is not None else ():
            parent = self._now.table(key.table)
            values = tuple((row or {}).get(name) for name in key.columns)
            columns = columns_of_parent(key, parent)
            unchanged = step.kind == "update" and step.values.keys().isdisjoint(key.columns)
            nobody = not columns or (parent is None and self._then.table(key.table) is None)
            if not (unchanged or nobody or None in values):
                yield Target(key.table if parent is None else parent.name, columns, values)

    def parent(self, target: Target) -> Stored | None:
        """Return the row that is referred to in the live database, or None."""
        if target not in self._parents:
            self._parents[target] = self._now.by_key(*target)
        return self._parents[target]

    def is_brought(self, target: Target) -> bool:
        """Return True if it was noted which step brings what is referred to."""
        return target in self._brought

    def bring(self, target: Target, told: Told) -> None:
        """Note which step brings what is referred to, if it is done."""
        self._brought[target] = told

    def dangling(self, told: Told, step: Step, steps: Mapping[Told, Step], left: RowsLeft) -> str | None:
        """Return why a row cannot be left by its step, if it would refer to what is not there after the steps."""
        for target in self.targets(step):
            parent, row = self._now.table(target.table), self.parent(target)
            if parent is None:
                return f"it refers to a row of {target.table}, and there is no such table any more"
            if left.find(*target) or self._brought.get(target) in steps:
                continue
            theirs = None if row is None else steps.get((parent.name, place_in(parent, row)))
            if row is None or (theirs is not None and not _keeps(theirs, target.columns)):
                if self._then.by_key(*target) is None:
                    if self._may_break:
                        self._note_broken(told, target)
                        continue
                    return "what it refers to is gone, and was not there then either"
                return "what it refers to is gone, and cannot be put back"
        return None

    def referring(self, told: Told, step: Step, steps: Mapping[Told, Step], left: RowsLeft) -> Referring | None:
        """Return the rows that would refer to what a step removes or changes, after all steps; None if none do."""
        if step.kind == "insert" or step.before is None:
            return None
        table = self._now.tables[step.table]
        for child in self._now.tables.values():
            for key in child.foreign_keys:
                columns = columns_of_parent(key, table) if self._now.table(key.table) is table else ()
                values = tuple(step.before.get(name) for name in columns)
                concerned = bool(columns) and None not in values
                # Where references are followed at once, a row that comes later with the same values is too late.
                later = not self._now.checks_references_at_once and left.find(table.name, columns, values)
                if concerned and not _keeps(step, columns) and not later:
                    rows = self._staying(child, key, table, values, steps, left)
                    broken = Target(table.name, columns, values)
                    rows = {each: row for each, row in rows.items() if not self._was_broken(each, row, key, broken)}
                    if rows:
                        return self._named(child, rows, self._owners(table, step.before))
        unread = () if _keeps(step, table.key) else self._now.unread_children(table)
        return Referring(f"rows of {unread[0]} may refer to it, which cannot be read") if unread else None

    def _staying(
        self,
        child: Table,
        key: ForeignKey,
        table: Table,
        values: tuple[Value, ...],
        steps: Mapping[Told, Step],
        left: RowsLeft,
    ) -> dict[Told, Mapping[str, Value]]:
        """Return the rows that refer to something and still will."""
        referring = Target(child.name, key.columns, values)
        if referring not in self._children:
            self._children[referring] = self._now.children(child, key, table, values)
        copies: Counter[tuple[Value, ...]] = Counter()
        found: dict[Told, Mapping[str, Value]] = {}
        for row in self._children[referring]:
            place = place_in(child, row)
            told = child.name, place_in(child, row, copies[place])
            copies[place] += 1
            if told not in steps:
                found[told] = row.values
        return found | {each: left_by(steps[each]) or {} for each in left.find(*referring)}

    def _was_broken(self, told: Told, row: Mapping[str, Value], key: ForeignKey, target: Target) -> bool:
        """Return True if a row referred to the same then, although that was not there, and may do so again."""
        child = self._now.tables[told[0]]
        if not self._may_break or self._then.table(child.name) is None:
            return False
        columns = child.key or ((child.rowid,) if child.rowid else child.names)
        place = told[1][-1:] if child.key and None in told[1] else told[1]
        was = self._then.by_key(child.name, columns if len(place) == len(columns) else (child.rowid or "",), place)
        if was is None or self._then.by_key(*target) is not None:
            return False
        same = all(same_value(was.values.get(name), row.get(name)) for name in key.columns)
        if same:
            self._note_broken(told, target)
        return same

    def _note_broken(self, told: Told, target: Target) -> None:
        self._broken.setdefault((told[0].lower(), target.table.lower()), set()).add(told)

    def _named(self, child: Table, rows: Mapping[Told, Mapping[str, Value]], owners: set[Value]) -> Referring:
        """Return what is said of rows that refer to one of these owners' rows: those of others are named."""
        owned = self._owned.get(child.name, [])
        others = [(key, row) for (_, key), row in rows.items() if not owners & self._owners(child, row)]
        if not others:
            return Referring(f"rows of {child.name} refer to it")
        names = [named_with_owner(child, row, owned, key) for key, row in others[:_NAMED]]
        more = ["…"] if len(others) > _NAMED else []
        key, row = others[0]
        return Referring(
            f"rows of {child.name} refer to it: {', '.join([*names, *more])}", named_by(child, row, owned, key)
        )

    def _owners(self, table: Table, row: Mapping[str, Value]) -> set[Value]:
        """Return whose a row is, as far as its columns say."""
        return {row.get(name) for name in self._owned.get(table.name, [])} - {None}


def columns_of_parent(key: ForeignKey, parent: Table | None) -> tuple[str, ...]:
    """Return the columns that a foreign key refers to, as their table calls them; none if it does not fit the table."""
    if parent is None:
        return key.to
    named = key.to if all(key.to) else parent.key
    found = [column.name for name in named if (column := parent.column(name)) is not None]
    return tuple(found) if len(found) == len(key.columns) else ()


def _keeps(step: Step, columns: Sequence[str]) -> bool:
    """Return True if a step leaves a row with the same values in some columns."""
    return step.kind == "update" and step.values.keys().isdisjoint(columns)
