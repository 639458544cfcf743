"""What a verification of a snapshot, and a check of the database, found."""

from __future__ import annotations

from collections.abc import Sequence

import discord

from ..core_api import Finding, Identity, IntegrityReport, Level, Verdict, VerifyReport, judge
from ..formatting import AMBER, GREEN, RED, Reply, embed, listing, plain, report_text
from ..language import core_text, duration_text, number_text, phrase, plural, text, word

__all__ = ["HEALTH_TITLES", "claimed", "integrity", "verified"]

HEALTH_TITLES = {
    Verdict.UNREADABLE: (phrase("The database cannot be read"), RED),
    Verdict.INCONSISTENT: (phrase("The database is not in order"), RED),
    Verdict.SUSPICIOUS: (phrase("The database is not what it was"), AMBER),
    Verdict.UNKNOWN: (phrase("The database could not be checked"), AMBER),
    Verdict.MISSING: (phrase("There is no database yet"), AMBER),
    Verdict.SOUND: (phrase("The database is sound"), GREEN),
}
"""The title of each verdict, which ``text`` translates, and its colour."""
_HOW = {
    Level.CHECKSUM: phrase("Snapshot `{id}` is sound: its bytes give back its fingerprint."),
    Level.RESTORED: phrase("Snapshot `{id}` is sound: it was rebuilt and checked."),
}
_FINDINGS_LIMIT = 2500
_ROWS_LIMIT = 600


def verified(report: VerifyReport) -> Reply:
    """Show how a verification ended."""
    took = f"{word(report.level)}, {duration_text(report.seconds)}"
    if report.ok:
        said = text(_HOW[report.level], id=report.id)
        return _with_findings(text("Verified"), said, report.findings, footer=took, colour=GREEN)
    said = text(
        "Snapshot `{id}` is **damaged** and marked so. It stays; the next snapshot is a full one.", id=report.id
    )
    return _with_findings(text("Damaged"), said, report.findings, footer=took, colour=RED)


def integrity(report: IntegrityReport) -> Reply:
    """Show what an integrity check looked at and found."""
    took = duration_text(report.seconds)
    if report.ok and not report.checked:
        # Nothing could be looked at, as before a new bot's first start: that is neither sound nor damaged.
        return _with_findings(text("Nothing was checked"), "", report.findings, footer=took, colour=AMBER)
    errors, warnings = len(report.errors), len(report.warnings)
    checked = ", ".join(f"{word(name)} {number_text(count)}" for name, count in report.checked.items())
    fields = [(text("Checked"), checked or text("nothing")), (text("Rows"), _rows(report.rows))]
    title, colour = HEALTH_TITLES[judge(report.findings)]
    if not report.findings:
        said = text("Nothing was found.")
    elif report.ok:
        said, colour = (
            plural(warnings, "No errors. {count} warning to look at.", "No errors. {count} warnings to look at."),
            AMBER,
        )
    else:
        said = text(
            "{errors}, {warnings}.",
            errors=plural(errors, "{count} error", "{count} errors"),
            warnings=plural(warnings, "{count} warning", "{count} warnings"),
        )
    return _with_findings(text(title), said, report.findings, fields=fields, footer=took, colour=colour)


def claimed(identity: Identity) -> Reply:
    """Show that the repository belongs to the database in the settings now."""
    said = text("The snapshots are those of the {database} from now on.", database=plain(str(identity), 500))
    return Reply(embed(text("Claimed"), said, colour=GREEN))


def _rows(rows: dict[str, int]) -> str:
    counted = [f"{plain(table)}: {number_text(count)}" for table, count in rows.items()]
    return listing(counted, _ROWS_LIMIT) or text("none counted")


def _with_findings(
    title: str,
    said: str,
    found: Sequence[Finding],
    *,
    fields: Sequence[tuple[str, str]] = (),
    footer: str,
    colour: discord.Colour,
) -> Reply:
    """Show findings, errors first; all of them are attached if they do not fit."""
    ordered = sorted(found, key=lambda finding: finding.severity.value != "error")
    shown = listing([_line(finding) for finding in ordered], _FINDINGS_LIMIT)
    description = "\n\n".join(part for part in (said, shown) if part)
    made = embed(title, description, fields=fields, footer=footer, colour=colour)
    lines = [f"{one.severity.value}  {one.check.value}  {one.table or ''}  {core_text(one.message)}" for one in found]
    return Reply(made, report_text(lines) if len(found) > shown.count("\n") + 1 else None)


def _line(finding: Finding) -> str:
    often = f" (×{number_text(finding.count)})" if finding.count > 1 else ""
    remedy = f" {plain(core_text(finding.remedy), 300)}" if finding.remedy else ""
    said = plain(core_text(finding.message), 300)
    return f"**{word(finding.severity)}** · {word(finding.check)} · {said}{often}{remedy}"
