"""The answers of the commands: models and errors in, embeds and text out. Pure; nothing is awaited here."""

from __future__ import annotations

from collections.abc import Sequence

import discord

from .core_api import (
    Created,
    Finding,
    Identity,
    IntegrityReport,
    Snapshot,
    SnapshotError,
    Verdict,
    VerifyReport,
    count_text,
    duration_text,
    judge,
)
from .formatting import Reply, embed, listing, plain, report_text, when
from .permissions import NotAllowed
from .slash.snapshots.lines import facts, snapshot_line

__all__ = [
    "AMBER",
    "GREEN",
    "HEALTH_TITLES",
    "RED",
    "claimed",
    "created",
    "failure",
    "integrity",
    "progress",
    "verified",
    "when",
]

GREEN, AMBER, RED = discord.Colour.green(), discord.Colour.orange(), discord.Colour.red()
HEALTH_TITLES = {
    Verdict.UNREADABLE: ("The database cannot be read", RED),
    Verdict.INCONSISTENT: ("The database is not in order", RED),
    Verdict.SUSPICIOUS: ("The database is not what it was", AMBER),
    Verdict.UNKNOWN: ("The database could not be checked", AMBER),
    Verdict.MISSING: ("There is no database yet", AMBER),
    Verdict.SOUND: ("The database is sound", GREEN),
}
"""The title and the colour of each verdict."""
_FINDINGS_LIMIT = 2500
_LIST_LIMIT = 3400


def failure(error: BaseException, suggested: Sequence[Snapshot] = ()) -> Reply:
    """Show an error: ours with its own sentence, any other without its text, which can hold anything.

    ``suggested`` are the snapshots that may have been meant.
    """
    if isinstance(error, NotAllowed):
        return Reply(embed("Not allowed", str(error), colour=AMBER))
    if isinstance(error, SnapshotError):
        meant = listing([snapshot_line(snapshot) for snapshot in suggested], _LIST_LIMIT - 1500)
        text = plain(error.message, 1500) + (f"\n\nPick one from the list:\n{meant}" if meant else "")
        return Reply(embed("That did not work", text, colour=RED))
    text = "Something unforeseen went wrong. The details are in the bot's log."
    return Reply(embed("That did not work", text, colour=RED))


def created(outcome: Created) -> Reply:
    """Show the snapshot that was taken, or that the newest one has this state already."""
    snapshot = outcome.snapshot
    if outcome.unchanged:
        text = "Nothing changed since the newest snapshot, so it covers this moment too."
        return Reply(embed("Nothing to do", text, fields=facts(snapshot), colour=GREEN))
    text = "Written, read back and verified."
    return Reply(embed("Snapshot taken", text, fields=facts(snapshot), colour=GREEN))


def verified(report: VerifyReport) -> Reply:
    """Show how a verification ended."""
    how = "rebuilt and checked" if report.level.value == "restored" else "its bytes give back its fingerprint"
    took = f"{report.level.value}, {duration_text(report.seconds)}"
    if report.ok:
        text = f"Snapshot `{report.id}` is sound: {how}."
        return _with_findings("Verified", text, report.findings, footer=took, colour=GREEN)
    text = f"Snapshot `{report.id}` is **damaged** and marked so. It stays; the next snapshot is a full one."
    return _with_findings("Damaged", text, report.findings, footer=took, colour=RED)


def integrity(report: IntegrityReport) -> Reply:
    """Show what an integrity check looked at and found."""
    took = duration_text(report.seconds)
    if report.ok and not report.checked:
        # Nothing could be looked at, as before a new bot's first start: that is neither sound nor damaged.
        return _with_findings("Nothing was checked", "", report.findings, footer=took, colour=AMBER)
    warnings = count_text(len(report.warnings), "warning")
    checked = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in report.checked.items())
    fields = [("Checked", checked or "nothing"), ("Rows", _rows(report.rows))]
    title, colour = HEALTH_TITLES[judge(report.findings)]
    if not report.findings:
        text = "Nothing was found."
    elif report.ok:
        text, colour = f"No errors. {warnings} to look at.", AMBER
    else:
        text = f"{count_text(len(report.errors), 'error')}, {warnings}."
    return _with_findings(title, text, report.findings, fields=fields, footer=took, colour=colour)


def _rows(rows: dict[str, int]) -> str:
    return listing([f"{plain(table)}: {count}" for table, count in rows.items()], 600) or "none counted"


def _findings(found: Sequence[Finding], limit: int) -> str:
    """Return the findings that fit, errors first."""
    ordered = sorted(found, key=lambda finding: finding.severity.value != "error")
    return listing([_finding(finding) for finding in ordered], limit)


def _finding(finding: Finding) -> str:
    often = f" (×{finding.count})" if finding.count > 1 else ""
    remedy = f" {plain(finding.remedy, 300)}" if finding.remedy else ""
    return f"**{finding.severity.value}** · {finding.check.value} · {plain(finding.message, 300)}{often}{remedy}"


def _with_findings(
    title: str,
    text: str,
    found: Sequence[Finding],
    *,
    fields: Sequence[tuple[str, str]] = (),
    footer: str,
    colour: discord.Colour,
) -> Reply:
    shown = _findings(found, _FINDINGS_LIMIT)
    description = "\n\n".join(part for part in (text, shown) if part)
    made = embed(title, description, fields=fields, footer=footer, colour=colour)
    long = len(found) > shown.count("\n") + 1
    lines = [f"{one.severity.value}  {one.check.value}  {one.table or ''}  {one.message}" for one in found]
    return Reply(made, report_text(lines) if long else None)


def claimed(identity: Identity) -> Reply:
    """Show that the repository belongs to the database in the settings now."""
    text = f"The snapshots are those of the {plain(str(identity), 500)} from now on."
    return Reply(embed("Claimed", text, colour=GREEN))


def progress(phase: str, done: int, total: int) -> Reply:
    """Show how far long work has come."""
    share = f" {min(100, round(100 * done / total))} %" if total > 0 else ""
    return Reply(embed("Working", f"{plain(phase, 60)}{share}"))
