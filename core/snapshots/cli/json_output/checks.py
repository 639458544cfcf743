"""The documents of ``verify`` and ``integrity``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import msgspec

from ...models import Check, Finding, Health, IntegrityReport, Level, Severity, Verdict, VerifyReport
from ...policies.health import judge
from .times import utc

__all__ = [
    "FindingDocument",
    "HealthDocument",
    "IntegrityDocument",
    "VerifyDocument",
    "health_document",
    "integrity_document",
    "verify_document",
]


class FindingDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One finding of a check."""

    check: Check
    severity: Severity
    message: str
    table: str | None
    remedy: str | None


class HealthDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a state, of a snapshot or of the live database."""

    verdict: Verdict
    findings: tuple[FindingDocument, ...]
    checked_at: dt.datetime


class VerifyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``verify``."""

    id: str
    level: Level
    ok: bool
    findings: tuple[FindingDocument, ...]
    health: HealthDocument | None


class IntegrityDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``integrity``."""

    ok: bool
    verdict: Verdict
    findings: tuple[FindingDocument, ...]


def health_document(health: Health | None) -> HealthDocument | None:
    """Return a verdict with its findings; None if the state was not looked at."""
    if health is None:
        return None
    return HealthDocument(
        verdict=health.verdict, findings=_findings(health.findings), checked_at=utc(health.checked_at)
    )


def verify_document(report: VerifyReport) -> VerifyDocument:
    """Return the answer of ``verify``."""
    return VerifyDocument(
        id=report.id,
        level=report.level,
        ok=report.ok,
        findings=_findings(report.findings),
        health=health_document(report.health),
    )


def integrity_document(report: IntegrityReport) -> IntegrityDocument:
    """Return the answer of ``integrity``."""
    return IntegrityDocument(ok=report.ok, verdict=judge(report.findings), findings=_findings(report.findings))


def _findings(findings: Iterable[Finding]) -> tuple[FindingDocument, ...]:
    return tuple(
        FindingDocument(
            check=found.check,
            severity=found.severity,
            message=found.message,
            table=found.table,
            remedy=found.remedy,
        )
        for found in findings
    )
