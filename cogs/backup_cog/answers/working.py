"""What is shown while something runs: how far it is, and what it waits for. Pure."""

from __future__ import annotations

import discord

from ..core_api import Doing
from ..formatting import Reply, embed, plain
from ..language import text, word

__all__ = ["progress", "waiting"]


def progress(phase: str, done: int, total: int) -> Reply:
    """Show how far long work has come."""
    said = plain(word(phase), 60)
    if total > 0:
        said = text("{phase} {percent} %", phase=said, percent=min(100, round(100 * done / total)))
    return Reply(embed(text("Working"), said))


def waiting(doing: Doing) -> Reply:
    """Show what has to be waited for, since when it runs, and for whom."""
    what, ago = plain(word(doing.operation), 100), discord.utils.format_dt(doing.since, "R")
    if doing.actor is not None:
        whom = plain(str(doing.actor), 100)
        said = text("Running now: {operation} for {whom}, begun {ago}.", operation=what, whom=whom, ago=ago)
    else:
        said = text("Running now: {operation}, begun {ago}.", operation=what, ago=ago)
    return Reply(embed(text("Waiting"), f"{said}\n{text('This goes on by itself as soon as that has ended.')}"))
