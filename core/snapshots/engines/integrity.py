"""Findings and reports of integrity checks that all engines share, so that their texts are the same.

They cover tables, rows, JSON and foreign keys, and checks that could not be completed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping

from ..errors import DatabaseMissing, SnapshotError
from ..models import Check, Finding, IntegrityReport, Severity
from ..settings.json_column import JsonColumn
from ..units import count_text
from .base import Checks

__all__ = [
    "JSON_TYPES",
    "host_needed_finding",
    "json_findings",
    "missing_column_finding",
    "missing_report",
    "orphan_finding",
    "row_findings",
    "single_finding_report",
    "table_findings",
    "unchecked_report",
    "vanished_findings",
]

JSON_TYPES = {"list": "array", "object": "object"}
"""The JSON names of the types that a setting can expect in a column."""


def table_findings(count: int, missing: Iterable[str], checks: Checks) -> Iterator[Finding]:
    """Yield findings on a database with ``count`` tables that lacks the ``missing`` critical ones."""
    if not count and (checks.without_tables or not checks.snapshots_exist):
        yield Finding(check=Check.MISSING, severity=Severity.WARNING, message="The database has no tables yet.")
        return
    if not count:
        message = "The database has no tables, yet there are snapshots of it: it was emptied or freshly created."
        yield Finding(check=Check.EMPTY, severity=Severity.ERROR, message=message, remedy=_remedy(checks))
    for table in missing:
        message = f"The critical table {table} is missing{_last_seen(table, checks)}."
        yield Finding(check=Check.TABLES, severity=Severity.ERROR, message=message, table=table, remedy=_remedy(checks))


def vanished_findings(present: Iterable[str], checks: Checks) -> Iterator[Finding]:
    """Yield a finding for each table that the newest counted snapshot has and the database has not.

    If critical tables are named, only these are expected, see ``table_findings``.
    """
    if checks.critical_tables:
        return
    names = {name.lower() for name in present}
    for table in checks.expected_rows:
        if names and table.lower() not in names:
            message = f"The table {table} is missing{_last_seen(table, checks)}."
            yield Finding(
                check=Check.TABLES, severity=Severity.WARNING, message=message, table=table, remedy=_remedy(checks)
            )


def row_findings(rows: Mapping[str, int], checks: Checks) -> Iterator[Finding]:
    """Yield findings on tables that had rows in the newest counted snapshot and have none now."""
    emptied = {table: checks.expected_rows.get(table, 0) for table, count in rows.items() if count == 0}
    emptied = {table: before for table, before in emptied.items() if before > 0}
    if len(emptied) > 1 and not any(rows.values()):
        # Bots create their tables when they start, so this is how a lost database looks a moment later.
        message = "Every table is empty, yet the newest snapshot has rows: the database was freshly created or reset."
        yield Finding(check=Check.EMPTY, severity=Severity.ERROR, message=message, remedy=_remedy(checks))
    for table in emptied:
        message = f"The table {table} is empty{_last_seen(table, checks)}."
        yield Finding(check=Check.ROWS, severity=Severity.WARNING, message=message, table=table, remedy=_remedy(checks))


def _last_seen(table: str, checks: Checks) -> str:
    before = checks.expected_rows.get(table)
    if before is None:
        return ""
    source = checks.seen_in.get(table, checks.expected_from)
    which = f"snapshot {source}" if source else "the snapshot before"
    return f"; it had {count_text(before, 'row')} in {which}"


def _remedy(checks: Checks) -> str:
    listed = " If it was meant, take it out of [database] critical_tables." if checks.critical_tables else ""
    return f"If it was not meant, restore a snapshot from before.{listed}"


def host_needed_finding(table: str, error: Exception) -> Finding:
    """Return the finding on a table that cannot be counted or checked without an extension of the host."""
    message = f"The table {table} cannot be checked outside the bot: {error}."
    return Finding(check=Check.EXTENSION, severity=Severity.WARNING, message=message, table=table)


def missing_column_finding(expectation: JsonColumn) -> Finding:
    """Return the finding on a missing JSON column: a warning, because the settings are wrong and no restore helps."""
    message = f"The column {expectation.table}.{expectation.column} does not exist; see [database] json_columns."
    return Finding(check=Check.SETTINGS, severity=Severity.WARNING, message=message, table=expectation.table)


def json_findings(expectation: JsonColumn, invalid: int, unexpected: int) -> Iterator[Finding]:
    """Yield findings on ``invalid`` values of a column, and on ``unexpected`` ones, which have another JSON type."""
    name, table = f"{expectation.table}.{expectation.column}", expectation.table
    if invalid:
        message = f"{name}: {count_text(invalid, 'value')} {'is' if invalid == 1 else 'are'} not JSON."
        yield Finding(check=Check.JSON, severity=Severity.ERROR, message=message, table=table, count=invalid)
    if unexpected:
        verb = "is" if unexpected == 1 else "are"
        message = f"{name}: {count_text(unexpected, 'value')} {verb} JSON but not of the type {expectation.expects}."
        yield Finding(check=Check.JSON, severity=Severity.WARNING, message=message, table=table, count=unexpected)


def orphan_finding(table: str, parent: str, count: int) -> Finding:
    """Return the finding on ``count`` rows of a table that refer to missing rows of ``parent``."""
    verb = "refers" if count == 1 else "refer"
    message = f"{count_text(count, 'row')} of {table} {verb} to rows of {parent} that are not there."
    return Finding(check=Check.FOREIGN_KEYS, severity=Severity.WARNING, message=message, table=table, count=count)


def single_finding_report(finding: Finding, started: float) -> IntegrityReport:
    """Return the report of a check that ended with its first finding. ``started`` is its beginning, monotonic."""
    return IntegrityReport(findings=(finding,), checked={}, rows={}, seconds=time.monotonic() - started)


def missing_report(error: DatabaseMissing, checks: Checks, started: float) -> IntegrityReport:
    """Return the report on a missing or empty database: an error if there are snapshots of it, otherwise a warning."""
    if checks.snapshots_exist:
        return single_finding_report(Finding(check=Check.FILE, severity=Severity.ERROR, message=str(error)), started)
    return single_finding_report(Finding(check=Check.MISSING, severity=Severity.WARNING, message=str(error)), started)


def unchecked_report(error: SnapshotError) -> IntegrityReport:
    """Return the report of a check that failed, which does not mean that the database is damaged."""
    message = f"The database could not be checked: {error}"
    return single_finding_report(
        Finding(check=Check.ACCESS, severity=Severity.WARNING, message=message), time.monotonic()
    )
