"""Every check of a SQLite database: pages and indexes (``structure``), tables, rows, JSON and foreign keys.

Severity is what a report says: errors are damage, missing critical tables and critical JSON that does not parse. What
may be done about a finding is decided elsewhere (``policies/health.py``). Sources: https://www.sqlite.org/pragma.html
(integrity_check, quick_check, foreign_key_check) and https://www.sqlite.org/json1.html. A changed bit inside a text
passes all of them; only a fingerprint sees it.
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
from ...units import count_text
from ..base import Checks
from ..integrity import (
    JSON_TYPES,
    host_needed_finding,
    json_findings,
    missing_column_finding,
    orphan_finding,
    row_findings,
    single_finding_report,
    table_findings,
    vanished_findings,
)
from .connections import schema_problem, translating_errors
from .constraints import broken_checks
from .diagnosis import NEWER_SQLITE, diagnosed
from .structure import is_damage, needs_the_host, page_findings, quoted, table_names, unreadable_tables, virtual_tables

__all__ = ["check", "count_if_readable", "count_rows", "cut_findings", "refused_report"]


def count_rows(
    connection: sqlite3.Connection, tables: tuple[str, ...], uncounted: list[Finding] | None = None
) -> dict[str, int]:
    """Return the rows of those of ``tables`` that exist (views too), or of every table where none is named.

    SQLite compares names without regard to case. What cannot be counted without the host is left out, and named in
    ``uncounted``.
    """
    if tables:
        there = {name.lower() for name in _countable(connection)}
        wanted = [table for table in tables if table.lower() in there]
    else:
        wanted = sorted(table_names(connection))
    rows = {}
    for table in wanted:
        try:
            rows[table] = _count(connection, table)
        except sqlite3.DatabaseError as error:
            finding = _why_uncounted(connection, table, error)
            if uncounted is not None:
                uncounted.append(finding)
    return rows


def count_if_readable(connection: sqlite3.Connection, tables: tuple[str, ...]) -> dict[str, int]:
    """Return what ``count_rows`` returns, or nothing if damage stops it: the database can be opened all the same."""
    try:
        return count_rows(connection, tables)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return {}


def cut_findings(missing: int) -> tuple[Finding, ...]:
    """Return the finding on a file whose last ``missing`` bytes are gone; SQLite reads zeros in their place."""
    if missing <= 0:
        return ()
    message = f"The file is cut off: its last {count_text(missing, 'byte')} {'is' if missing == 1 else 'are'} gone."
    return (Finding(check=Check.FILE, severity=Severity.ERROR, message=message),)


def _why_uncounted(connection: sqlite3.Connection, table: str, error: sqlite3.DatabaseError) -> Finding:
    """Return the finding on a table that cannot be counted although no page of it is damaged; otherwise raise."""
    if error.sqlite_errorname == "SQLITE_CORRUPT_VTAB":
        message = f"The virtual table {table} contradicts itself: {error}."
        rebuild = f"INSERT INTO {quoted(table)} ({quoted(table)}) VALUES ('rebuild')"
        remedy = f"Its rows are in tables of its own. If it is a search index, create it anew, or try: {rebuild}"
        return Finding(check=Check.INDEXES, severity=Severity.ERROR, message=message, table=table, remedy=remedy)
    # A module of a newer SQLite may store another format, and a view may no longer fit its tables.
    stored = table.lower() not in {name.lower() for name in (*virtual_tables(connection), *_views(connection))}
    if needs_the_host(error) or (error.sqlite_errorname == "SQLITE_ERROR" and not stored):
        return host_needed_finding(table, error)
    raise error


def _countable(connection: sqlite3.Connection) -> set[str]:
    return table_names(connection) | _views(connection)


def _views(connection: sqlite3.Connection) -> set[str]:
    return {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'")}


def _count(connection: sqlite3.Connection, table: str) -> int:
    statement = f"SELECT count(*) FROM {quoted(table)}"
    try:
        row = connection.execute(statement).fetchone()
    except sqlite3.OperationalError as error:
        if not needs_the_host(error):
            raise
        # SQLite counts along the smallest index, and needs its collation even for that.
        row = connection.execute(f"{statement} NOT INDEXED").fetchone()
    return int(row[0])


def refused_report(path: Path, error: DatabaseDamaged, started: float) -> IntegrityReport:
    """Return the report on a file that SQLite refuses to read at all: damaged, or not understood."""
    try:
        return single_finding_report(diagnosed(path, str(error.detail)), started)
    except OSError as problem:
        message = f"The database {path.name} cannot be accessed: {problem}."
        return single_finding_report(Finding(check=Check.ACCESS, severity=Severity.ERROR, message=message), started)


def check(connection: sqlite3.Connection, path: Path, checks: Checks, watch: Watch) -> IntegrityReport:
    """Run every check on the open database at ``path`` and return what was found.

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
        _rules(connection, checked),
    )
    watch.phase("check", len(parts))
    for part in parts:
        try:
            with translating_errors(path, watch):
                findings.extend(part)
        except DatabaseDamaged as error:
            findings.append(_stopped(error))
            with translating_errors(path, watch):
                findings.extend(unreadable_tables(connection))
        watch.advance(1)
    distinct = tuple({(each.check, each.table, each.message): each for each in findings}.values())
    return IntegrityReport(findings=distinct, checked=dict(checked), rows=rows, seconds=time.monotonic() - started)


def _stopped(error: DatabaseDamaged) -> Finding:
    message = f"A check stopped: {error.detail}."
    return Finding(check=Check.STRUCTURE, severity=Severity.ERROR, message=message)


def _schema(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Yield the part of the schema that this SQLite does not understand, and that it therefore leaves out."""
    problem = schema_problem(connection)
    if problem is not None:
        if needs_the_host(sqlite3.OperationalError(problem)):
            message = f"A part of the schema cannot be checked outside the bot: {problem}."
            yield Finding(check=Check.EXTENSION, severity=Severity.WARNING, message=message)
            return
        message = f"A part of the schema needs a newer SQLite than the worker's {sqlite3.sqlite_version}: {problem}."
        yield Finding(check=Check.SCHEMA, severity=Severity.WARNING, message=message, remedy=NEWER_SQLITE)


def _illegible(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Yield the definitions that hold bytes that are no text, to which SQLite itself is blind."""
    encoding = str(connection.execute("PRAGMA encoding").fetchone()[0]).lower().replace("16le", "16-le")
    encoding = encoding.replace("16be", "16-be")
    texts = "CAST(type AS BLOB), CAST(name AS BLOB), CAST(sql AS BLOB)"
    for found in connection.execute(f"SELECT {texts} FROM sqlite_master WHERE sql IS NOT NULL"):
        kind, name, sql = (bytes(each or b"") for each in found)
        try:
            sql.decode(encoding)
        except UnicodeDecodeError:
            what = f"{kind.decode(encoding, 'replace')} {name.decode(encoding, 'replace')}"
            message = f"The definition of the {what} holds bytes that are no text."
            remedy = "If its columns have other names than they had, a bit of it flipped: restore a snapshot."
            yield Finding(check=Check.TABLES, severity=Severity.WARNING, message=message, remedy=remedy)


def _pages(connection: sqlite3.Connection, checks: Checks, checked: Counter[str]) -> Iterator[Finding]:
    yield from _schema(connection)
    yield from _illegible(connection)
    # On a connection that may write, SQLite reports what ``broken_checks`` reports on any.
    connection.execute("PRAGMA ignore_check_constraints = ON")
    checked["pages"] = int(connection.execute("PRAGMA page_count").fetchone()[0])
    yield from page_findings(connection, quick=checks.quick)


def _tables(connection: sqlite3.Connection, checks: Checks, checked: Counter[str]) -> Iterator[Finding]:
    names = table_names(connection)
    checked["tables"] = len(names)
    present = {name.lower() for name in _countable(connection)}
    missing = [table for table in checks.critical_tables if table.lower() not in present]
    yield from table_findings(len(names), missing, checks)
    yield from vanished_findings(present, checks)


def _rows(
    connection: sqlite3.Connection, checks: Checks, checked: Counter[str], rows: dict[str, int]
) -> Iterator[Finding]:
    uncounted: list[Finding] = []
    rows.update(count_rows(connection, checks.critical_tables, uncounted))
    checked["rows"] = sum(rows.values())
    yield from uncounted
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
    invalid_count = int(connection.execute(f"SELECT count(*) FROM {table} WHERE {invalid}").fetchone()[0])
    yield from json_findings(expectation, invalid_count, _count_unexpected(connection, expectation, text))


def _count_unexpected(connection: sqlite3.Connection, expectation: JsonColumn, text: str) -> int:
    wanted = JSON_TYPES.get(expectation.expects)
    if wanted is None:
        return 0
    table, column = quoted(expectation.table), quoted(expectation.column)
    # CASE, because SQLite may evaluate the sides of AND in any order and json_type fails on what is not JSON.
    other = f"CASE WHEN {column} IS NULL OR NOT json_valid({text}) THEN 0 ELSE json_type({text}) <> '{wanted}' END"
    return int(connection.execute(f"SELECT count(*) FROM {table} WHERE {other}").fetchone()[0])


def _rules(connection: sqlite3.Connection, checked: Counter[str]) -> Iterator[Finding]:
    yield from broken_checks(connection)
    yield from _foreign_keys(connection, checked)


def _foreign_keys(connection: sqlite3.Connection, checked: Counter[str]) -> Iterator[Finding]:
    checked["foreign_keys"] = sum(
        len({row[0] for row in connection.execute(f"PRAGMA foreign_key_list({quoted(table)})")})
        for table in table_names(connection)
    )
    orphans: Counter[tuple[str, str]] = Counter()
    for name in sorted(table_names(connection)):
        # Table by table, because an ill-defined key ends the check that meets it.
        try:
            for table, _row, parent, _key in connection.execute(f"PRAGMA foreign_key_check({quoted(name)})"):
                orphans[str(table), str(parent)] += 1
        except sqlite3.OperationalError as error:
            if needs_the_host(error):
                yield host_needed_finding(name, error)
                continue
            if "foreign key mismatch" not in str(error):
                raise
            message = f"A foreign key is ill-defined: {error}."
            yield Finding(check=Check.FOREIGN_KEYS, severity=Severity.WARNING, message=message, table=name)
    for (table, parent), count in sorted(orphans.items()):
        if not _is_left_out(connection, parent):
            yield orphan_finding(table, parent, count)


def _is_left_out(connection: sqlite3.Connection, table: str) -> bool:
    """Return True if a table is there and this SQLite does not understand its definition: its rows are not seen."""
    there = table.lower() in {name.lower() for name in table_names(connection)}
    return there and not connection.execute(f"PRAGMA table_xinfo({quoted(table)})").fetchall()
