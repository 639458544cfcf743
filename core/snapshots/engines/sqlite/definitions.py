"""Definitions in the schema that no SQLite has written, as opposed to those that only a newer one can parse.

SQLite refuses every statement on a database with one definition that it cannot parse. A newer SQLite may know what an
older one does not; but each of them stores the beginning of a definition itself, as "CREATE" and the kind of the object
(https://www.sqlite.org/schematab.html), only text without a zero, and an index after its table.
"""

from __future__ import annotations

import re
import sqlite3

__all__ = ["is_destroyed"]

_OBJECT = re.compile(r"malformed database schema \((?P<name>.*?)\) - (?P<reason>.*)", re.DOTALL)
_NO_TABLE = re.compile(r"no such table: (main\.)?(?P<table>.*)", re.DOTALL)
_BEGINNINGS = {
    "table": re.compile(r"CREATE\s+(VIRTUAL\s+)?TABLE\s", re.IGNORECASE),
    "index": re.compile(r"CREATE\s+(UNIQUE\s+)?INDEX\s", re.IGNORECASE),
    "view": re.compile(r"CREATE\s+VIEW\s", re.IGNORECASE),
    "trigger": re.compile(r"CREATE\s+TRIGGER\s", re.IGNORECASE),
}


def is_destroyed(connection: sqlite3.Connection, problem: str) -> bool:
    """Return True if the definition of which SQLite said ``problem`` is not as any SQLite stores one.

    The connection must have ``writable_schema`` on, or SQLite refuses this, too.
    """
    said = _OBJECT.match(problem)
    if said is None:
        return False
    encoding = "utf-8" if connection.execute("PRAGMA encoding").fetchone()[0] == "UTF-8" else "utf-16"
    query = "SELECT type, CAST(sql AS BLOB) FROM sqlite_master WHERE name = ? AND sql IS NOT NULL"
    for kind, sql in connection.execute(query, (said["name"],)):
        if _is_foreign(str(kind), bytes(sql), encoding):
            return True
        missing = _NO_TABLE.match(said["reason"]) if kind == "index" else None
        if missing is not None and not _names_table(connection, missing["table"]):
            return True
    return False


def _is_foreign(kind: str, sql: bytes, encoding: str) -> bool:
    try:
        text = sql.decode(encoding)
    except UnicodeDecodeError:
        return True
    beginning = _BEGINNINGS.get(kind)
    return "\0" in text or beginning is None or not beginning.match(text)


def _names_table(connection: sqlite3.Connection, table: str) -> bool:
    """Return True if the schema has a table of that name, whether this SQLite can parse it or not."""
    query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE"
    return bool(connection.execute(query, (table,)).fetchone()[0])
