"""The text of ``verify`` and ``integrity``."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from ...models import Finding, IntegrityReport, Severity, Verdict, VerifyReport
from ...policies.health import judge
from ...units import count_text, duration_text
from .layout import BAD, GOOD, QUIET, WARNING, Shown, sentence, table

__all__ = ["VERDICTS", "integrity_output", "verify_output"]

_FINDINGS = 20
"""How many findings are shown."""
VERDICTS = {
    Verdict.SOUND: ("The database is sound", GOOD),
    Verdict.MISSING: ("There is no database yet", WARNING),
    Verdict.UNKNOWN: ("The database could not be checked as a whole", WARNING),
    Verdict.SUSPICIOUS: ("The database can be read, and something in it is not as expected", WARNING),
    Verdict.INCONSISTENT: ("The data is there, but the database is NOT IN ORDER", BAD),
    Verdict.UNREADABLE: ("The database is DAMAGED: it cannot be read", BAD),
}
"""What each verdict says of the database, and how."""

_LEVELS = {"checksum": "its bytes give back the fingerprint", "restored": "rebuilt and checked"}


def verify_output(report: VerifyReport) -> Shown:
    """Show how a verification ended."""
    if report.health is not None and report.health.verdict is Verdict.UNREADABLE:
        text = f"The state in snapshot {report.id} cannot be read. Its bytes are as they were written."
        return sentence(text, BAD), *_findings(report.findings)
    if report.ok:
        text = f"Snapshot {report.id} is sound ({_LEVELS[report.level]}, {duration_text(report.seconds)})."
        return sentence(text, GOOD), *_findings(report.findings)
    text = (
        f"Snapshot {report.id} is DAMAGED. It is marked and stays where it is; the next snapshot is independent of it."
    )
    return sentence(text, BAD), *_findings(report.findings)


def integrity_output(report: IntegrityReport) -> Shown:
    """Show what an integrity check found."""
    if report.ok and not report.checked and judge(report.findings) is Verdict.MISSING:
        # Nothing could be looked at, as before a new bot's first start: that is neither sound nor damaged.
        return tuple(sentence(finding.message) for finding in report.findings)
    checked = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in report.checked.items())
    how = f"checked in {duration_text(report.seconds)}: {checked or 'nothing'}"
    verdict = judge(report.findings)
    text, style = VERDICTS[verdict]
    return sentence(f"{text} ({how}).", style), *_findings(report.findings)


def _findings(findings: Sequence[Finding]) -> Shown:
    if not findings:
        return ()
    grid = table("severity", "check", "table", "finding")
    for found in findings[:_FINDINGS]:
        style = BAD if found.severity is Severity.ERROR else WARNING
        message = found.message if found.count == 1 else f"{found.message} ({found.count:,} times)"
        severity = Text(found.severity.value, style=style)
        message = f"{message} {found.remedy}" if found.remedy else message
        grid.add_row(severity, found.check.value, sentence(found.table or ""), sentence(message))
    rest = len(findings) - _FINDINGS
    if rest <= 0:
        return (grid,)
    return grid, sentence(f"{count_text(rest, 'more finding')}; --json gives all.", QUIET)
