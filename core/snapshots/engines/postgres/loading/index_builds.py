"""Build the indexes of a dump on two connections.

``CREATE INDEX`` locks its table against writing only, so the indexes of one table can be built beside each other, and
while the table is read. ``ADD CONSTRAINT … PRIMARY KEY`` locks it against everything. So the index of a large table's
key is created first, and becomes the constraint afterwards, which takes no time
(https://www.postgresql.org/docs/current/sql-altertable.html, ``ADD table_constraint_using_index``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from ..plain_dump.lexer import Statement, unquoted
from ..session import quoted
from .two_connections import Executor, Group, Task

__all__ = ["IndexBuilds", "as_index"]

_IDENTIFIER = rb'(?:"(?:[^"]|"")*"|[^\s.",();]+)'
_COLUMNS = rb"\(" + _IDENTIFIER + rb"(?:, " + _IDENTIFIER + rb")*\)"
_WITH = rb"(?P<with> WITH \([^()']*(?:'[^']*'[^()']*)*\))?"
_TABLE = re.compile(
    rb"(?:ALTER TABLE|CREATE (?:UNIQUE )?INDEX " + _IDENTIFIER + rb" ON) (?:ONLY )?"
    rb"(?P<schema>" + _IDENTIFIER + rb")\.(?P<name>" + _IDENTIFIER + rb")\s"
)
_KEY = re.compile(
    rb"(?P<alter>ALTER TABLE ONLY (?P<table>" + _IDENTIFIER + rb"\." + _IDENTIFIER + rb")\s+ADD CONSTRAINT "
    rb"(?P<name>" + _IDENTIFIER + rb") (?P<kind>PRIMARY KEY|UNIQUE))(?P<nulls> NULLS NOT DISTINCT)? "
    rb"(?P<columns>" + _COLUMNS + rb"(?: INCLUDE " + _COLUMNS + rb")?)" + _WITH + rb";"
)
_OF_COLUMNS = re.compile(
    rb"CREATE (?:UNIQUE )?INDEX " + _IDENTIFIER + rb" ON " + _IDENTIFIER + rb"\." + _IDENTIFIER + rb" USING \w+ "
    rb"\(" + _IDENTIFIER + rb"(?: DESC)?(?:, " + _IDENTIFIER + rb"(?: DESC)?)*\)" + _WITH + rb";"
)
_BUILDING = ("CONSTRAINT", "INDEX")
_WORTHWHILE = 100_000
"""The number of rows from which the index of a key is created apart from its constraint."""


def as_index(text: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return statements that create a key's index, make the constraint of it, and drop it; None for other statements.

    Together the first two do what ``ADD CONSTRAINT`` does.
    """
    found = _KEY.fullmatch(text)
    if found is None:
        return None
    name, table = found["name"], found["table"]
    nulls, storage = found["nulls"] or b"", found["with"] or b""
    return (
        b"CREATE UNIQUE INDEX %b ON %b USING btree %b%b%b;" % (name, table, found["columns"], nulls, storage),
        b"%b USING INDEX %b;" % (found["alter"], name),
        b"DROP INDEX %b.%b;" % (_schema(table), name),
    )


def _schema(table: bytes) -> bytes:
    found = re.match(_IDENTIFIER, table)
    assert found is not None
    return found[0]


class IndexBuilds:
    """The statements that build indexes, by table, from the first one to the first statement of another kind."""

    def __init__(self) -> None:
        self._tables: dict[str, list[Statement]] = {}
        self._last: list[Statement] = []

    def __bool__(self) -> bool:
        return bool(self._tables)

    def take(self, statement: Statement, encoding: str) -> bool:
        """Add a statement if it builds an index, or describes the last one; return False for any other."""
        kind = statement.entry.type if statement.entry is not None else ""
        if kind == "COMMENT" and self._tables:
            self._last.append(statement)
            return True
        found = _TABLE.match(statement.text) if kind in _BUILDING else None
        if found is None:
            return False
        table = quoted(*(unquoted(found[part], encoding) for part in ("schema", "name")))
        self._last = self._tables.setdefault(table, [])
        self._last.append(statement)
        return True

    def groups(
        self, rows: Mapping[str, int], is_loaded: Callable[[str], bool], all_loaded: Callable[[], bool]
    ) -> list[Group]:
        """Return the work on each table, and forget it.

        ``rows`` says how many a table has, for those that are loaded by themselves. An index of columns can be built
        once its table is loaded, others only when all are: a function in them may read other tables.
        """
        taken, self._tables = self._tables, {}
        return [
            _group(
                statements, rows.get(table, 0), partial(is_loaded, table) if _are_of_columns(statements) else all_loaded
            )
            for table, statements in taken.items()
        ]


def _are_of_columns(statements: list[Statement]) -> bool:
    return all(
        (statement.entry is not None and statement.entry.type == "COMMENT")
        or _OF_COLUMNS.fullmatch(statement.text)
        or _KEY.fullmatch(statement.text)
        for statement in statements
    )


def _group(statements: list[Statement], rows: int, ready: Callable[[], bool]) -> Group:
    """Return the work on one table; its other indexes come before keys, whose columns are mostly in order already."""
    group = Group(rows, ready)
    keys: list[Task] = []
    for statement in statements:
        if statement.text.startswith((b"CREATE INDEX ", b"CREATE UNIQUE INDEX ")):
            group.beside.append(_run(statement))
            continue
        parts = as_index(statement.text) if rows >= _WORTHWHILE else None
        if parts is None:
            group.afterwards.append(_run(statement))
        else:
            key = _Key(statement, *parts)
            keys.append(key.build)
            group.afterwards.append(key.attach)
    group.beside += keys
    return group


def _run(statement: Statement) -> Task:
    return lambda executor: executor.run(statement)


class _Key:
    """A key whose index is built first. Where the server refuses that, the dump's own statement meets the same."""

    def __init__(self, statement: Statement, create: bytes, attach: bytes, drop: bytes) -> None:
        self._statement = statement
        self._create = create
        self._attach = attach
        self._drop = drop
        self._built = False

    def build(self, executor: Executor) -> None:
        self._built = executor.attempt(self._create)

    def attach(self, executor: Executor) -> None:
        if self._built and executor.attempt(self._attach):
            return
        if self._built:
            executor.attempt(self._drop)
        executor.run(self._statement)
