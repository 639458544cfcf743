"""What people are shown: models and errors in, embeds and text out; pure, nothing is awaited here."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

import discord

from .core_api import (
    Created,
    Finding,
    IntegrityReport,
    Snapshot,
    SnapshotError,
    StartupReport,
    Status,
    VerifyReport,
    duration_text,
    size_text,
)
from .formatting import CHOICE_LIMIT, TEXT_LIMIT, Reply, clip, embed, listing, plain, report_text
from .permissions import NotAllowed
from .triggers import TriggerCount

__all__ = [
    "AMBER",
    "GREEN",
    "RED",
    "Health",
    "choice",
    "created",
    "failure",
    "integrity",
    "progress",
    "searched",
    "snapshot_line",
    "snapshots",
    "status",
    "status_text",
    "verified",
    "when",
]

GREEN, AMBER, RED = discord.Colour.green(), discord.Colour.orange(), discord.Colour.red()
_FINDINGS_LIMIT = 2500
_LIST_LIMIT = 3400
_REASONS_LIMIT = 700


@dataclasses.dataclass(frozen=True, slots=True)
class Health:
    """What the cog knows besides the repository: ``problem`` keeps it from working, ``outages`` are open alerts."""

    problem: str | None
    outages: tuple[str, ...]
    startup: StartupReport | None
    triggers: tuple[TriggerCount, ...]


def when(at: dt.datetime) -> str:
    """Give a moment in the reader's own time zone, and how long ago it is."""
    return f"{discord.utils.format_dt(at, 'f')} ({discord.utils.format_dt(at, 'R')})"


def failure(error: BaseException) -> Reply:
    """Say what went wrong: our own errors in their own words, everything else without promises."""
    if isinstance(error, NotAllowed):
        return Reply(embed("Not allowed", str(error), colour=AMBER))
    if isinstance(error, SnapshotError):
        return Reply(embed("That did not work", plain(error.message, 1500), colour=RED))
    text = "Something unforeseen went wrong. The details are in the bot's log."
    return Reply(embed("That did not work", text, colour=RED))


def created(outcome: Created) -> Reply:
    """Show a snapshot that was taken, or that the newest one holds this state already."""
    snapshot = outcome.snapshot
    if outcome.unchanged:
        text = "Nothing changed since the newest snapshot, so it covers this moment too."
        return Reply(embed("Nothing to do", text, fields=_facts(snapshot), colour=GREEN))
    text = "Written, read back and proven."
    return Reply(embed("Snapshot taken", text, fields=_facts(snapshot), colour=GREEN))


def _facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    fields = [
        ("Id", f"`{snapshot.id}`"),
        ("SnapshotResult", when(snapshot.created_at)),
        ("Kind", snapshot.kind.value + (", pinned" if snapshot.pinned else "")),
        ("Size", f"{size_text(snapshot.size)} ({size_text(snapshot.database_size)} restored)"),
        ("Proven", _proof(snapshot)),
        ("Reasons", _reasons(snapshot)),
    ]
    if snapshot.note:
        fields.append(("Note", plain(snapshot.note, 300)))
    return fields


def _proof(snapshot: Snapshot) -> str:
    verification = snapshot.verification
    outcome = verification.level.value if verification.ok else f"DAMAGED ({verification.level.value})"
    return f"{outcome}, {discord.utils.format_dt(verification.at, 'R')}"


def _reasons(snapshot: Snapshot) -> str:
    counted = f" ({snapshot.requests} events)" if snapshot.requests > len(snapshot.reasons) else ""
    return listing([plain(reason) for reason in snapshot.reasons], _REASONS_LIMIT) + counted


def snapshot_line(snapshot: Snapshot) -> str:
    """Give one line of a list of snapshots."""
    marks = [mark for mark, holds in (("pinned", snapshot.pinned), ("DAMAGED", snapshot.damaged)) if holds]
    reason = plain(snapshot.reasons[0], 40) if snapshot.reasons else snapshot.kind.value
    others = f" +{len(snapshot.reasons) - 1}" if len(snapshot.reasons) > 1 else ""
    marked = f" · **{', '.join(marks)}**" if marks else ""
    taken = discord.utils.format_dt(snapshot.created_at, "R")
    return f"`{snapshot.id}` {taken} · {snapshot.kind.value} · {size_text(snapshot.size)} · {reason}{others}{marked}"


def snapshots(found: Sequence[Snapshot], kind: str | None) -> Reply:
    """List snapshots, newest first; the whole list is attached where it does not fit."""
    title = f"{len(found)} {kind + ' ' if kind else ''}snapshot{'s' if len(found) != 1 else ''}"
    if not found:
        return Reply(embed(title, "There is none yet."))
    text = listing([snapshot_line(snapshot) for snapshot in found], _LIST_LIMIT)
    size = f"{size_text(sum(snapshot.size for snapshot in found))} in all"
    report = report_text([_record(snapshot) for snapshot in found]) if text.count("\n") + 1 < len(found) else None
    return Reply(embed(title, text, footer=size), report)


def _record(snapshot: Snapshot) -> str:
    state = "damaged" if snapshot.damaged else "pinned" if snapshot.pinned else ""
    moment = f"{snapshot.created_at:%Y-%m-%d %H:%M:%S} UTC"
    parts = [snapshot.id, moment, snapshot.kind.value, size_text(snapshot.size), state, ", ".join(snapshot.reasons)]
    return "  ".join(part for part in parts if part)


def verified(report: VerifyReport) -> Reply:
    """Show whether a snapshot was proven."""
    how = "rebuilt and checked" if report.level.value == "restored" else "its bytes give back its fingerprint"
    took = f"{report.level.value}, {duration_text(report.seconds)}"
    if report.ok:
        text = f"Snapshot `{report.id}` is sound: {how}."
        return _with_findings("Proven", text, report.findings, footer=took, colour=GREEN)
    text = f"Snapshot `{report.id}` is **damaged** and marked so. It stays; the next snapshot is a full one."
    return _with_findings("Not proven", text, report.findings, footer=took, colour=RED)


def integrity(report: IntegrityReport) -> Reply:
    """Show what an integrity check of the database looked at and found."""
    errors, warnings = len(report.errors), len(report.warnings)
    looked = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in report.checked.items())
    fields = [("Checked", looked or "nothing"), ("Rows", _rows(report.rows))]
    if report.ok:
        text = "No errors." + (f" {warnings} warning{'s' if warnings != 1 else ''} to look at." if warnings else "")
        title, colour = "The database is sound", AMBER if warnings else GREEN
    else:
        text = f"{errors} error{'s' if errors != 1 else ''}, {warnings} warning{'s' if warnings != 1 else ''}."
        title, colour = "The database is damaged", RED
    took = duration_text(report.seconds)
    return _with_findings(title, text, report.findings, fields=fields, footer=took, colour=colour)


def _rows(rows: dict[str, int]) -> str:
    return listing([f"{plain(table)}: {count}" for table, count in rows.items()], 600) or "none counted"


def _findings(found: Sequence[Finding], limit: int) -> str:
    """List findings as far as they fit, worst first."""
    ordered = sorted(found, key=lambda finding: finding.severity.value != "error")
    return listing([_finding(finding) for finding in ordered], limit)


def _finding(finding: Finding) -> str:
    often = f" (×{finding.count})" if finding.count > 1 else ""
    return f"**{finding.severity.value}** · {finding.check.value} · {plain(finding.message, 300)}{often}"


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
    made = embed(title, f"{text}\n\n{shown}" if shown else text, fields=fields, footer=footer, colour=colour)
    long = len(found) > shown.count("\n") + 1
    lines = [f"{one.severity.value}  {one.check.value}  {one.table or ''}  {one.message}" for one in found]
    return Reply(made, report_text(lines) if long else None)


def status(state: Status | None, health: Health) -> Reply:
    """Show the repository and the cog at a glance; ``state`` is None where the repository cannot be used."""
    fields = _repository(state) if state is not None else []
    fields.append(("Events", listing([_heard(count) for count in health.triggers], 900) or "no triggers"))
    if health.startup is not None:
        fields.append(("At start-up", plain(health.startup.message, 500)))
    fields += [("Open alert", plain(outage, 500)) for outage in health.outages]
    if health.problem is not None:
        return Reply(embed("Backups do not work", plain(health.problem, 1500), fields=fields, colour=RED))
    well = not health.outages and state is not None and not state.damaged
    return Reply(embed("Backups", fields=fields, colour=GREEN if well else AMBER))


def _repository(state: Status) -> list[tuple[str, str]]:
    kinds = ", ".join(f"{count} {kind}" for kind, count in state.kinds.items() if count)
    doing = "a snapshot or a check is running" if state.running else "idle"
    waiting = f", {state.pending} events wait" if state.pending else ""
    return [
        ("Newest", snapshot_line(state.newest) if state.newest else "no snapshot yet"),
        (
            "Newest that was restored for proof",
            snapshot_line(state.newest_restored) if state.newest_restored else "none",
        ),
        ("Snapshots", f"{state.snapshots} ({kinds})" if kinds else "0"),
        ("Pinned", str(state.pinned)),
        ("Damaged", str(state.damaged)),
        ("Size", size_text(state.size)),
        ("Free", size_text(state.free)),
        ("Next periodic", discord.utils.format_dt(state.next_periodic, "R")),
        ("Now", doing + waiting),
        ("Database", plain(state.database, 200)),
        ("Repository", plain(state.repository, 200)),
        *([("Engine", listing([plain(remark, 300) for remark in state.remarks], 900))] if state.remarks else []),
    ]


def _heard(count: TriggerCount) -> str:
    name = plain(count.event, 60)
    if not count.heard:
        return f"{name}: **never fired**"
    incomplete = f", {count.incomplete} incomplete" if count.incomplete else ""
    return f"{name}: fired {count.heard}, asked for {count.asked}{incomplete}"


def status_text(state: Status | None, health: Health, commands: Sequence[str]) -> str:
    """Give the status as a message that anybody in a channel may read: no paths, no addresses."""
    lines = []
    if health.problem is not None or state is None:
        lines.append("Backups do **not** work; the slash command for the status says why.")
    else:
        newest = f"newest {discord.utils.format_dt(state.newest.created_at, 'R')}" if state.newest else "none yet"
        lines.append(f"{state.snapshots} snapshots ({size_text(state.size)}), {newest}, {state.damaged} damaged.")
        lines.append(f"Next periodic one {discord.utils.format_dt(state.next_periodic, 'R')}.")
    if health.outages:
        lines.append(f"{len(health.outages)} open alert{'s' if len(health.outages) != 1 else ''}.")
    silent = [plain(count.event, 60) for count in health.triggers if not count.heard]
    if silent:
        lines.append(f"Never fired: {', '.join(silent)}.")
    return listing([*lines, *commands], TEXT_LIMIT)


def progress(phase: str, done: int, total: int) -> Reply:
    """Show how far long work has come."""
    share = f" {min(100, round(100 * done / total))} %" if total > 0 else ""
    return Reply(embed("Working", f"{plain(phase, 60)}{share}"))


def choice(snapshot: Snapshot) -> str:
    """Name a snapshot in a list of suggestions, which shows text as it is."""
    reason = " ".join(snapshot.reasons[0].split()) if snapshot.reasons else ""
    damaged = "damaged · " if snapshot.damaged else ""
    label = f"{snapshot.id} · {snapshot.created_at:%Y-%m-%d %H:%M} UTC · {snapshot.kind.value} · {damaged}{reason}"
    return clip(label, CHOICE_LIMIT)


def searched(snapshot: Snapshot) -> str:
    """Give the text in which a typed word is looked for: id, kind, reasons, note."""
    return " ".join([snapshot.id, snapshot.kind.value, *snapshot.reasons, snapshot.note or ""]).casefold()
