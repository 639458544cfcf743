"""Rows that break a CHECK constraint.

SQLite's own integrity_check reports them only on connections that may write: on a read-only one the schema is read
without its CHECKs (``sqlite3AddCheckConstraint`` in build.c, 3.40 to 3.53). A database in use is never opened for
writing here, so the conditions are taken from the text of the schema (https://www.sqlite.org/lang_createtable.html)
and each table is asked for the rows that do not fulfil them. As in SQLite, a condition that is NULL is fulfilled.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

from ...models import Check, Finding, Severity
from ..integrity import host_needed_finding
from .messages import ROWS
from .structure import quoted

__all__ = ["broken_checks", "conditions"]

_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] | --[^\n]* | /\*.*?\*/ | \s+ | \w+ | .""",
    re.VERBOSE | re.DOTALL,
)
_SILENT = ("--", "/*")


def broken_checks(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Yield a finding for each table with rows that break one of its CHECKs, or whose CHECKs need the host."""
    tables = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE TABLE%'")
    for name, sql in sorted((str(name), str(sql)) for name, sql in tables):
        wanted = conditions(sql)
        if not wanted:
            continue
        # A comment at the end of a condition must not swallow the parenthesis.
        broken = " OR ".join(f"(NOT ({condition}\n))" for condition in wanted)
        try:
            count = int(connection.execute(f"SELECT count(*) FROM {quoted(name)} WHERE {broken}").fetchone()[0])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_ERROR":
                raise
            # A function of the host, or a text that only a newer SQLite understands.
            yield host_needed_finding(name, error)
            continue
        if count:
            message = f"CHECK constraint failed in {name}"
            about, severity = Check.CONSTRAINTS, Severity.WARNING
            yield Finding(check=about, severity=severity, message=message, table=name, count=count, remedy=ROWS)


def conditions(sql: str) -> list[str]:
    """Return the conditions of the CHECKs in the text of a table's definition."""
    found, tokens = [], [match for match in _TOKEN.finditer(sql) if not _is_silent(match[0])]
    for before, opening in zip(tokens, range(1, len(tokens)), strict=False):
        if before[0].upper() == "CHECK" and tokens[opening][0] == "(":
            depth = 0
            for token in tokens[opening:]:
                depth += {"(": 1, ")": -1}.get(token[0], 0)
                if depth == 0:
                    found.append(sql[tokens[opening].end() : token.start()])
                    break
    return found


def _is_silent(token: str) -> bool:
    return token.isspace() or token.startswith(_SILENT)
