"""The texts of the notices that the owner gets without asking. Pure functions."""

from __future__ import annotations

import discord

from ..core_api import (
    AuditLine,
    Finding,
    Health,
    Snapshot,
    SnapshotDamaged,
    SnapshotError,
    StartupOutcome,
    StartupReport,
    Verdict,
    count_text,
    duration_text,
)
from ..embeds import AMBER, GREEN, HEALTH_TITLES, RED, when
from ..formatting import embed, listing, plain

__all__ = [
    "another_database",
    "audited",
    "damaged",
    "failed",
    "health",
    "interrupted",
    "not_shown",
    "noticed",
    "recovered",
    "reminder",
    "restore_interrupted",
    "shutdown_failed",
    "started",
]

_STARTS = {
    StartupOutcome.RESTORED: ("The database was damaged and has been restored", AMBER),
    StartupOutcome.DAMAGED: ("The database is damaged", RED),
    StartupOutcome.REFUSED: ("Nothing was restored by itself", RED),
    StartupOutcome.INCONSISTENT: ("The database is not in order", RED),
    StartupOutcome.SUSPICIOUS: ("The database is not what it was", AMBER),
    StartupOutcome.UNCHECKED: ("The database was not checked at start-up", AMBER),
}
"""The outcomes of a start that the owner should know of."""
_FAILURES = {
    "snapshot": "A snapshot failed",
    "verification": "A verification failed",
    "retention": "Expired snapshots could not be removed",
    "latest": "The newest state could not be put into latest.*",
    "audit": "The audit log could not be written",
    "restore point": "A restore point failed",
    "login": "The bot starts again and again without reaching Discord",
    "staleness": "Backups are stale",
}
_RECOVERIES = {
    "snapshot": "Snapshots work again",
    "verification": "Verifications work again",
    "retention": "Expired snapshots are removed again",
    "latest": "latest.* is up to date again",
    "audit": "The audit log is written again",
    "restore point": "Restore points work again",
    "login": "The bot reaches Discord again",
    "staleness": "Backups are fresh again",
}
_NOTICED = {
    "lacking": ("The next snapshot will fail", RED),
    "shrink": ("Many rows are gone", RED),
    "dropped": ("Events are not covered by a snapshot", AMBER),
    "vanished": ("The snapshots are gone", RED),
    "jump": ("A watched number jumped", RED),
    "watch": ("A watched number has no answer", AMBER),
}
_FINDINGS_LIMIT = 2500
_GOES_ON = "The game goes on. It is tried again, and you are notified when it works."


def failed(operation: str, message: str) -> discord.Embed:
    """Return the notice of the beginning of an outage."""
    title = _FAILURES.get(operation, f"A {operation} failed")
    return embed(title, f"{plain(message, 1500)}\n\n{_GOES_ON}", colour=RED)


def reminder(operation: str, message: str, seconds: float, failures: int) -> discord.Embed:
    """Return the daily notice of an outage that lasts."""
    title = f"Still: {_FAILURES.get(operation, f'a {operation} failed')}"
    often = f", {count_text(failures, 'failure')}" if failures > 1 else ""
    text = f"For {duration_text(seconds)} now{often}. Last: {plain(message, 1500)}\n\n{_GOES_ON}"
    return embed(title, text, colour=RED)


def recovered(operation: str, seconds: float, failures: int) -> discord.Embed:
    """Return the notice of the end of an outage."""
    title = _RECOVERIES.get(operation, f"The {operation} succeeded")
    often = f" and {count_text(failures, 'failed attempt')}" if failures else ""
    return embed(title, f"After {duration_text(seconds)}{often}.", colour=GREEN)


def shutdown_failed(error: SnapshotError, newest: Snapshot | None) -> discord.Embed:
    """Return the notice that the bot shuts down without a last snapshot; ``newest`` is the one before it."""
    there = "There is no snapshot."
    if newest is not None:
        there = f"The newest snapshot is `{newest.id}` of {when(newest.began_at)}."
    text = f"{plain(error.message, 1500)}\n\nThe bot shuts down without it. {there}"
    return embed("The shutdown snapshot failed", text, colour=RED)


def another_database(message: str) -> discord.Embed:
    """Return the notice that the repository belongs to another database; it has the button that claims it."""
    text = (
        f"{plain(message, 2000)}\n\nOnly if the database or its host has moved, and these are its snapshots: the bot's "
        "owner can press the button below."
    )
    return embed("These snapshots are of another database", text, colour=RED)


def damaged(error: SnapshotDamaged) -> discord.Embed:
    """Return the notice that a stored snapshot failed its verification."""
    advice = "The next snapshot is a full one. Look at the disk, and verify older snapshots."
    return embed("A snapshot is damaged", f"{plain(error.message, 1500)}\n\n{advice}", colour=RED)


def health(found: Health, newest: Snapshot | None, group: str) -> discord.Embed:
    """Return the notice of a new verdict on the live database; ``newest`` is the newest usable snapshot.

    ``group`` is the name of the slash commands.
    """
    title, colour = HEALTH_TITLES[found.verdict]
    if found.verdict is Verdict.SOUND:
        return embed("The database is sound again", "A check found nothing any more.", colour=colour)
    parts = [listing([_finding(each) for each in found.findings], _FINDINGS_LIMIT), "Nothing was changed by itself."]
    if found.verdict in (Verdict.UNREADABLE, Verdict.SUSPICIOUS):
        parts.append(_way_back(newest, group))
    return embed(title, "\n\n".join(part for part in parts if part), colour=colour)


def _finding(finding: Finding) -> str:
    often = f" (×{finding.count})" if finding.count > 1 else ""
    remedy = f" {plain(finding.remedy, 400)}" if finding.remedy else ""
    return f"{plain(finding.message, 500)}{often}{remedy}"


def _way_back(newest: Snapshot | None, group: str) -> str:
    if newest is None:
        return "There is no snapshot to go back to."
    return f"The newest usable snapshot is of {when(newest.began_at)}: `/{group} restore snapshot:{newest.id}`."


def started(report: StartupReport) -> discord.Embed | None:
    """Return the notice of the start-up check, or None for an ordinary start."""
    if report.outcome not in _STARTS:
        return None
    title, colour = _STARTS[report.outcome]
    return embed(title, plain(report.message, 2500), colour=colour)


def noticed(key: str, message: str) -> discord.Embed:
    """Return the notice of something that the service came upon."""
    title, colour = _NOTICED.get(key, ("Something to know about the backups", AMBER))
    return embed(title, plain(message, 2500), colour=colour)


def interrupted(message: str) -> discord.Embed:
    """Return the notice that a crash interrupted an operation."""
    return embed("An operation was interrupted", plain(message, 2500), colour=AMBER)


def restore_interrupted(snapshot: str, user_id: int) -> discord.Embed:
    """Return the notice that the bot ended before it could answer the person who had confirmed a restore."""
    text = (
        f"The bot ended while it restored snapshot `{snapshot}`, which <@{user_id}> had confirmed. The database is "
        "either restored or as it was. Look at how things stand before you confirm it again."
    )
    return embed("A restore was interrupted", text, colour=AMBER)


def audited(line: AuditLine) -> discord.Embed:
    """Return the notice of what somebody did."""
    what = f"{line.action} of `{line.snapshot}`" if line.snapshot else line.action
    detail = f"\n{plain(line.detail, 1000)}" if line.detail else ""
    text = f"{plain(str(line.actor), 200)}: {what}, {plain(line.outcome, 100)}.{detail}"
    colour = GREEN if line.outcome.startswith("done") else AMBER
    return embed(f"{line.action.capitalize()}: {line.outcome}", text, colour=colour)


def not_shown(reply: discord.Embed, user_id: int) -> discord.Embed:
    """Return an answer that could not be shown to the person who asked for it."""
    text = f"For <@{user_id}>, who could not be answered.\n\n{reply.description or ''}"
    fields = [(field.name or "", field.value or "") for field in reply.fields]
    return embed(reply.title or "", text, fields=fields, colour=reply.colour)
