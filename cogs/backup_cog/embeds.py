"""The answers of the commands: models and errors in, embeds and text out. Pure; nothing is awaited here."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import discord

from .core_api import (
    AuditLine,
    Created,
    Doing,
    Finding,
    Health,
    Identity,
    IntegrityReport,
    Snapshot,
    SnapshotError,
    StartupReport,
    Status,
    Verdict,
    VerifyReport,
    count_text,
    duration_text,
    judge,
    size_text,
)
from .formatting import TEXT_LIMIT, Reply, embed, listing, plain, report_text, when
from .permissions import NotAllowed
from .slash.snapshots.lines import facts, snapshot_line
from .triggers import TriggerCount

__all__ = [
    "AMBER",
    "GREEN",
    "HEALTH_TITLES",
    "RED",
    "CogState",
    "claimed",
    "created",
    "failure",
    "integrity",
    "progress",
    "status",
    "status_text",
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


@dataclasses.dataclass(frozen=True, slots=True)
class CogState:
    """The state of the cog, beside the repository's: ``problem`` keeps it from working, ``outages`` are open alerts."""

    problem: str | None
    outages: tuple[str, ...]
    startup: StartupReport | None
    triggers: tuple[TriggerCount, ...]


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


def status(state: Status | None, cog: CogState) -> Reply:
    """Show the repository and the cog at a glance; ``state`` is None if the repository cannot be used."""
    fields = _repository(state) if state is not None else []
    fields.append(("Events", listing([_counts(count) for count in cog.triggers], 900) or "no triggers"))
    if cog.startup is not None:
        fields.append(("At start-up", plain(cog.startup.message, 500)))
    if state is not None and state.audit:
        fields.append(("Last done", listing([_audit_line(line) for line in reversed(state.audit)], 1000)))
    fields += [("Open alert", plain(outage, 500)) for outage in cog.outages]
    if cog.problem is not None:
        return Reply(embed("Backups do not work", plain(cog.problem, 1500), fields=fields, colour=RED))
    live = state.live if state is not None else None
    text, colour = _live(live)
    if colour == GREEN and (cog.outages or state is None or state.damaged):
        colour = AMBER
    return Reply(embed("Backups", text, fields=fields, colour=colour))


def _live(live: Health | None) -> tuple[str, discord.Colour]:
    """Return what is known of the database itself, which comes before everything about its snapshots."""
    if live is None:
        return "", AMBER
    title, colour = HEALTH_TITLES[live.verdict]
    if live.verdict is Verdict.UNKNOWN and not live.findings:
        return "**The database was not checked yet.**", AMBER
    checked = f" (checked {discord.utils.format_dt(live.checked_at, 'R')})"
    found = listing([plain(each.message, 300) for each in live.findings], 900)
    return f"**{title}**{checked}" + (f"\n{found}" if found else ""), colour


def claimed(identity: Identity) -> Reply:
    """Show that the repository belongs to the database in the settings now."""
    text = f"The snapshots are those of the {plain(str(identity), 500)} from now on."
    return Reply(embed("Claimed", text, colour=GREEN))


def _repository(state: Status) -> list[tuple[str, str]]:
    kinds = ", ".join(f"{count} {kind}" for kind, count in state.kinds.items() if count)
    doing = listing([_doing(each) for each in state.doing], 600) or "nothing is running"
    waits = "waits" if state.pending == 1 else "wait"
    waiting = f", {count_text(state.pending, 'event')} {waits}" if state.pending else ""
    return [
        ("Newest", snapshot_line(state.newest) if state.newest else "no snapshot yet"),
        (
            "Newest with a test restore",
            snapshot_line(state.newest_restored) if state.newest_restored else "none",
        ),
        ("Snapshots", f"{state.snapshots} ({kinds})" if kinds else "0"),
        ("Pinned", str(state.pinned)),
        ("Damaged", str(state.damaged)),
        ("Size", size_text(state.size)),
        ("Free", size_text(state.free)),
        ("Next periodic", discord.utils.format_dt(state.next_periodic, "R")),
        ("Now", f"{doing}{waiting}"),
        ("Database", plain(state.database, 200)),
        ("Repository", plain(state.repository, 200)),
        *([("Engine", listing([plain(remark, 300) for remark in state.remarks], 900))] if state.remarks else []),
    ]


def _doing(each: Doing) -> str:
    whom = f" for {plain(str(each.actor), 100)}" if each.actor is not None else ""
    return f"{plain(each.operation, 100)}{whom}, begun {discord.utils.format_dt(each.since, 'R')}"


def _audit_line(line: AuditLine) -> str:
    what = f"{line.action} {line.snapshot}" if line.snapshot else line.action
    who = plain(str(line.actor), 60)
    return f"{discord.utils.format_dt(line.at, 'R')} {who}: {plain(what, 80)}, {plain(line.outcome, 40)}"


def _counts(count: TriggerCount) -> str:
    name = plain(count.event, 60)
    if not count.fired:
        return f"{name}: **{'never fired' if count.lasting else 'not fired since the bot started'}**"
    incomplete = f", {count.incomplete} incomplete" if count.incomplete else ""
    if count.unmatched is not None:
        incomplete += f", **{plain(count.unmatched, 60)} never matched**"
    return f"{name}: fired {count.fired}, asked for {count_text(count.requested, 'snapshot')}{incomplete}"


def status_text(state: Status | None, cog: CogState, commands: Sequence[str]) -> str:
    """Return the status as a message that anybody in a channel may read: no paths, no addresses."""
    lines = []
    if cog.problem is not None or state is None:
        lines.append("Backups do **not** work; the slash command for the status says why.")
    else:
        newest = f"newest {discord.utils.format_dt(state.newest.created_at, 'R')}" if state.newest else "none yet"
        number = count_text(state.snapshots, "snapshot")
        if state.live is not None:
            lines.append(f"{HEALTH_TITLES[state.live.verdict][0]}.")
        lines.append(f"{number} ({size_text(state.size)}), {newest}, {state.damaged} damaged.")
        lines.append(f"Next periodic one {discord.utils.format_dt(state.next_periodic, 'R')}.")
    if cog.outages:
        lines.append(f"{count_text(len(cog.outages), 'open alert')}.")
    silent = [plain(count.event, 60) for count in cog.triggers if not count.fired]
    if silent:
        lines.append(f"Never fired: {', '.join(silent)}.")
    unmatched = [
        f"{plain(count.unmatched, 60)} of {plain(count.event, 60)}" for count in cog.triggers if count.unmatched
    ]
    if unmatched:
        lines.append(f"Conditions that never matched: {', '.join(unmatched)}.")
    return listing([*lines, *commands], TEXT_LIMIT)


def progress(phase: str, done: int, total: int) -> Reply:
    """Show how far long work has come."""
    share = f" {min(100, round(100 * done / total))} %" if total > 0 else ""
    return Reply(embed("Working", f"{plain(phase, 60)}{share}"))
