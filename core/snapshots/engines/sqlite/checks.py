"""What is looked at to call a SQLite database sound.

Errors: pages, missing critical tables, critical JSON that does not parse. Warnings: foreign keys, a critical table that
had rows in the newest snapshot and has none now, JSON of another type than expected. Sources:
https://www.sqlite.org/pragma.html (integrity_check, quick_check, foreign_key_check, cell_size_check) and
https://www.sqlite.org/json1.html. A changed bit inside a text passes all of them; only a fingerprint sees it.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ...errors import DatabaseDamaged
from ...models import Check, Finding, IntegrityReport, Severity
from ...progress import Watch
from ...settings.json_column import JsonColumn
from ..base import Checks
from ..integrity import (
    JSON_TYPES,
    json_findings,
    missing_column_finding,
    orphan_finding,
    row_findings,
    single_finding_report,
    table_findings,
)
from .connections import translating_errors

__all__ = ["check", "count_rows", "damaged_report", "quoted", "table_names"]

LISTED = 50
"""So many page findings are named one by one; the rest is one finding with a count."""
COUNTED = 100_000
"""So many page problems SQLite is asked to count."""


def quoted(name: str) -> str:
    """Quote an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


def table_names(connection: sqlite3.Connection) -> set[str]:
    """Give the names of the tables that are not SQLite's own."""
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    return {str(name) for (name,) in rows}


def count_rows(connection: sqlite3.Connection, tables: tuple[str, ...]) -> dict[str, int]:
    """Count the rows of those of ``tables`` that exist; SQLite compares their names without regard to case."""
    present = {name.lower() for name in table_names(connection)}
    return {table: _count(connection, table) for table in tables if table.lower() in present}


def _count(connection: sqlite3.Connection, table: str) -> int:
    statement = f"SELECT count(*) FROM {quoted(table)}"
    try:
        row = connection.execute(statement).fetchone()
    except sqlite3.OperationalError as error:
        if not _needs_the_host(error):
            raise
        # SQLite counts along the smallest index, and needs its collation even for that.
        row = connection.execute(f"{statement} NOT INDEXED").fetchone()
    return int(row[0])


def _needs_the_host(error: sqlite3.OperationalError) -> bool:
    """Whether the schema uses a collation or a function that only the host's own connections have."""
    return str(error).startswith(("no such collation", "unknown function", "no such function"))


def damaged_report(error: DatabaseDamaged, started: float) -> IntegrityReport:
    """Make the report on a database that SQLite refuses to read at all."""
    return single_finding_report(Finding(check=Check.FILE, severity=Severity.ERROR, message=str(error)), started)


def check(connection: sqlite3.Connection, path: Path, checks: Checks, watch: Watch) -> IntegrityReport:
    """Run every check on the open database at ``path`` and give what was found.

    A check that damage stops is itself a finding. Raises DatabaseBusy, DatabaseUnavailable, or what the watch raises.
    """
    started = time.monotonic()
    findings: list[Finding] = []
    checked: Counter[str] = Counter()
    rows: dict[str, int] = {}
    parts = (
        _pages(connection, checks, checked),
        _tables(connection, checks, checked),
        _rows(connection, checks, checked, rows),
        _json(connection, checks, checked),
        _foreign_keys(connection, checked),
    )
    watch.phase("check", len(parts))
    for part in parts:
        try:
            with translating_errors(path, watch):
                findings.extend(part)
        except DatabaseDamaged as error:
            finding = Finding(check=Check.PAGES, severity=Severity.ERROR, message=str(error.detail))
            if finding not in findings:
                findings.append(finding)
        watch.advance(1)
    return IntegrityReport(
        findings=tuple(findings), checked=dict(checked), rows=rows, seconds=time.monotonic() - started
    )


def _pages(connection: sqlite3.Connection, checks: Checks, checked: Counter[str]) -> Iterator[Finding]:
    connection.execute("PRAGMA cell_size_check = ON")
    checked["pages"] = int(connection.execute("PRAGMA page_count").fetchone()[0])
    pragma = "quick_check" if checks.quick else "integrity_check"
    try:
        yield from _page_problems(connection, f"PRAGMA {pragma}({COUNTED})")
    except sqlite3.OperationalError as error:
        if not _needs_the_host(error):
            raise
        yield from _pages_by_table(connection, pragma)


def _page_problems(connection: sqlite3.Connection, statement: str) -> Iterator[Finding]:
    unlisted = 0
    for number, (message,) in enumerate(connection.execute(statement)):
        if message == "ok":
            return
        if number < LISTED:
            yield Finding(check=Check.PAGES, severity=Severity.ERROR, message=str(message))
        else:
            unlisted += 1
    if unlisted:
        message = f"{unlisted} more page problems"
        yield Finding(check=Check.PAGES, severity=Severity.ERROR, message=message, count=unlisted)


def _pages_by_table(connection: sqlite3.Connection, pragma: str) -> Iterator[Finding]:
    """Check every table that can be checked without the host: one that cannot stops the check of all at once."""
    for table in sorted(table_names(connection)):
        try:
            yield from _page_problems(connection, f"PRAGMA {pragma}({quoted(table)})")
        except sqlite3.OperationalError as error:
            if not _needs_the_host(error):
                raise
            message = f"The pages of {table} cannot be checked outside the bot: {error}."
            yield Finding(check=Check.PAGES, severity=Severity.WARNING, message=message, table=table)


def _tables(connection: sqlite3.Connection, checks: Checks, checked: Counter[str]) -> Iterator[Finding]:
    names = table_names(connection)
    checked["tables"] = len(names)
    present = {name.lower() for name in names}
    missing = (table for table in checks.critical_tables if table.lower() not in present)
    yield from table_findings(len(names), missing, checks)


def _rows(
    connection: sqlite3.Connection, checks: Checks, checked: Counter[str], rows: dict[str, int]
) -> Iterator[Finding]:
    rows.update(count_rows(connection, checks.critical_tables))
    checked["rows"] = sum(rows.values())
    yield from row_findings(rows, checks)


def _json(connection: sqlite3.Connection, checks: Checks, checked: Counter[str]) -> Iterator[Finding]:
    present = {name.lower() for name in table_names(connection)}
    for expectation in checks.json_columns:
        if expectation.table.lower() in present:
            yield from _json_column(connection, expectation, checked)


def _json_column(connection: sqlite3.Connection, expectation: JsonColumn, checked: Counter[str]) -> Iterator[Finding]:
    table, column = quoted(expectation.table), quoted(expectation.column)
    columns = {str(row[1]).lower() for row in connection.execute(f"PRAGMA table_xinfo({table})")}
    if expectation.column.lower() not in columns:
        yield missing_column_finding(expectation)
        return
    text = f"CAST({column} AS TEXT)"
    invalid = f"{column} IS NOT NULL AND NOT json_valid({text})"
    checked["json_values"] += int(connection.execute(f"SELECT count({column}) FROM {table}").fetchone()[0])
    broken = int(connection.execute(f"SELECT count(*) FROM {table} WHERE {invalid}").fetchone()[0])
    yield from json_findings(expectation, broken, _count_strange(connection, expectation, text))


def _count_strange(connection: sqlite3.Connection, expectation: JsonColumn, text: str) -> int:
    wanted = JSON_TYPES.get(expectation.expects)
    if wanted is None:
        return 0
    table, column = quoted(expectation.table), quoted(expectation.column)
    # CASE, because SQLite may evaluate the sides of AND in any order and json_type fails on what is not JSON.
    other = f"CASE WHEN {column} IS NULL OR NOT json_valid({text}) THEN 0 ELSE json_type({text}) <> '{wanted}' END"
    return int(connection.execute(f"SELECT count(*) FROM {table} WHERE {other}").fetchone()[0])


def _foreign_keys(connection: sqlite3.Connection, checked: Counter[str]) -> Iterator[Finding]:
    checked["foreign_keys"] = sum(
        len({row[0] for row in connection.execute(f"PRAGMA foreign_key_list({quoted(table)})")})
        for table in table_names(connection)
    )
    orphans: Counter[tuple[str, str]] = Counter()
    for name in sorted(table_names(connection)):
        # Table by table, because an ill-defined key ends the check it is met in.
        try:
            for table, _row, parent, _key in connection.execute(f"PRAGMA foreign_key_check({quoted(name)})"):
                orphans[str(table), str(parent)] += 1
        except sqlite3.OperationalError as error:
            if "foreign key mismatch" not in str(error):
                raise
            message = f"A foreign key is ill-defined: {error}."
            yield Finding(check=Check.FOREIGN_KEYS, severity=Severity.WARNING, message=message, table=name)
    for (table, parent), count in sorted(orphans.items()):
        yield orphan_finding(table, parent, count)
