"""What a check says of tables, rows, JSON and keys: the same findings in the same words, whatever the engine.

Reports of integrity checks that could not go on, which every engine gives in the same words.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping

from ..errors import DatabaseMissing, SnapshotError
from ..models import Check, Finding, IntegrityReport, Severity
from ..settings.json_column import JsonColumn
from .base import Checks

__all__ = [
    "JSON_TYPES",
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
    """Say which critical tables are missing from a database of so many tables."""
    if not count and not checks.snapshots_exist:
        yield Finding(check=Check.EMPTY, severity=Severity.WARNING, message="The database has no tables yet.")
        return
    if not count:
        message = "The database has no tables, yet there are snapshots of it: it was emptied or freshly created."
        yield Finding(check=Check.EMPTY, severity=Severity.ERROR, message=message)
    for table in missing:
        message = f"The critical table {table} is missing."
        yield Finding(check=Check.TABLES, severity=Severity.ERROR, message=message, table=table)


def row_findings(rows: Mapping[str, int], checks: Checks) -> Iterator[Finding]:
    """Say which critical tables have no rows any more."""
    emptied = {table: checks.expected_rows.get(table, 0) for table, count in rows.items() if count == 0}
    emptied = {table: before for table, before in emptied.items() if before > 0}
    if len(emptied) > 1 and not any(rows.values()):
        # Hosts make their tables as they start: this is what a lost database looks like a moment later.
        message = "Every critical table is empty, yet the newest snapshot has rows: the database was freshly created."
        yield Finding(check=Check.EMPTY, severity=Severity.ERROR, message=message)
    for table, before in emptied.items():
        message = f"The critical table {table} is empty; it had {before:,} rows in the newest snapshot."
        yield Finding(check=Check.ROWS, severity=Severity.WARNING, message=message, table=table)


def missing_column_finding(expectation: JsonColumn) -> Finding:
    """Say that a JSON column is not there: a warning, for it is a matter of settings, and no snapshot could mend it."""
    message = f"The column {expectation.table}.{expectation.column} is not there; see [database] json_columns."
    return Finding(check=Check.JSON, severity=Severity.WARNING, message=message, table=expectation.table)


def json_findings(expectation: JsonColumn, broken: int, strange: int) -> Iterator[Finding]:
    """Say how many values of a column are no JSON, and how many are JSON of another type than expected."""
    name, table = f"{expectation.table}.{expectation.column}", expectation.table
    if broken:
        message = f"{name}: {broken:,} values are not JSON."
        yield Finding(check=Check.JSON, severity=Severity.ERROR, message=message, table=table, count=broken)
    if strange:
        message = f"{name}: {strange:,} values are JSON but not a {expectation.expects}."
        yield Finding(check=Check.JSON, severity=Severity.WARNING, message=message, table=table, count=strange)


def orphan_finding(table: str, parent: str, count: int) -> Finding:
    """Say how many rows refer to rows that are not there."""
    message = f"{count:,} rows of {table} refer to rows of {parent} that are not there."
    return Finding(check=Check.FOREIGN_KEYS, severity=Severity.WARNING, message=message, table=table, count=count)


def single_finding_report(finding: Finding, started: float) -> IntegrityReport:
    """Make the report of a check that could not go on after its first finding; it began at ``started``, monotonic."""
    return IntegrityReport(findings=(finding,), checked={}, rows={}, seconds=time.monotonic() - started)


def missing_report(error: DatabaseMissing, checks: Checks, started: float) -> IntegrityReport:
    """Make the report on a database that is not there or empty: an error only when there was one before."""
    severity = Severity.ERROR if checks.snapshots_exist else Severity.WARNING
    return single_finding_report(Finding(check=Check.EMPTY, severity=severity, message=str(error)), started)


def unchecked_report(error: SnapshotError) -> IntegrityReport:
    """Make the report of a check that could not be made, which says nothing against the database."""
    message = f"The database could not be checked: {error}"
    return single_finding_report(
        Finding(check=Check.FILE, severity=Severity.WARNING, message=message), time.monotonic()
    )
