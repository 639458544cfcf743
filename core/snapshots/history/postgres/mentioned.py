"""Which tables a text in SQL mentions, with their schemas or without."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...engines.postgres.plain_dump.lexer import unquoted
from ...engines.postgres.session import quoted
from ...errors import QueryError
from ..tables import Table

__all__ = ["Mentioned", "mentioned", "require_no_parameters"]

_IDENTIFIER = r'(?:"(?:[^"]|"")*"|[^\W\d][\w$]*)'
_TOKEN = re.compile(
    rf"(?P<text>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/|\$(?P<tag>[^\W\d]\w*)?\$.*?\$(?P=tag)?\$)"
    rf"|(?P<name>{_IDENTIFIER}(?:\s*\.\s*{_IDENTIFIER})*)|(?P<parameter>\$\d+)",
    re.DOTALL,
)
_ONE = re.compile(_IDENTIFIER)


class Mentioned(NamedTuple):
    """The text, in which tables are named without their schemas, and the tables by these names."""

    text: str
    tables: dict[str, Table]


def mentioned(text: str, tables: Mapping[str, Table], search_path: Sequence[str]) -> Mentioned:
    """Return the tables that a text mentions; of several with one name the one whose schema is first in the path.

    Raises QueryError if it mentions two of one name.
    """
    bare: dict[str, list[Table]] = {}
    for table in tables.values():
        bare.setdefault(table.full_name.partition(".")[2], []).append(table)
    full = {table.full_name: table for table in tables.values()}
    found: dict[str, Table] = {}

    def replaced(token: re.Match[str]) -> str:
        names = [_called(name) for name in _ONE.findall(token["name"] or "")]
        table = full.get(".".join(names[:2])) if len(names) > 1 else None
        if table is not None:
            _add(found, names[1], table)
            return ".".join(map(quoted, names[1:]))
        # A name with a point is a column of a table that is named elsewhere.
        if len(names) == 1 and names[0] in bare:
            _add(found, names[0], min(bare[names[0]], key=lambda each: _place(each, search_path)))
        return token[0]

    return Mentioned(_TOKEN.sub(replaced, text), found)


def require_no_parameters(text: str) -> None:
    """Raise QueryError for ``$1``, which stands for a value that nobody gives here."""
    found = next((token["parameter"] for token in _TOKEN.finditer(text) if token["parameter"]), None)
    if found is not None:
        raise QueryError(f"Write the value instead of {found}: there are no parameters here.")


def _add(found: dict[str, Table], name: str, table: Table) -> None:
    if found.setdefault(name, table) is not table:
        raise QueryError(
            f"{found[name].full_name} and {table.full_name} have the same name; ask about one of them at a time."
        )


def _called(name: str) -> str:
    return unquoted(name.encode("utf-8", "surrogateescape")) if name.startswith('"') else name.lower()


def _place(table: Table, search_path: Sequence[str]) -> int:
    schema = table.full_name.partition(".")[0]
    return search_path.index(schema) if schema in search_path else len(search_path)
