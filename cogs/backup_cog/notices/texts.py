"""The texts of the notices that the owner gets without asking. Pure functions.

Those of outages are in ``outage_texts``.
"""

from __future__ import annotations

import discord

from ..answers.checks import HEALTH_TITLES
from ..answers.people import actor_text
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
)
from ..formatting import AMBER, GREEN, RED, embed, listing, plain, when
from ..language import core_text, for_the_host, phrase, text, word
from .outage_texts import name_of

__all__ = [
    "another_database",
    "audited",
    "damaged",
    "health",
    "interrupted",
    "not_shown",
    "noticed",
    "restore_interrupted",
    "shutdown_failed",
    "started",
    "title_of",
]

_STARTS = {
    StartupOutcome.RESTORED: (phrase("The database was damaged and has been restored"), AMBER),
    StartupOutcome.DAMAGED: (phrase("The database is damaged"), RED),
    StartupOutcome.REFUSED: (phrase("Nothing was restored by itself"), RED),
    StartupOutcome.INCONSISTENT: (phrase("The database is not in order"), RED),
    StartupOutcome.SUSPICIOUS: (phrase("The database is not what it was"), AMBER),
    StartupOutcome.UNCHECKED: (phrase("The database was not checked at start-up"), AMBER),
}
"""The outcomes of a start that the owner should know of."""
_NOTICED = {
    "lacking": (phrase("The next snapshot will fail"), RED),
    "shrink": (phrase("Many rows are gone"), RED),
    "dropped": (phrase("Events are not covered by a snapshot"), AMBER),
    "vanished": (phrase("The snapshots are gone"), RED),
    "jump": (phrase("A watched number jumped"), RED),
    "watch": (phrase("A watched number has no answer"), AMBER),
}
_OTHERS = {
    "database": phrase("Something was found in the database"),
    "startup": phrase("A start did not go well"),
    "damaged": phrase("A snapshot is damaged"),
    "interrupted": phrase("An operation was interrupted"),
    "shutdown": phrase("The shutdown snapshot failed"),
}
_FINDINGS_LIMIT = 2500


def title_of(key: str) -> str:
    """Return what an alert of this kind is called, in the language that is spoken."""
    if key in _NOTICED:
        return text(_NOTICED[key][0])
    return text(_OTHERS[key]) if key in _OTHERS else name_of(key)


@for_the_host()
def shutdown_failed(error: SnapshotError, newest: Snapshot | None) -> discord.Embed:
    """Return the notice that the bot shuts down without a last snapshot; ``newest`` is the one before it."""
    message = plain(core_text(error.message), 1500)
    if newest is None:
        shown = text("{message}\n\nThe bot shuts down without it. There is no snapshot.", message=message)
    else:
        shown = text(
            "{message}\n\nThe bot shuts down without it. The newest snapshot is `{snapshot}` of {time}.",
            message=message,
            snapshot=newest.id,
            time=when(newest.began_at),
        )
    return embed(text(_OTHERS["shutdown"]), shown, colour=RED)


@for_the_host()
def another_database(message: str) -> discord.Embed:
    """Return the notice that the repository belongs to another database; it has the button that claims it."""
    shown = text(
        "{message}\n\nOnly if the database or its host has moved, and these are its snapshots: the bot's owner can "
        "press the button below.",
        message=plain(core_text(message), 2000),
    )
    return embed(text("These snapshots are of another database"), shown, colour=RED)


@for_the_host()
def damaged(error: SnapshotDamaged) -> discord.Embed:
    """Return the notice that a stored snapshot failed its verification."""
    shown = text(
        "{message}\n\nThe next snapshot is a full one. Look at the disk, and verify older snapshots.",
        message=plain(core_text(error.message), 1500),
    )
    return embed(text(_OTHERS["damaged"]), shown, colour=RED)


@for_the_host()
def health(found: Health, newest: Snapshot | None, group: str) -> discord.Embed:
    """Return the notice of a new verdict on the live database; ``newest`` is the newest usable snapshot.

    ``group`` is the name of the slash commands.
    """
    title, colour = HEALTH_TITLES[found.verdict]
    if found.verdict is Verdict.SOUND:
        return embed(text("The database is sound again"), text("A check found nothing any more."), colour=colour)
    findings = listing([_finding(each) for each in found.findings], _FINDINGS_LIMIT)
    parts = [findings, text("Nothing was changed by itself.")]
    if found.verdict in (Verdict.UNREADABLE, Verdict.SUSPICIOUS):
        parts.append(_way_back(newest, group))
    return embed(text(title), "\n\n".join(part for part in parts if part), colour=colour)


def _finding(finding: Finding) -> str:
    often = f" (×{finding.count})" if finding.count > 1 else ""
    remedy = f" {plain(core_text(finding.remedy), 400)}" if finding.remedy else ""
    return f"{plain(core_text(finding.message), 500)}{often}{remedy}"


def _way_back(newest: Snapshot | None, group: str) -> str:
    if newest is None:
        return text("There is no snapshot to go back to.")
    return text(
        "The newest usable snapshot is of {time}: `/{group} restore snapshot:{snapshot}`.",
        time=when(newest.began_at),
        group=group,
        snapshot=newest.id,
    )


@for_the_host()
def started(report: StartupReport) -> discord.Embed | None:
    """Return the notice of the start-up check, or None for an ordinary start."""
    if report.outcome not in _STARTS:
        return None
    title, colour = _STARTS[report.outcome]
    return embed(text(title), plain(core_text(report.message), 2500), colour=colour)


@for_the_host()
def noticed(key: str, message: str) -> discord.Embed:
    """Return the notice of something that the service came upon."""
    title, colour = _NOTICED.get(key, (phrase("Something to know about the backups"), AMBER))
    return embed(text(title), plain(core_text(message), 2500), colour=colour)


@for_the_host()
def interrupted(message: str) -> discord.Embed:
    """Return the notice that a crash interrupted an operation."""
    return embed(text(_OTHERS["interrupted"]), plain(core_text(message), 2500), colour=AMBER)


@for_the_host()
def restore_interrupted(snapshot: str, user_id: int) -> discord.Embed:
    """Return the notice that the bot ended before it could answer the person who had confirmed a restore."""
    shown = text(
        "The bot ended while it restored snapshot `{snapshot}`, which {person} had confirmed. The database is either "
        "restored or as it was. Look at how things stand before you confirm it again.",
        snapshot=snapshot,
        person=f"<@{user_id}>",
    )
    return embed(text("A restore was interrupted"), shown, colour=AMBER)


@for_the_host()
def audited(line: AuditLine) -> discord.Embed:
    """Return the notice of what somebody did."""
    action, outcome, person = word(line.action), plain(word(line.outcome), 100), actor_text(line.actor, 200)
    if line.snapshot:
        shown = text(
            "{person}: {action} of `{snapshot}`, {outcome}.",
            person=person,
            action=action,
            snapshot=line.snapshot,
            outcome=outcome,
        )
    else:
        shown = text("{person}: {action}, {outcome}.", person=person, action=action, outcome=outcome)
    detail = f"\n{plain(core_text(line.detail), 1000)}" if line.detail else ""
    colour = GREEN if line.outcome.startswith("done") else AMBER
    return embed(f"{action.capitalize()}: {word(line.outcome)}", f"{shown}{detail}", colour=colour)


@for_the_host()
def not_shown(reply: discord.Embed, user_id: int) -> discord.Embed:
    """Return an answer that could not be shown to the person who asked for it."""
    person = f"<@{user_id}>"
    shown = text("For {person}, who could not be answered.\n\n{answer}", person=person, answer=reply.description or "")
    fields = [(field.name or "", field.value or "") for field in reply.fields]
    return embed(reply.title or "", shown, fields=fields, footer=reply.footer.text or "", colour=reply.colour)
