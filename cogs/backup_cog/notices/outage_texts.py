"""The texts of the one message about an outage: as it begins, goes on, is snoozed, and is over. Pure functions."""

from __future__ import annotations

import datetime as dt

import discord

from ..formatting import GREEN, RED, embed, plain
from ..language import core_text, duration_text, for_the_host, phrase, plural, text
from .models import Outage
from .outages import seconds_of

__all__ = ["failed", "login", "name_of", "open_alert", "recovered", "stale"]

_FAILURES = {
    "snapshot": phrase("A snapshot failed"),
    "verification": phrase("A verification failed"),
    "retention": phrase("Expired snapshots could not be removed"),
    "latest": phrase("The newest state could not be put into latest.*"),
    "audit": phrase("The audit log could not be written"),
    "restore point": phrase("A restore point failed"),
    "login": phrase("The bot starts again and again without reaching Discord"),
    "staleness": phrase("Backups are stale"),
}
_RECOVERIES = {
    "snapshot": phrase("Snapshots work again"),
    "verification": phrase("Verifications work again"),
    "retention": phrase("Expired snapshots are removed again"),
    "latest": phrase("latest.* is up to date again"),
    "audit": phrase("The audit log is written again"),
    "restore point": phrase("Restore points work again"),
    "login": phrase("The bot reaches Discord again"),
    "staleness": phrase("Backups are fresh again"),
}


def name_of(operation: str) -> str:
    """Return what an outage is called, in the language that is spoken."""
    known = _FAILURES.get(operation)
    return text(known) if known is not None else text("An operation failed: {operation}", operation=operation)


def open_alert(operation: str, outage: Outage, now: dt.datetime) -> str:
    """Return an outage that lasts as one line, in the language that is spoken."""
    often = plural(outage.failures, "{count} failure", "{count} failures")
    lasts, name = duration_text(seconds_of(outage, now)), name_of(operation)
    return text(
        "{name}: for {time}, {failures}. {message}",
        name=name,
        time=lasts,
        failures=often,
        message=core_text(outage.message),
    )


@for_the_host()
def failed(operation: str, outage: Outage, now: dt.datetime, *, again: bool = False) -> discord.Embed:
    """Return the message about an outage that lasts; ``again`` if the owner is reminded of it."""
    title = text("Still: {name}", name=name_of(operation)) if again else name_of(operation)
    since = discord.utils.format_dt(outage.began, "R")
    lines = [plain(core_text(outage.message), 1500), ""]
    if outage.failures > 1:
        last = discord.utils.format_dt(now, "R")
        often = plural(outage.failures, "{count} failure", "{count} failures")
        lines.append(text("Since {ago}, {failures}; as of {last}.", ago=since, failures=often, last=last))
    else:
        lines.append(text("Since {ago}.", ago=since))
    lines.append(text("The game goes on. It is tried again, and this message says so when it works."))
    if outage.snoozed_until is not None and outage.snoozed_until > now:
        until, person = discord.utils.format_dt(outage.snoozed_until, "f"), plain(outage.snoozed_by, 60)
        lines += ["", text("Snoozed by {person}: no reminder before {time}.", person=person, time=until)]
    return embed(title, "\n".join(lines), colour=RED)


@for_the_host()
def recovered(operation: str, outage: Outage, now: dt.datetime) -> discord.Embed:
    """Return the message about an outage that is over."""
    known = _RECOVERIES.get(operation)
    title = text(known) if known is not None else text("It works again: {operation}", operation=operation)
    lasted = duration_text(seconds_of(outage, now))
    over = plural(
        outage.failures,
        "Over, after {time} and {count} failed attempt.",
        "Over, after {time} and {count} failed attempts.",
        time=lasted,
    )
    was = text("It was: {message}", message=plain(core_text(outage.message), 1000))
    return embed(title, f"{over}\n{was}", colour=GREEN)


@for_the_host()
def stale(seconds: float) -> str:
    """Return why backups are stale."""
    return text(
        "No snapshot succeeded in the last {time}. If the bot should be taking snapshots, look at its log and at the "
        "status command: another process may hold the repository, or there is no database yet.",
        time=duration_text(seconds),
    )


@for_the_host()
def login() -> str:
    """Return why a bot may start again and again."""
    return text("It ended before it was ready. Look at its log: the token may be wrong, or something ends it early.")
