"""The states that a rescue compares: rows by their keys, and all rows that it is about.

``State`` is what the plan asks of a state, whichever engine holds it.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ...errors import QueryError
from ...models import Key, PlayerTables, RescueScope
from ..databases import Value
from ..tables import ForeignKey, Table, find_table, key_values
from .steps import Step

__all__ = [
    "Collision",
    "Foreseen",
    "Index",
    "State",
    "Stored",
    "Wanted",
    "columns_of",
    "numbers_beyond",
    "value_of",
]


class Stored(NamedTuple):
    """A row: its values by column, and its number, if it has one."""

    values: dict[str, Value]
    number: int | None = None


class Index(NamedTuple):
    """A unique index: the columns that its keys are computed from, and whether it is checked at the end only."""

    name: str
    columns: tuple[str, ...]
    waits: bool = False


class Collision(NamedTuple):
    """A row that a step leaves has in a unique index what ``row`` has now, or what an ``other`` step leaves."""

    step: int
    unique: Index
    row: Stored | None = None
    other: int | None = None


class Foreseen(NamedTuple):
    """What the live database says of steps before they are done; steps are told by their places in the list.

    ``problems`` are the ends of sentences: why a row is refused. Steps that are ``unchanged`` would change nothing.
    """

    problems: Mapping[int, str] = {}
    unchanged: frozenset[int] = frozenset()
    collisions: tuple[Collision, ...] = ()


class Wanted(NamedTuple):
    """The rows of one table that a rescue is about: ``any`` of some columns has a value, all have, or a condition."""

    table: str
    columns: tuple[str, ...] = ()
    values: tuple[Value, ...] = ()
    any: bool = False
    where: str = ""


class State(ABC):
    """One state of the database, open for reading or, being the live one, for writing; ``name`` is what it is called.

    Raises QueryError for what cannot be asked, and what the engine raises.
    """

    checks_references_at_once = False
    """True if foreign keys must hold after each step, not only in the end."""

    def __init__(self, name: str, tables: Mapping[str, Table]) -> None:
        self.name = name
        self.tables = dict(tables)
        self._lower = {name.lower(): table for name, table in self.tables.items()}

    def table(self, name: str) -> Table | None:
        """Return a table by its name, whatever its case unless two differ in nothing else, or None."""
        return self.tables.get(name) or self._lower.get(name.lower())

    def rows(self, wanted: Wanted) -> list[Stored]:
        """Return the rows that are wanted; none if there is no such table or column."""
        table = self.table(wanted.table)
        if table is None or not all(table.column(each) or each == table.rowid for each in wanted.columns):
            return []
        return self._rows(table, wanted)

    def by_key(self, name: str, columns: Sequence[str], values: Sequence[Value]) -> Stored | None:
        """Return the row of a table whose columns have these values, or None; the columns can be the row's number."""
        return next(iter(self.rows(Wanted(name, tuple(columns), tuple(values)))), None)

    def wanted(self, scope: RescueScope, player: PlayerTables | None) -> list[Wanted]:
        """Return what a scope means; the player and the key are looked up in this state. Raises QueryError."""
        if player is not None and scope.player is not None:
            key = self.player_key(player, scope.player)
            return [
                Wanted(name, tuple(columns), (key,) * len(columns), any=True)
                for name, columns in columns_of(player).items()
            ]
        table = find_table(self.tables, scope.table or "", self.name)
        if scope.key is not None:
            return [Wanted(table.name, table.identity, self.key_of(table, scope.key))]
        if not (scope.where or "").strip():
            raise QueryError("Say which rows: a player, a key, or a condition.")
        return [Wanted(table.name, where=scope.where or "")]

    def comparable(self, table: Table, name: str, value: Value) -> Value:
        """Return what is equal for two values if they are the same one in a column, whatever type they come from."""
        return value

    def key_of(self, table: Table, given: Key) -> tuple[Value, ...]:
        """Return the values of a key that a person gave; raise QueryError."""
        return key_values(table, given)

    def as_today(self, table: Table, rows: Sequence[Stored], then: Table) -> list[Stored]:
        """Return rows of the past with their values as the table's columns hold them today; ``then`` is theirs."""
        return list(rows)

    def can_be_open(self, table: Table, key: ForeignKey) -> bool:
        """Return True if rows may refer to nothing for the moment in which what they refer to is not there."""
        return False

    def prepare(self, wanted: Sequence[Wanted]) -> None:  # noqa: B027 - most states need not
        """Find what is wanted in several tables, if that is quicker together."""

    def unread_children(self, table: Table) -> tuple[str, ...]:
        """Return tables that refer to a table and whose rows cannot be read."""
        return ()

    @abstractmethod
    def player_key(self, player: PlayerTables, given: str) -> Value:
        """Return the key of the player whom a person names; raise QueryError."""

    def children(self, child: Table, key: ForeignKey, parent: Table, values: Sequence[Value]) -> list[Stored]:
        """Return the rows that refer by a foreign key to a row with these values in the columns that it names."""
        return self.rows(Wanted(child.name, key.columns, tuple(values)))

    @abstractmethod
    def with_content(self, table: Table, values: Mapping[str, Value]) -> list[Stored]:
        """Return the rows whose columns have exactly these values, NULL included."""

    def tells_apart(self, table: Table, columns: Sequence[str]) -> bool:
        """Return True if no two rows of the live database have the same values in these columns."""
        raise NotImplementedError

    @abstractmethod
    def foresee(self, table: Table, steps: Sequence[Step]) -> Foreseen:
        """Return what stands against steps, all of one table."""

    @abstractmethod
    def highest_number(self, table: Table) -> int:
        """Return the highest number of a row, where rows have numbers."""

    @abstractmethod
    def spares(self, table: Table, name: str, number: int) -> Iterator[Value]:
        """Yield values of a column that no row has, other ones for each number."""

    @abstractmethod
    def _rows(self, table: Table, wanted: Wanted) -> list[Stored]:
        """Return the rows that are wanted of a table that has the columns."""


def numbers_beyond(lowest: int, highest: int, number: int) -> Iterator[int]:
    """Yield numbers above and below those that there are, other ones for each ``number``: near, then far away."""
    for distance in (1, 1_009, 1_000_003):
        yield highest + distance * (1 + number)
        yield lowest - distance * (1 + number)


def columns_of(player: PlayerTables) -> dict[str, list[str]]:
    """Return by table the columns that refer to the player."""
    found: dict[str, list[str]] = {}
    for table, column in player.references:
        found.setdefault(table, []).append(column)
    return found


def value_of(shown: Any) -> Value:
    """Return the value that an answer holds: the reverse of ``tables.json_value``."""
    if isinstance(shown, dict):
        return bytes.fromhex(shown["blob"]) if "blob" in shown else float(shown["real"])
    if isinstance(shown, int | float | str | None):
        return shown
    raise TypeError(f"no value of a row: {json.dumps(shown)}")
