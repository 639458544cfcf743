"""The rows that steps leave as a relation in SQL, with what today's table computes from them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from ...engines.postgres.session import quoted
from ..rescue.rows import left_by
from ..rescue.steps import Step
from ..tables import Column, Table
from .constraints import Demanded, DemandedColumn, UniqueIndex
from .store import columns_of_rows
from .values import sql_value

__all__ = ["KEYS", "NUMBER", "PlannedRows", "alias_of"]

NUMBER = Column("#", "bigint", kind="INTEGER")
"""The number of a step; the key of its row in a unique index is in ``#1``, ``#2`` and so on."""
KEYS = "keys_of_planned_rows"
_RAW, _WHOLE = "written_of_planned_rows", "planned_rows"


class PlannedRows:
    """Writes queries about the rows that steps leave, by the numbers of the steps."""

    def __init__(self, table: Table, source: str, demanded: Demanded) -> None:
        self._table = table
        self._source = source
        self._demanded = demanded
        self._alias = alias_of(table)

    def judged(self, steps: Mapping[int, Step]) -> tuple[str, list[Column]]:
        """Return the query for the rows as today's columns hold them; ``failed`` has a 1 for each demand not met."""
        columns = columns_of_rows(self._table)
        failed = " || ".join(f"CASE WHEN {condition} THEN '1' ELSE '0' END" for condition in self._failures()) or "''"
        listed = ", ".join(quoted(column.name) for column in columns)
        query = f"SELECT {_NUMBER}, {failed}{', ' * bool(listed)}{listed} FROM {_WHOLE} AS {self._alias}"
        return self._with(steps) + query, [NUMBER, Column("failed", "text"), *columns]

    def holders(self, index: UniqueIndex, steps: Mapping[int, Step]) -> tuple[str, list[Column]]:
        """Return the query for the live rows that exclude rows of steps in a unique index."""
        columns = columns_of_rows(self._table)
        listed = [quoted(column.name) for column in columns]
        found = ", ".join(["planned." + _NUMBER, *(f"live.{name}" for name in listed)])
        live = self._keyed(index, listed, self._source)
        joined = " UNION ALL ".join(
            f"SELECT {found} FROM {KEYS} AS planned JOIN ({live}) AS live ON {condition}"
            for condition in _excluding(index, "live", "planned")
        )
        return self._with_keys(index, steps) + joined, [NUMBER, *columns]

    def twins(self, index: UniqueIndex, steps: Mapping[int, Step]) -> str:
        """Return the query for the pairs of steps whose rows exclude each other in a unique index."""
        pairs = " UNION ALL ".join(
            f"SELECT one.{_NUMBER}, other.{_NUMBER} FROM {KEYS} AS one JOIN {KEYS} AS other "
            f"ON one.{_NUMBER} < other.{_NUMBER} AND {condition}"
            for condition in _excluding(index, "other", "one")
        )
        return self._with_keys(index, steps) + pairs

    def keys(self, index: UniqueIndex, steps: Mapping[int, Step]) -> str:
        """Return the query for the keys of rows in a unique index, as texts after the number of the step."""
        texts = ", ".join(f"{_key(place)}::text" for place in range(len(index.terms)))
        return self._with_keys(index, steps) + f"SELECT {_NUMBER}, {texts} FROM {KEYS}"

    def probe(self, condition: str, steps: Mapping[int, Step]) -> str:
        """Return a query that can be planned only if the server understands a condition about the table."""
        return self._with(steps) + f"SELECT 1 FROM {_WHOLE} AS {self._alias} WHERE false AND ({condition}) IS NULL"

    def _failures(self) -> list[str]:
        """Return the conditions of what is not met, in the order of ``Demanded.failures``."""
        nulls = [f"pg_catalog.num_nulls({quoted(name)}) = 1" for name in self._demanded.never_null]
        checks = [f"({check}) IS FALSE" for check in self._demanded.checks.values()]
        partitions = self._demanded.partitions
        return [*nulls, *checks, *([f"({partitions}) IS NOT TRUE"] if partitions is not None else [])]

    def _with_keys(self, index: UniqueIndex, steps: Mapping[int, Step]) -> str:
        return f"{self._with(steps).rstrip()}, {KEYS} AS ({self._keyed(index, [_NUMBER], _WHOLE)}) "

    def _keyed(self, index: UniqueIndex, columns: list[str], source: str) -> str:
        terms = [f"{term} AS {_key(place)}" for place, term in enumerate(index.terms)]
        where = f" WHERE {index.condition}" if index.condition else ""
        return f"SELECT {', '.join([*columns, *terms])} FROM {source} AS {self._alias}{where}"

    def _with(self, steps: Mapping[int, Step]) -> str:
        plain = [column for column in self._demanded.columns if not column.generated]
        names = ", ".join([_NUMBER, *(quoted(column.name) for column in plain)])
        rows = ", ".join(f"({', '.join([str(number), *_values(plain, step)])})" for number, step in steps.items())
        computed = [
            f"({column.expression}) AS {quoted(column.name)}" for column in self._demanded.columns if column.generated
        ]
        whole = f"SELECT {', '.join([names, *computed])} FROM {_RAW} AS {self._alias}"
        return f"WITH {_RAW} ({names}) AS (VALUES {rows}), {_WHOLE} AS ({whole}) "


_NUMBER = quoted(NUMBER.name)


def alias_of(table: Table) -> str:
    """Return what conditions about a table's rows call it."""
    return quoted(table.name.rpartition(".")[2])


def _key(place: int) -> str:
    return quoted(f"#{place + 1}")


def _values(columns: list[DemandedColumn], step: Step) -> list[str]:
    row = left_by(step) or {}
    return [
        f"CAST({sql_value(row.get(column.name), column.type)} AS {column.type})"
        if column.name in row or column.default is None
        else f"CAST(({column.default}) AS {column.type})"
        for column in columns
    ]


def _excluding(index: UniqueIndex, first: str, second: str) -> list[str]:
    """Return the conditions under which two rows exclude each other; one for each way in which NULLs are the same."""
    keys = [(f"{first}.{_key(place)}", f"{second}.{_key(place)}") for place in range(len(index.operators))]
    same = [f"{one} {operator} {other}" for (one, other), operator in zip(keys, index.operators, strict=True)]
    empty = [f"{one} IS NULL AND {other} IS NULL" for one, other in keys]
    ways = product(*zip(same, empty, strict=True)) if index.nulls_are_same else [same]
    return [" AND ".join(way) for way in ways]
