"""The documents of ``verify`` and ``integrity``."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ...models import Check, Finding, IntegrityReport, Level, Severity, VerifyReport

__all__ = ["FindingDocument", "IntegrityDocument", "VerifyDocument", "integrity_document", "verify_document"]


class FindingDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One finding of a check."""

    check: Check
    severity: Severity
    message: str
    table: str | None


class VerifyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``verify``."""

    id: str
    level: Level
    ok: bool
    findings: tuple[FindingDocument, ...]


class IntegrityDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``integrity``."""

    ok: bool
    findings: tuple[FindingDocument, ...]


def verify_document(report: VerifyReport) -> VerifyDocument:
    """Return the answer of ``verify``."""
    return VerifyDocument(id=report.id, level=report.level, ok=report.ok, findings=_findings(report.findings))


def integrity_document(report: IntegrityReport) -> IntegrityDocument:
    """Return the answer of ``integrity``."""
    return IntegrityDocument(ok=report.ok, findings=_findings(report.findings))


def _findings(findings: Iterable[Finding]) -> tuple[FindingDocument, ...]:
    return tuple(
        FindingDocument(check=found.check, severity=found.severity, message=found.message, table=found.table)
        for found in findings
    )
