"""The plan of a rescue: three states are compared row by row, and each row becomes a step, a conflict, or neither.

*Then* is the chosen point, *now* the live database, and, if it is given, *damaged* the state after the damage. A row
that is gone is put back; one that differs is changed back, unless somebody changed it after the damage or it belongs to
somebody else now. Whatever a row refers to is brought along if it is gone too.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import msgspec

from ...models import (
    ConflictRule,
    PlayerTables,
    RescueConflict,
    RescuedRow,
    RescueOptions,
    RescueScope,
    TableRescue,
)
from ...units import count_text
from ..databases import Value
from ..tables import Table, json_value, same_value
from .pairing import same_rows
from .references import References
from .rows import alike, common_columns, key_text, named, place_in, step_for, title, told_by_key
from .settlement import Settlement
from .states import State, Stored, Wanted, columns_of, value_of
from .steps import Step, Told, Values

__all__ = ["Planned", "Planner"]


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """The steps of a rescue and what there is to say about them.

    ``ordered`` are the steps in the order in which they are done; rows that must be set aside for a moment have two.
    """

    steps: tuple[Step, ...]
    ordered: tuple[Step, ...]
    conflicts: tuple[RescueConflict, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    broken: Counter[tuple[str, str]]
    """How many rows of one table may refer to rows of another that are not there."""

    def tables(self) -> dict[str, TableRescue]:
        """Return the counts by table, without tables of which nothing is to be said."""
        counts: Counter[tuple[str, str]] = Counter((step.table, step.kind) for step in self.steps)
        counts.update((conflict.table, "conflict") for conflict in self.conflicts)
        names = sorted({table for table, _ in counts})
        return {
            name: TableRescue(
                put_back=counts[name, "insert"],
                changed=counts[name, "update"],
                removed=counts[name, "delete"],
                conflicts=counts[name, "conflict"],
            )
            for name in names
        }

    def rows(self) -> tuple[RescuedRow, ...]:
        """Return the rows that are written or removed."""
        return tuple(
            RescuedRow(table=step.table, key=tuple(map(json_value, step.key)), by_number=step.by_number)
            for step in self.steps
        )

    def token(self, *bound_to: object) -> str:
        """Return a text that changes with every step and conflict, and with what else the agreement is bound to."""
        steps, conflicts = map(repr, self.steps), map(repr, self.conflicts)
        shown = (*bound_to, [*steps], [*conflicts], self.left_out)
        return hashlib.sha256(repr(shown).encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Planner:
    """Compares the states; ``plan`` can be called once."""

    def __init__(
        self,
        then: State,
        now: State,
        damaged: State | None,
        scope: RescueScope,
        options: RescueOptions,
        player: PlayerTables | None,
    ) -> None:
        self._then = then
        self._now = now
        self._damaged = damaged
        self._scope = scope
        self._options = options
        self._owned = {} if player is None else columns_of(player)
        self._references = References(now, then, self._owned, undoing=bool(scope.rows))
        self._numbers: dict[str, int] = {}
        self._steps: dict[Told, Step] = {}
        self._copies: Counter[tuple[str, tuple[Value, ...]]] = Counter()
        """How many equal rows without a key are in the steps."""
        self._conflicts: list[RescueConflict] = []
        self._taken: dict[int, Told] = {}
        """Of conflicts, by their places, the steps that take what is in conflict."""
        self._left_out: dict[str, None] = {}
        self._notes: dict[str, None] = {}
        self.found = 0
        """How many rows there were then."""

    def plan(self, wanted: list[Wanted]) -> Planned:
        """Return what putting the rows back means now."""
        self._then.prepare(wanted)
        for each in wanted:
            self._table(each)
        if self._scope.rows:
            self._single_rows()
        ordered = self._settle()
        return Planned(
            steps=tuple(self._steps.values()),
            ordered=tuple(ordered),
            conflicts=tuple(self._conflicts),
            left_out=tuple(self._left_out),
            notes=tuple(self._notes),
            broken=self._references.broken(),
        )

    def _table(self, wanted: Wanted) -> None:
        then_table, table = self._then.table(wanted.table), self._now.table(wanted.table)
        rows = self._rows(self._then, wanted)
        self.found += len(rows)
        if table is not None and then_table is not None:
            rows = self._now.as_today(table, rows, then_table)
        if table is None:
            if rows:
                self._left_out[f"{wanted.table} is no more: {count_text(len(rows), 'row')} cannot be put back."] = None
            return
        present = self._rows(self._now, wanted)
        if then_table is None:
            self._notes[f"{table.name} did not exist then, so its rows stay as they are."] = None
            return
        self._note_columns(then_table, table)
        if not table.key or not all(then_table.column(name) for name in table.key):
            self._without_key(table, rows, present)
            return
        keys: set[tuple[Value, ...]] = set()
        told, untold = told_by_key(rows, table.key)
        told_now, untold_now = told_by_key(present, table.key)
        if untold or untold_now:
            self._without_key(table, untold, untold_now)
        met: set[tuple[Value, ...]] = set()
        for key, row in told:
            keys.add(key)
            today = self._now.by_key(table.name, table.key, key)
            place = key if today is None else place_in(table, today)
            if place in met:
                self._left_out[f"{table.name} {key_text(key)}: its key is that of another row today."] = None
            else:
                met.add(place)
                self._row(table, table.key, key, row, today)
        for key, row in told_now if self._options.exact else ():
            if key not in keys and self._then.by_key(table.name, table.key, key) is None:
                self._remove(table, table.key, key, row)

    def _rows(self, state: State, wanted: Wanted) -> list[Stored]:
        """Return the wanted rows of a state, which may lack some of the columns that refer to the player."""
        table = state.table(wanted.table)
        if table is None or not wanted.any:
            return state.rows(wanted)
        there = tuple(column for column in wanted.columns if table.column(column))
        return state.rows(wanted._replace(columns=there, values=wanted.values[: len(there)])) if there else []

    def _was(self, state: State, table: Table, columns: Sequence[str], key: Sequence[Value]) -> Stored | None:
        """Return a row of the past by its key, with its values as today's table holds them."""
        row, then = state.by_key(table.name, columns, key), state.table(table.name)
        return row if row is None or then is None else self._now.as_today(table, [row], then)[0]

    def _single_rows(self) -> None:
        """Plan for rows that are told one by one: each becomes what it was then, gone included."""
        for each in self._scope.rows:
            table = self._now.table(each.table)
            if table is None:
                self._left_out[f"{each.table} is no more."] = None
                continue
            key = tuple(map(value_of, each.key))
            if not table.key and table.rowid is None:
                self._single_content(table, key)
                continue
            columns = (table.rowid,) if each.by_number and table.rowid is not None else table.identity
            then = self._was(self._then, table, columns, key)
            present = self._now.by_key(table.name, columns, key)
            if then is not None:
                self._row(table, columns, key, then, present)
            elif present is not None:
                self._remove(table, columns, key, present)

    def _single_content(self, table: Table, key: tuple[Value, ...]) -> None:
        """Plan for a row that only its content tells: one more or one less of it, if there were so many then."""
        values = dict(zip((column.name for column in table.columns if not column.generated), key, strict=False))
        if self._then.table(table.name) is None or len(values) != len(key):
            self._left_out[f"{table.name} has other columns now."] = None
            return
        present = self._now.with_content(table, values)
        then, now = len(self._then.with_content(table, values)), len(present)
        planned = self._copies[table.name, key]
        if then > now + planned:
            self._content_back(table, values, None)
        elif then < now - planned:
            self._content_away(table, present[0])

    def _row(
        self, table: Table, columns: tuple[str, ...], key: tuple[Value, ...], then: Stored, present: Stored | None
    ) -> None:
        """Plan for a row that was there then."""
        wanted = {name: then.values[named(then.values, name)] for name in common_columns(table, then)}
        after_damage = None
        if self._damaged is not None:
            after_damage = self._was(self._damaged, table, columns, key)
        if present is None:
            step = step_for("insert", table, columns, key, wanted, None)
            if after_damage is not None:
                self._conflict(step, "it was there after the damage, and was removed since")
            else:
                self._write(table, step)
            return
        changed = self._changed(table, wanted, present)
        if not changed:
            return
        if all(name in present.values for name in columns):
            key = tuple(present.values[name] for name in columns)  # as it is written today
        step = step_for("update", table, columns, key, changed, present.values)
        holder = self._other_holder(table, then, present)
        if holder is not None:
            self._conflict(step, f"it belongs to {holder} now", holder)
        elif self._options.only_missing:
            return
        elif self._damaged is not None and not alike(after_damage, present):
            self._conflict(step, "it changed since the damage")
        else:
            self._write(table, step)

    def _changed(self, table: Table, wanted: Values, present: Stored) -> Values:
        """Return the values that a row had then and has no more, of columns that can be written in it."""
        changed = {name: value for name, value in wanted.items() if not same_value(present.values[name], value)}
        fixed = {column.name for column in table.columns if column.fixed} & changed.keys()
        for name in sorted(fixed):
            self._notes[f"{table.name}: {name} is numbered by the server, and stays as it is where a row is."] = None
        return {name: value for name, value in changed.items() if name not in fixed}

    def _remove(self, table: Table, columns: tuple[str, ...], key: tuple[Value, ...], present: Stored) -> None:
        """Plan for a row that was not there then."""
        step = step_for("delete", table, columns, key, {}, present.values)
        if self._damaged is not None and not alike(self._was(self._damaged, table, columns, key), present):
            self._conflict(step, "it changed since the damage")
            return
        self._steps[step.place] = step

    def _settle(self) -> list[Step]:
        """Take back the steps that cannot be done; return the others in the order in which they are."""
        settlement = Settlement(self._steps, self._references, self._now, self._owned)
        ordered = settlement.settle()
        for step, why, holder, is_conflict in settlement.withdrawn:
            if is_conflict:
                self._conflict(step, why, holder, takeable=False)
            else:
                self._left_out[f"{title(step)}: {why}."] = None
        for place, told in self._taken.items():
            self._conflicts[place] = msgspec.structs.replace(self._conflicts[place], taken=told in self._steps)
        return ordered

    def _without_key(self, table: Table, rows: list[Stored], present: list[Stored]) -> None:
        """Plan for rows that only their content tells: as many of each as there were then."""
        names = [name for row in rows[:1] or present[:1] for name in common_columns(table, row)]
        have = Counter(tuple(row.values[name] for name in names) for row in present)
        gone, new = [], []
        for row in rows:
            content = tuple(row.values[named(row.values, name)] for name in names)
            if have[content]:
                have[content] -= 1
            elif names:
                gone.append(row)
        for row in present:
            content = tuple(row.values[name] for name in names)
            if have[content]:
                have[content] -= 1
                new.append(row)
        paired = same_rows(self._now, table, self._owned.get(table.name, []), gone, new)
        for then, row in paired:
            self._same_row(table, then, row)
        done = {id(row) for pair in paired for row in pair}
        for row in gone:
            if id(row) not in done:
                values = {name: row.values[named(row.values, name)] for name in names}
                self._content_back(table, values, row.number)
        for row in new if self._options.exact else ():
            if id(row) not in done:
                self._content_away(table, row)

    def _same_row(self, table: Table, then: Stored, present: Stored) -> None:
        """Plan for a row without a key that has other values now."""
        if table.rowid is not None:
            if then.number == present.number:
                self._row(table, (table.rowid,), (present.number,), then, present)
                return
            wanted = {name: then.values[named(then.values, name)] for name in common_columns(table, then)}
            changed = self._changed(table, wanted, present)
            step = step_for("update", table, (table.rowid,), (present.number,), changed, present.values)
            self._conflict(step, "he has another row there now")
        elif not self._options.only_missing:
            kept = {column.name: present.values[column.name] for column in table.columns if not column.generated}
            wanted = {name: then.values[named(then.values, name)] for name in common_columns(table, then)}
            self._content_away(table, present)
            self._content_back(table, kept | wanted, None)

    def _content_back(self, table: Table, values: Values, number: int | None) -> Told:
        """Plan for a row that only its content tells, and that comes back; return what tells the step."""
        if table.rowid is None:
            key, columns = tuple(values.values()), tuple(values)
            place = (*key, self._copies[table.name, key])
            self._copies[table.name, key] += 1
            step = Step(kind="insert", table=table.name, columns=columns, key=key, values={}, before=None)
            return self._write(table, step, place)
        free = number is not None and self._now.by_key(table.name, (table.rowid,), (number,)) is None
        step = step_for("insert", table, (table.rowid,), (number,), values, None)
        while not free or step.place in self._steps:
            free = True
            step = msgspec.structs.replace(step, key=(self._next_number(table),))
        return self._write(table, step)

    def _next_number(self, table: Table) -> int:
        """Return a number that no row of a table has, and that was not returned before."""
        if table.name not in self._numbers:
            self._numbers[table.name] = self._now.highest_number(table)
        self._numbers[table.name] += 1
        return self._numbers[table.name]

    def _content_away(self, table: Table, row: Stored) -> None:
        if table.rowid is not None:
            self._remove(table, (table.rowid,), (row.number,), row)
            return
        key = tuple(row.values.values())
        place = (*key, self._copies[table.name, key])
        self._copies[table.name, key] += 1
        self._steps[table.name, place] = Step(
            kind="delete", table=table.name, columns=tuple(row.values), key=key, values={}, before=row.values
        )

    def _write(self, table: Table, step: Step, place: tuple[Value, ...] | None = None) -> Told:
        """Add a step and what its row refers to; ``place`` tells it from others, where its key does not."""
        told = step.place if place is None else (table.name, place)
        if told not in self._steps:
            self._steps[told] = step
            self._bring_parents(step)
        return told

    def _bring_parents(self, step: Step) -> None:
        """Put back the rows that a row refers to, if they are gone and were there then."""
        for target in self._references.targets(step):
            parent = self._now.table(target.table)
            if parent is None or self._references.is_brought(target) or self._references.parent(target) is not None:
                continue
            there = self._was(self._then, parent, target.columns, target.values)
            if there is None:
                continue
            wanted = {name: there.values[named(there.values, name)] for name in common_columns(parent, there)}
            key = tuple(wanted.get(name) for name in parent.key)
            if not parent.key:
                self._references.bring(target, self._content_back(parent, wanted, there.number))
            elif None not in key:
                self._references.bring(target, (parent.name, key))
                # If it is there and differs, it is another one's to change.
                if self._now.by_key(parent.name, parent.key, key) is None:
                    self._write(parent, step_for("insert", parent, parent.key, key, wanted, None))

    def _conflict(self, step: Step, why: str, holder: str | None = None, *, takeable: bool = True) -> None:
        key = {name: json_value(value) for name, value in zip(step.columns, step.key, strict=True)}
        conflict = RescueConflict(table=step.table, key=key, why=why, holder=holder, takeable=takeable)
        if takeable and (self._options.conflicts is ConflictRule.TAKE or conflict.name in self._options.take):
            table = self._now.table(step.table)
            assert table is not None
            self._write(table, step)
            self._taken[len(self._conflicts)] = step.place
        self._conflicts.append(conflict)

    def _other_holder(self, table: Table, then: Stored, present: Stored) -> str | None:
        """Return whose a row is now that was the player's then; None if it is still the player's."""
        columns = [name for name in self._owned.get(table.name, []) if name in present.values and name in then.values]
        if not columns or any(same_value(then.values[name], present.values[name]) for name in columns):
            return None
        return next((str(present.values[name]) for name in columns if present.values[name] is not None), "nobody")

    def _note_columns(self, then: Table, now: Table) -> None:
        gone = [name for name in then.names if now.column(name) is None]
        if gone:
            self._notes[f"{now.name} has no column {', '.join(gone)} any more; what was in it is not put back."] = None
        fresh = [name for name in now.names if then.column(name) is None]
        if fresh:
            self._notes[f"{now.name} has got {', '.join(fresh)} since; rows that are put back get the default."] = None
