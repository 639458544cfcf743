"""What a check says of tables, rows, JSON and keys: the same findings in the same words, whatever the engine.

Reports of integrity checks that could not go on, which every engine gives in the same words.
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
    "about_vanished",
    "host_needed",
    "json_findings",
    "missing_column_finding",
    "missing_report",
    "orphan_finding",
    "row_findings",
    "single_finding_report",
    "table_findings",
    "unchecked_report",
]


JSON_TYPES = {"list": "array", "object": "object"}
"""What JSON calls the types that a setting can expect of a column."""


def table_findings(count: int, missing: Iterable[str], checks: Checks) -> Iterator[Finding]:
    """Yield what is to be said of the tables of a database that has ``count`` of them and lacks the critical ones."""
    if not count and not checks.snapshots_exist:
        yield Finding(check=Check.MISSING, severity=Severity.WARNING, message="The database has no tables yet.")
        return
    if not count:
        message = "The database has no tables, yet there are snapshots of it: it was emptied or freshly created."
        yield Finding(check=Check.EMPTY, severity=Severity.ERROR, message=message, remedy=_meant(checks))
    for table in missing:
        message = f"The critical table {table} is missing{_last_seen(table, checks)}."
        yield Finding(check=Check.TABLES, severity=Severity.ERROR, message=message, table=table, remedy=_meant(checks))


def about_vanished(present: Iterable[str], checks: Checks) -> Iterator[Finding]:
    """Yield the tables that the newest counted snapshot had and the database has not; where none is named critical."""
    if checks.critical_tables:
        return
    there = {name.lower() for name in present}
    for table in checks.expected_rows:
        if there and table.lower() not in there:
            message = f"The table {table} is missing{_last_seen(table, checks)}."
            yield Finding(
                check=Check.TABLES, severity=Severity.WARNING, message=message, table=table, remedy=_meant(checks)
            )


def row_findings(rows: Mapping[str, int], checks: Checks) -> Iterator[Finding]:
    """Yield the tables that have no rows any more."""
    emptied = {table: checks.expected_rows.get(table, 0) for table, count in rows.items() if count == 0}
    emptied = {table: before for table, before in emptied.items() if before > 0}
    if len(emptied) > 1 and not any(rows.values()):
        # Hosts make their tables as they start: this is what a lost database looks like a moment later.
        message = "Every table is empty, yet the newest snapshot has rows: the database was freshly created or reset."
        yield Finding(check=Check.EMPTY, severity=Severity.ERROR, message=message, remedy=_meant(checks))
    for table in emptied:
        message = f"The table {table} is empty{_last_seen(table, checks)}."
        yield Finding(check=Check.ROWS, severity=Severity.WARNING, message=message, table=table, remedy=_meant(checks))


def _last_seen(table: str, checks: Checks) -> str:
    before = checks.expected_rows.get(table)
    if before is None:
        return ""
    of = f" of {checks.expected_from}" if checks.expected_from else " before"
    return f"; it had {count_text(before, 'row')} in the snapshot{of}"


def _meant(checks: Checks) -> str:
    listed = " If it was meant, take it out of [database] critical_tables." if checks.critical_tables else ""
    return f"If it was not meant, restore a snapshot from before.{listed}"


def host_needed(table: str, error: Exception) -> Finding:
    """Return the finding that a table could not be counted or checked without what only the host has."""
    message = f"The table {table} cannot be looked at outside the bot: {error}."
    return Finding(check=Check.EXTENSION, severity=Severity.WARNING, message=message, table=table)


def missing_column_finding(expectation: JsonColumn) -> Finding:
    """Say that a JSON column is not there: a warning, for it is a matter of settings, and no snapshot could mend it."""
    message = f"The column {expectation.table}.{expectation.column} is not there; see [database] json_columns."
    return Finding(check=Check.SETTINGS, severity=Severity.WARNING, message=message, table=expectation.table)


def json_findings(expectation: JsonColumn, broken: int, strange: int) -> Iterator[Finding]:
    """Say how many values of a column are no JSON, and how many are JSON of another type than expected."""
    name, table = f"{expectation.table}.{expectation.column}", expectation.table
    if broken:
        message = f"{name}: {count_text(broken, 'value')} {'is' if broken == 1 else 'are'} not JSON."
        yield Finding(check=Check.JSON, severity=Severity.ERROR, message=message, table=table, count=broken)
    if strange:
        verb = "is" if strange == 1 else "are"
        message = f"{name}: {count_text(strange, 'value')} {verb} JSON but not a {expectation.expects}."
        yield Finding(check=Check.JSON, severity=Severity.WARNING, message=message, table=table, count=strange)


def orphan_finding(table: str, parent: str, count: int) -> Finding:
    """Say how many rows refer to rows that are not there."""
    verb = "refers" if count == 1 else "refer"
    message = f"{count_text(count, 'row')} of {table} {verb} to rows of {parent} that are not there."
    return Finding(check=Check.FOREIGN_KEYS, severity=Severity.WARNING, message=message, table=table, count=count)


def single_finding_report(finding: Finding, started: float) -> IntegrityReport:
    """Make the report of a check that could not go on after its first finding; it began at ``started``, monotonic."""
    return IntegrityReport(findings=(finding,), checked={}, rows={}, seconds=time.monotonic() - started)


def missing_report(error: DatabaseMissing, checks: Checks, started: float) -> IntegrityReport:
    """Make the report on a database that is not there or empty: an error only when there was one before."""
    if checks.snapshots_exist:
        return single_finding_report(Finding(check=Check.FILE, severity=Severity.ERROR, message=str(error)), started)
    return single_finding_report(Finding(check=Check.MISSING, severity=Severity.WARNING, message=str(error)), started)


def unchecked_report(error: SnapshotError) -> IntegrityReport:
    """Make the report of a check that could not be made, which says nothing against the database."""
    message = f"The database could not be checked: {error}"
    return single_finding_report(
        Finding(check=Check.ACCESS, severity=Severity.WARNING, message=message), time.monotonic()
    )
