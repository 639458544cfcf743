"""The text of ``verify`` and ``integrity``."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from ...models import Finding, IntegrityReport, Severity, VerifyReport
from ...units import count_text, duration_text
from .layout import BAD, GOOD, QUIET, WARNING, Shown, sentence, table

__all__ = ["integrity_output", "verify_output"]

_FINDINGS = 20
"""How many findings are shown."""
_LEVELS = {"checksum": "its bytes give back the fingerprint", "restored": "rebuilt and checked"}


def verify_output(report: VerifyReport) -> Shown:
    """Show how a verification ended."""
    if report.ok:
        text = f"Snapshot {report.id} is sound ({_LEVELS[report.level]}, {duration_text(report.seconds)})."
        return sentence(text, GOOD), *_findings(report.findings)
    text = (
        f"Snapshot {report.id} is DAMAGED. It is marked and stays where it is; the next snapshot is independent of it."
    )
    return sentence(text, BAD), *_findings(report.findings)


def integrity_output(report: IntegrityReport) -> Shown:
    """Show what an integrity check found."""
    if report.ok and not report.checked:
        # Nothing could be looked at, as before a new bot's first start: that is neither sound nor damaged.
        return tuple(sentence(finding.message) for finding in report.findings)
    checked = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in report.checked.items())
    how = f"checked in {duration_text(report.seconds)}: {checked or 'nothing'}"
    if not report.ok:
        return sentence(f"The database is DAMAGED ({how}).", BAD), *_findings(report.findings)
    if report.warnings:
        text = f"The database is sound, with {count_text(len(report.warnings), 'warning')} to look at ({how})."
        return sentence(text, WARNING), *_findings(report.findings)
    return (sentence(f"The database is sound ({how}).", GOOD),)


def _findings(findings: Sequence[Finding]) -> Shown:
    if not findings:
        return ()
    grid = table("severity", "check", "table", "finding")
    for found in findings[:_FINDINGS]:
        style = BAD if found.severity is Severity.ERROR else WARNING
        message = found.message if found.count == 1 else f"{found.message} ({found.count:,} times)"
        severity = Text(found.severity.value, style=style)
        grid.add_row(severity, found.check.value, sentence(found.table or ""), sentence(message))
    rest = len(findings) - _FINDINGS
    if rest <= 0:
        return (grid,)
    return grid, sentence(f"{count_text(rest, 'more finding')}; --json gives all.", QUIET)
