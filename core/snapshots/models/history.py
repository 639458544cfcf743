"""The past: points in time, and what was found at them. The answers are JSON-ready.

A value is what SQLite holds: a number, a text, None; a blob is ``{"blob": hexadecimal digits}``, and a number that JSON
has no word for is ``{"real": "inf"}``.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any

import msgspec

__all__ = [
    "NOW",
    "Change",
    "ChangePoint",
    "Diff",
    "DiffMethod",
    "FindChange",
    "Inside",
    "Key",
    "Look",
    "Names",
    "PlayerTables",
    "Point",
    "QueryResult",
    "RowHistory",
    "Sums",
    "TableDiff",
]

NOW = "now"
"""The name of the present in answers: the live database."""

Row = dict[str, Any]
Key = tuple[str | None, ...]
"""The values of a row's key as a person writes them, one for each column of the key."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot as a point in time: ``position`` is its place in the chain with the number ``chain``."""

    snapshot: str
    at: dt.datetime
    reasons: tuple[str, ...]
    chain: int
    position: int


class PlayerTables(msgspec.Struct, frozen=True, kw_only=True):
    """The player's table and key, and the (table, column) pairs that refer to it; ``why`` says how they were found.

    ``called`` are columns of the table that name a player too: his Discord id, where his key is another number.
    """

    table: str
    column: str
    references: tuple[tuple[str, str], ...]
    why: str
    called: tuple[str, ...] = ()


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one key, or of one player, at a point; ``at`` is a snapshot's id or "now".

    ``by`` is "archives" or "rebuild" (without APSW, slower). ``player`` says which tables were looked into, ``keys``
    which columns tell the rows of a table apart (none: only all of them do).
    """

    at: str
    time: dt.datetime
    tables: dict[str, list[Row]]
    by: str
    player: PlayerTables | None = None
    notes: tuple[str, ...] = ()
    keys: dict[str, tuple[str, ...]] = {}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a row, seen first at ``snapshot`` (an id or "now"), after ``since`` (None: the first point).

    ``before`` is None if the row was not there, ``after`` if it is gone.
    """

    snapshot: str
    since: str | None
    at: dt.datetime
    reasons: tuple[str, ...]
    before: Row | None
    after: Row | None


class RowHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Every change of a row, oldest first. Of ``points`` so many were read; the others could not have changed it."""

    table: str
    key: Row
    changes: tuple[Change, ...]
    points: int
    read: int
    by: str
    skipped: tuple[str, ...] = ()


class DiffMethod(StrEnum):
    """How two states were compared: by the pages that differ, or row by row in full."""

    PAGES = "pages"
    COMPARISON = "comparison"


class TableDiff(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows of a table were added, removed and changed, and, if asked for, the rows (capped).

    A changed row is a pair of before and after. Columns that only one of the two states has are listed and not
    compared.
    """

    added: int
    removed: int
    changed: int
    by: DiffMethod
    rows_added: tuple[Row, ...] = ()
    rows_removed: tuple[Row, ...] = ()
    rows_changed: tuple[tuple[Row, Row], ...] = ()
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between two points, ``until`` being an id or "now"; tables without a difference are left out.

    ``by`` is "pages" if no table that both have had to be compared in full.
    """

    since: str
    until: str
    by: DiffMethod
    tables: dict[str, TableDiff]
    seconds: float
    notes: tuple[str, ...] = ()


class ChangePoint(msgspec.Struct, frozen=True, kw_only=True):
    """What a condition was at a point."""

    snapshot: str
    at: dt.datetime
    reasons: tuple[str, ...]
    holds: bool


class FindChange(msgspec.Struct, frozen=True, kw_only=True):
    """The first point at which a condition holds, and the last before it; None if there is none.

    ``by`` is "bisection" if the condition changed once, else "all". ``skipped`` are damaged snapshots, at which it was
    not asked.
    """

    condition: str
    first: ChangePoint | None
    before: ChangePoint | None
    by: str
    points: int
    read: int
    skipped: tuple[str, ...] = ()


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """The answers to watched questions at a point, and why others have none."""

    values: dict[str, float]
    problems: dict[str, str] = {}


class Inside(msgspec.Struct, frozen=True, kw_only=True):
    """The tables at a point with their numbers of rows, or one of them with its first ``rows``."""

    at: str
    time: dt.datetime
    tables: dict[str, int]
    rows: tuple[Row, ...]
    by: str


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """What some columns say of some keys: by column ("users.name") and key."""

    names: dict[str, dict[str, str]]


class QueryResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a free query; ``truncated`` if there were more rows than are given."""

    at: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool
    by: str
