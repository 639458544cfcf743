"""The unique indexes of a SQLite table: the expressions that their keys are computed from, as SQL.

SQLite tells the columns of an index, but of an expression only that there is one
(https://www.sqlite.org/pragma.html#pragma_index_xinfo). So the text of CREATE INDEX is taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ..databases import Database, Value, quoted
from ..tables import Table
from .states import Index

__all__ = ["UniqueIndex", "folded_text", "unique_indexes"]

_TOKEN = re.compile(
    r"--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\[[^\]]*\]|\w+|\s+|.", re.DOTALL
)
_COMMENTS = ("--", "/*")
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


class UniqueIndex(NamedTuple):
    """A unique index: its terms as SQL, how each compares texts, and the condition of a partial one."""

    unique: Index
    terms: tuple[str, ...]
    collations: tuple[str, ...]
    condition: str = ""

    @property
    def same(self) -> str:
        """The condition under which a row has given values in this index."""
        compared = (
            f"{term} COLLATE {quoted(name)} = ?" for term, name in zip(self.terms, self.collations, strict=True)
        )
        return " AND ".join([*compared, *([self.condition] if self.condition else [])])

    def folded(self, values: tuple[Value, ...]) -> tuple[Value, ...]:
        """Return values of the terms such that those that the index takes for the same are the same."""
        return tuple(folded_text(value, name) for value, name in zip(values, self.collations, strict=True))


def unique_indexes(database: Database, table: Table) -> list[UniqueIndex]:
    """Return the unique indexes of a table, that of its key included."""
    generated = any(column.generated for column in table.columns)
    found = []
    for row in database.all(f"PRAGMA index_list({quoted(table.name)})"):
        if not row[2]:
            continue
        name = str(row[1])
        written = database.one("SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?", (name,))
        texts, condition = _taken_apart(str(written[0])) if written and written[0] else ([], "")
        parts = [each for each in database.all(f"PRAGMA index_xinfo({quoted(name)})") if each[5]]
        terms = tuple(
            f"({texts[place]}\n)" if each[2] is None else quoted(str(each[2])) for place, each in enumerate(parts)
        )
        by_columns = None not in [each[2] for each in parts] and not generated
        columns = tuple(str(each[2]) for each in parts) if by_columns else table.names
        found.append(UniqueIndex(Index(name, columns), terms, tuple(str(each[4]) for each in parts), condition))
    return found


def folded_text(value: Value, collation: str) -> Value:
    """Return what is equal for two values if a collation takes them for the same."""
    if not isinstance(value, str):
        return value
    if collation.upper() == "NOCASE":
        return value.translate(_LOWER)
    return value.rstrip(" ") if collation.upper() == "RTRIM" else value


def _taken_apart(sql: str) -> tuple[list[str], str]:
    """Return the terms of CREATE INDEX and its condition, which is empty if there is none."""
    tokens = _tokens(sql)
    for token in tokens:
        if token == "(":
            break
    terms, depth, term = [], 1, list[str]()
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token, 0)
        if not depth or (token == "," and depth == 1):
            terms.append(_without_direction(term))
            term = []
        else:
            term.append(token)
        if not depth:
            break
    rest = list(tokens)
    while rest and rest[0].isspace():
        del rest[0]
    return terms, f"({''.join(rest[1:])}\n)" if rest else ""


def _tokens(sql: str) -> Iterator[str]:
    """Yield the parts of a statement, a space for each comment."""
    return (" " if found[0].startswith(_COMMENTS) else found[0] for found in _TOKEN.finditer(sql))


def _without_direction(tokens: list[str]) -> str:
    while tokens and tokens[-1].isspace():
        tokens = tokens[:-1]
    return "".join(tokens[:-1] if tokens and tokens[-1].upper() in ("ASC", "DESC") else tokens)
