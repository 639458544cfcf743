"""Add the foreign keys of large tables on two connections.

``ADD CONSTRAINT … FOREIGN KEY`` locks both tables against writing while it checks the rows. With ``NOT VALID`` it
checks none, and ``VALIDATE CONSTRAINT`` does so later, beside others, except those of the same table. What comes of
both is the same (https://www.postgresql.org/docs/current/sql-altertable.html).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from ..plain_dump.lexer import Statement, unquoted
from ..session import quoted
from .two_connections import Executor, Group

__all__ = ["ForeignKeys", "in_two_steps"]

_IDENTIFIER = rb'(?:"(?:[^"]|"")*"|[^\s.",();]+)'
_FOREIGN_KEY = re.compile(
    rb"(?P<alter>ALTER TABLE ONLY (?P<table>" + _IDENTIFIER + rb"\." + _IDENTIFIER + rb"))\s+ADD CONSTRAINT "
    rb"(?P<name>"
    + _IDENTIFIER
    + rb") FOREIGN KEY \([^()]*\) REFERENCES (?P<referenced>"
    + _IDENTIFIER
    + rb"\."
    + _IDENTIFIER
    + rb")\([^()]*\)[^;']*;"
)
_UNCHECKED = re.compile(rb" NOT (?:VALID|ENFORCED)\b")
_WORTHWHILE = 100_000
"""The number of rows from which it is worth checking them beside others."""
_FEW = 10_000
"""Fewer referenced rows than these are hashed to check what refers to them; then it need not be sorted. The planner
itself would hash the larger table if the referenced one is it (1.5 s in place of 0.3 s for 700,000 rows that refer to
5,200,000)."""


def in_two_steps(text: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return statements that add a foreign key unchecked, check it, and drop it; None for other statements."""
    found = _FOREIGN_KEY.fullmatch(text)
    if found is None or _UNCHECKED.search(text):
        return None
    return (
        text[:-1] + b" NOT VALID;",
        b"%b VALIDATE CONSTRAINT %b;" % (found["alter"], found["name"]),
        b"%b DROP CONSTRAINT %b;" % (found["alter"], found["name"]),
    )


class ForeignKeys:
    """The statements that add foreign keys to large tables, from the first one to the first statement of another kind.

    ``rows`` says how many a table has, for those that are loaded by themselves: others are partitioned, and are left
    to the dump's own statements.
    """

    def __init__(self, rows: Mapping[str, int], via_root: Collection[str]) -> None:
        self._rows = rows
        self._via_root = via_root
        self._keys: list[_ForeignKey] = []

    def __bool__(self) -> bool:
        return bool(self._keys)

    def take(self, statement: Statement, encoding: str) -> bool:
        """Add a statement if it adds such a foreign key; return False for any other."""
        found = _FOREIGN_KEY.fullmatch(statement.text)
        steps = in_two_steps(statement.text)
        if found is None or steps is None:
            return False
        table, referenced = (_quoted(found[part], encoding) for part in ("table", "referenced"))
        known = {table, referenced} <= self._rows.keys() - set(self._via_root)
        if not known or self._rows[table] < _WORTHWHILE:
            return False
        self._keys.append(_ForeignKey(statement, table, self._rows[referenced] < _FEW, *steps))
        return True

    def groups(self, here: Executor) -> list[Group]:
        """Add all unchecked, return the work that checks them, and forget them."""
        keys, self._keys = self._keys, []
        groups: dict[str, Group] = {}
        for key in keys:
            if here.attempt(key.add):
                group = groups.setdefault(key.table, Group(self._rows[key.table]))
                group.afterwards.append(key.check)
            else:
                here.run(key.statement)  # which meets the same
        return list(groups.values())


def _quoted(name: bytes, encoding: str) -> str:
    return quoted(*(unquoted(part, encoding) for part in re.findall(_IDENTIFIER, name)))


class _ForeignKey:
    def __init__(
        self, statement: Statement, table: str, refers_to_few: bool, add: bytes, validate: bytes, drop: bytes
    ) -> None:
        self.statement = statement
        self.table = table
        self.add = add
        self._refers_to_few = refers_to_few
        self._validate = validate
        self._drop = drop

    def check(self, executor: Executor) -> None:
        """Check the rows. If some refer to nothing, the dump's own statement says so."""
        executor.attempt(b"SET enable_hashjoin = on;" if self._refers_to_few else b"SET enable_hashjoin = off;")
        if not executor.attempt(self._validate):
            executor.attempt(self._drop)
            executor.run(self.statement)
