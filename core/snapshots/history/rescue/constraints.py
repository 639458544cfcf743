"""What stands against writing a row: values that must be unique, rows that it refers to or that refer to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..databases import Value, quoted
from ..tables import Table
from .states import State, Stored
from .steps import Step

__all__ = ["Constraints"]

_WHERE = re.compile(r"\)\s*WHERE\b(.*)\Z", re.IGNORECASE | re.DOTALL)


class _Unique(NamedTuple):
    """A unique index: its columns, and the condition of a partial one."""

    columns: tuple[str, ...]
    condition: str


class Constraints:
    """The constraints of the live database."""

    def __init__(self, now: State) -> None:
        self._now = now
        self._indexes: dict[str, list[_Unique]] = {}
        self._needed: dict[str, list[str]] = {}
        self._numbers: dict[str, int] = {}

    def missing_value(self, table: Table, values: Mapping[str, Value]) -> str | None:
        """Return what an inserted row lacks: a value for a column that is new, must have one and has no default."""
        if table.name not in self._needed:
            self._needed[table.name] = [
                str(row[1])
                for row in self._now.database.rows(f"PRAGMA table_xinfo({quoted(table.name)})")
                if row[3] and row[4] is None and not row[6] and not (table.integer_key and row[5])
            ]
        missing = [name for name in self._needed[table.name] if values.get(name) is None]
        return f"{', '.join(missing)} must have a value, and there was none then" if missing else None

    def unique_holder(
        self, table: Table, step: Step, planned: Mapping[tuple[str, tuple[Value, ...]], Step], owned: list[str]
    ) -> str | None:
        """Return who has a unique value that a step would write, or None; rows of the plan itself do not count."""
        row = {**(step.before or {}), **step.values}
        for index in self._unique(table):
            values = [row.get(name) for name in index.columns]
            if None in values or not self._applies(index, row):
                continue
            condition = " AND ".join(f"{quoted(name)} = ?" for name in index.columns) + index.condition
            for other in self._now.rows(table.name, condition, values):
                key = tuple(other.values[name] for name in table.key) if table.key else (other.number,)
                if key == step.key or (table.name, key) in planned:
                    continue
                holder = next((other.values[name] for name in owned if other.values.get(name) is not None), None)
                return str(holder) if holder is not None else ", ".join(map(str, key))
        return None

    def parents(
        self, table: Table, values: Mapping[str, Value]
    ) -> Iterator[tuple[Table, tuple[str, ...], tuple[Value, ...]]]:
        """Yield the rows that a row refers to: their table, the columns that tell them, and their values."""
        for key in table.foreign_keys:
            parent = self._now.table(key.table)
            found = tuple(values.get(name) for name in key.columns)
            if parent is not None and None not in found:
                yield parent, key.to if all(key.to) else parent.key, found

    def referring(self, step: Step, planned: Mapping[tuple[str, tuple[Value, ...]], Step]) -> str | None:
        """Return a table of which a row refers to what a step would remove and still would after the plan, or None."""
        table, values = self._now.table(step.table), step.before or {}
        for child in self._now.tables.values() if table is not None else ():
            for key in child.foreign_keys:
                if table is None or key.table.lower() != table.name.lower():
                    continue
                found = [values.get(name) for name in (key.to if all(key.to) else table.key)]
                condition = " AND ".join(f"{quoted(name)} = ?" for name in key.columns)
                rows = self._now.rows(child.name, condition, found) if None not in found else []
                if any(self._stays(child, row, key.columns, planned) for row in rows):
                    return child.name
        return None

    def _stays(
        self,
        child: Table,
        row: Stored,
        columns: tuple[str, ...],
        planned: Mapping[tuple[str, tuple[Value, ...]], Step],
    ) -> bool:
        """Return True if a row refers to the same as now after the plan."""
        key = tuple(row.values[name] for name in child.key) if child.key else (row.number,)
        step = planned.get((child.name, key))
        return step is None or (step.kind == "update" and not any(name in step.values for name in columns))

    def next_number(self, table: Table) -> int:
        """Return a number that no row of a table has, and that was not returned before."""
        if table.name not in self._numbers:
            highest = self._now.database.one(f"SELECT max({table.rowid_quoted}) FROM {quoted(table.name)}")
            self._numbers[table.name] = int((highest[0] if highest else 0) or 0)
        self._numbers[table.name] += 1
        return self._numbers[table.name]

    def _unique(self, table: Table) -> list[_Unique]:
        if table.name not in self._indexes:
            found = []
            database = self._now.database
            for row in database.all(f"PRAGMA index_list({quoted(table.name)})"):
                columns = [each[2] for each in database.all(f"PRAGMA index_info({quoted(str(row[1]))})")]
                if row[2] and row[3] != "pk" and None not in columns:
                    found.append(_Unique(tuple(map(str, columns)), self._condition(str(row[1])) if row[4] else ""))
            self._indexes[table.name] = found
        return self._indexes[table.name]

    def _condition(self, index: str) -> str:
        sql = self._now.database.one("SELECT sql FROM sqlite_schema WHERE name = ?", (index,))
        found = _WHERE.search(str(sql[0])) if sql else None
        return f" AND ({found[1]})" if found else ""

    def _applies(self, index: _Unique, row: Mapping[str, Value]) -> bool:
        """Return True if a row would be in an index."""
        if not index.condition:
            return True
        columns = ", ".join(f"? AS {quoted(name)}" for name in row)
        found = self._now.database.one(
            f"SELECT 1 FROM (SELECT {columns}) WHERE 1{index.condition}", tuple(row.values())
        )
        return found is not None
