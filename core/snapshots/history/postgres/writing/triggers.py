"""The game's triggers while rows are put back: kept from firing, or what they made of the rows is found out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec

from ....engines.postgres.session import quoted
from ....errors import RestoreFailed
from ...databases import Value
from ...rescue.rows import refusal
from ...rescue.steps import Step, Values
from ...tables import same_value
from ..states import LiveState

__all__ = ["Aftermath", "without_triggers"]

_TRIGGERS = """
SELECT n.nspname::text, c.relname::text, t.tgname::text, t.tgenabled::text
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE (c.oid = $1::bigint::pg_catalog.oid
        OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree($1::bigint::pg_catalog.oid::pg_catalog.regclass)))
   AND NOT t.tgisinternal AND t.tgenabled <> 'D'
 ORDER BY c.oid, t.tgname
"""
_ENABLED = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}


@contextmanager
def without_triggers(now: LiveState, tables: Iterable[str]) -> Iterator[None]:
    """Keep the game's triggers of some tables and of their partitions from firing; those of foreign keys do."""
    found = [trigger for name in sorted(tables) for trigger in now.session.rows(_TRIGGERS, now.live[name].oid)]
    for schema, table, trigger, _ in found:
        now.session.execute(f"ALTER TABLE ONLY {quoted(schema, table)} DISABLE TRIGGER {quoted(trigger)}")
    yield
    now.session.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks that wait cannot be altered
    for schema, table, trigger, enabled in found:
        how = _ENABLED[enabled]
        now.session.execute(f"ALTER TABLE ONLY {quoted(schema, table)} {how} TRIGGER {quoted(trigger)}")


class Aftermath:
    """What the game's triggers make of rows that were put back, while later steps are done.

    A trigger that counts a player's cards counts those that come back, and so his count would be too high in the end.
    """

    def __init__(self, now: LiveState, tables: Iterable[str]) -> None:
        self._now = now
        found = {name: now.session.rows(_TRIGGERS, now.live[name].oid) for name in tables}
        self._watched = {name for name in found if now.live[name].table.key} if any(found.values()) else set[str]()
        self._left: dict[tuple[str, tuple[Value, ...]], tuple[Step, Values]] = {}
        """The rows as they were after their steps."""
        self._set: dict[tuple[str, str], None] = {}
        """The columns that triggers set as the row was written."""

    def note(self, step: Step) -> None:
        """Look at the row of a step that was just done."""
        if step.table not in self._watched:
            return
        self._left.pop(step.place, None)
        if step.kind != "delete":
            row = self._row(step)
            self._left[step.place] = step, row
            for name, value in step.written.items():
                if not self._same(step.table, name, row.get(name), value):
                    self._set[step.table, name] = None

    def changed_since(self) -> Iterator[Step]:
        """Yield the steps that make rows again what they were after their own steps."""
        for step, left in self._left.values():
            present = self._row(step)
            changed = {name: value for name, value in left.items() if not same_value(present[name], value)}
            written = {name: value for name, value in changed.items() if name in step.written}
            if written:
                yield msgspec.structs.replace(step, kind="update", values=written, before=present)

    def notes(self) -> list[str]:
        """Return sentences about what the triggers made of the rows."""
        return [f"{table}: a trigger of the game set {name} of rows that are back." for table, name in self._set]

    def _row(self, step: Step) -> Values:
        row = self._now.by_key(step.table, step.columns, step.key)
        if row is None:
            raise RestoreFailed(refusal(step, "a trigger removes it again, or gives it another key"))
        return row.values

    def _same(self, name: str, column: str, first: Value, second: Value) -> bool:
        table = self._now.live[name].table
        return self._now.comparable(table, column, first) == self._now.comparable(table, column, second)
