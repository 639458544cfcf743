"""The structure of a database: its pages, its indexes, its free pages, and whether every table can be read.

SQLite's integrity_check and quick_check find what is wrong (https://www.sqlite.org/pragma.html#pragma_integrity_check);
whether data is lost is another question. So wherever SQLite complains of a b-tree, every table is read from its first
row to its last, and only a table that cannot be read, or whose rows are out of order, makes the database unreadable.

Two things are worked round. SQLite leaves the freelist out of its check if a view or virtual table was created last
(seen in 3.40 to 3.51): the check of ``sqlite_schema`` alone includes it. And one collation, function or module that
only the host has stops the check of all tables: they are then checked one by one, and what needs the host is named.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from ...models import Check, Finding, Severity
from ...units import count_text
from .connections import schema_problem
from .messages import DUMP, RESTORE, finding_of

__all__ = [
    "is_damage",
    "needs_the_host",
    "page_findings",
    "quoted",
    "table_names",
    "unreadable_tables",
    "virtual_tables",
]

LISTED = 50
"""So many page findings are named one by one; the rest is one finding with a count for each kind."""
COUNTED = 100_000
"""So many page problems SQLite is asked to count."""
_HOST = (
    "no such collation",
    "unknown function",
    "no such function",
    "no such module",
    "no such tokenizer",
    "no such table",
    "unknown tokenizer",
    "vtable constructor failed",
    "unable to use function",
    "wrong number of arguments to function",
)
_MAY_COST_ROWS = (Check.STRUCTURE, Check.SPACE)
"""What can be all that SQLite says of a table that cannot be read: in a database that vacuums itself the check of a
chain of overflow pages ends at the first page whose entry in the pointer map is wrong."""
_MAIN_HEADING = "*** in database main ***"
_GENERATED = (2, 3)
"""What ``PRAGMA table_xinfo`` says of generated columns, which are computed from the others."""


def quoted(name: str) -> str:
    """Quote an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


def needs_the_host(error: sqlite3.Error) -> bool:
    """Return True if the schema uses something that only the host's own connections have, or a newer SQLite."""
    return any(text in str(error) for text in _HOST)


def table_names(connection: sqlite3.Connection) -> set[str]:
    """Return the names of the tables that are not SQLite's own; virtual tables included, views not."""
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    return {str(name) for (name,) in rows}


def page_findings(connection: sqlite3.Connection, *, quick: bool) -> Iterator[Finding]:
    """Yield what is wrong with the pages; ``quick`` leaves out the comparison of indexes with their tables.

    Raises sqlite3.Error for everything that says nothing about the pages: interrupted, busy, input/output.
    """
    found = list(_counted(_checked(connection, "quick_check" if quick else "integrity_check")))
    lost = list(unreadable_tables(connection)) if any(each.check in _MAY_COST_ROWS for each in found) else []
    unlisted: Counter[tuple[Check, Severity, str | None]] = Counter()
    for number, finding in enumerate(found):
        if lost and finding.check in _MAY_COST_ROWS:
            finding = msgspec.structs.replace(finding, remedy=RESTORE)
        if number < LISTED:
            yield finding
        else:
            unlisted[finding.check, finding.severity, finding.remedy] += finding.count
    for (check, severity, remedy), count in unlisted.items():
        message = f"{count_text(count, 'more problem')} of this kind"
        yield Finding(check=check, severity=severity, message=message, count=count, remedy=remedy)
    yield from lost


def _counted(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield each different finding once, with how often it came."""
    times = Counter(findings)
    for finding, count in times.items():
        yield finding if count == 1 else msgspec.structs.replace(finding, count=count)


def _checked(connection: sqlite3.Connection, pragma: str) -> Iterator[Finding]:
    lines: list[str] = []
    try:
        lines.extend(_lines(connection, f"PRAGMA {pragma}({COUNTED})"))
    except sqlite3.DatabaseError as error:
        if needs_the_host(error):
            yield from _table_by_table(connection, pragma)
            lines = []
        elif is_damage(error):
            yield _stopped(f"The check stopped: {error}.")
            # What it said of the trees before it stopped at a row, and what the other check leaves out.
            yield from map(finding_of, lines)
            if pragma != "quick_check":
                yield from _checked(connection, "quick_check")
            return
        else:
            raise
    try:
        lines += [line for line in _lines(connection, f"PRAGMA {pragma}('sqlite_master')") if line not in lines]
    except sqlite3.DatabaseError as error:
        if not (needs_the_host(error) or is_damage(error)):
            raise
    # Of a schema that this SQLite understands in part, it takes the other part's pages for unused ones.
    in_part = schema_problem(connection) is not None
    yield from map(finding_of, (line for line in lines if not (in_part and "never used" in line)))


def _stopped(message: str, table: str | None = None) -> Finding:
    return Finding(check=Check.STRUCTURE, severity=Severity.ERROR, message=message, table=table, remedy=DUMP)


def _lines(connection: sqlite3.Connection, statement: str) -> Iterator[str]:
    """Yield the problems, of which SQLite puts several into one row."""
    for (text,) in connection.execute(statement):
        yield from (line for line in str(text).splitlines() if line not in ("ok", _MAIN_HEADING, ""))


def _table_by_table(connection: sqlite3.Connection, pragma: str) -> Iterator[Finding]:
    """Check each table that can be checked without the host, and name those that cannot."""
    for table in sorted(table_names(connection)):
        try:
            lines = list(_lines(connection, f"PRAGMA {pragma}({quoted(table)})"))
        except sqlite3.DatabaseError as error:
            if needs_the_host(error):
                message = f"The pages of {table} cannot be checked outside the bot: {error}."
                yield Finding(check=Check.EXTENSION, severity=Severity.WARNING, message=message, table=table)
                yield from _unreadable(connection, table)
            elif is_damage(error):
                yield _stopped(f"The check of {table} stopped: {error}.", table)
            else:
                raise
        else:
            yield from map(finding_of, lines)


def unreadable_tables(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Read every table from its first row to its last, overflow pages included, and yield those that cannot be read.

    Virtual tables are left out: what they store is in tables of its own, which are read.
    """
    # Not during SQLite's own checks, which it would stop at the first such cell. It does not look at cached pages.
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA shrink_memory")
    for table in ["sqlite_master", *sorted(table_names(connection) - virtual_tables(connection))]:
        yield from _unreadable(connection, table)
    connection.execute("PRAGMA cell_size_check = OFF")


def virtual_tables(connection: sqlite3.Connection) -> set[str]:
    """Return the names of the virtual tables."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%'")
    return {str(name) for (name,) in rows}


def _unreadable(connection: sqlite3.Connection, table: str) -> Iterator[Finding]:
    try:
        columns = [str(row[1]) for row in connection.execute(f"PRAGMA table_xinfo({quoted(table)})") if _stored(row)]
        # The cast makes SQLite fetch the value, where length alone reads the header of the row.
        values = ", ".join(f"total(length(CAST({quoted(column)} AS BLOB)))" for column in columns)
        connection.execute(f"SELECT {values or 'count(*)'} FROM {quoted(table)} NOT INDEXED").fetchone()
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            message = f"The table {table} cannot be read: {error}."
            yield Finding(check=Check.PAGES, severity=Severity.ERROR, message=message, table=table, remedy=RESTORE)
        elif not needs_the_host(error) and _name(error) != "SQLITE_ERROR":
            raise  # interrupted, busy, input/output


def _stored(column: tuple[object, ...]) -> bool:
    return column[6] not in _GENERATED


def is_damage(error: sqlite3.Error) -> bool:
    """Return True if SQLite could not make sense of the bytes."""
    return _name(error).startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT"))


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", None) or ""
