"""Reports of integrity checks that could not go on, which every engine gives in the same words."""

from __future__ import annotations

import time

from ..errors import DatabaseMissing, SnapshotError
from ..models import Check, Finding, IntegrityReport, Severity
from .base import Checks

__all__ = ["missing_report", "report_of", "unchecked_report"]


def report_of(finding: Finding, started: float) -> IntegrityReport:
    """Make the report of a check that could not go on after its first finding; it began at ``started``, monotonic."""
    return IntegrityReport(findings=(finding,), checked={}, rows={}, seconds=time.monotonic() - started)


def missing_report(error: DatabaseMissing, checks: Checks, started: float) -> IntegrityReport:
    """Make the report on a database that is not there or empty: an error only when there was one before."""
    severity = Severity.ERROR if checks.snapshots_exist else Severity.WARNING
    return report_of(Finding(check=Check.EMPTY, severity=severity, message=str(error)), started)


def unchecked_report(error: SnapshotError) -> IntegrityReport:
    """Make the report of a check that could not be made, which says nothing against the database."""
    message = f"The database could not be checked: {error}"
    return report_of(Finding(check=Check.FILE, severity=Severity.WARNING, message=message), time.monotonic())
