"""The status as a text that anybody in a channel may read: no paths, no addresses."""

from __future__ import annotations

from collections.abc import Sequence

import discord

from ..answers.checks import HEALTH_TITLES
from ..core_api import Status
from ..formatting import TEXT_LIMIT, listing, plain
from ..language import plural, size_text, text
from .state import CogState

__all__ = ["status_text"]


def status_text(state: Status | None, cog: CogState, commands: Sequence[str]) -> str:
    """Return the status with what is known of registered ``commands``; ``state`` is None if it cannot be read."""
    lines = [*_repository(state if cog.problem is None else None)]
    if cog.outages:
        lines.append(plural(len(cog.outages), "{count} open alert.", "{count} open alerts."))
    silent = [plain(count.event, 60) for count in cog.triggers if not count.fired]
    if silent:
        lines.append(text("Never fired: {events}.", events=", ".join(silent)))
    unmatched = [
        text("{condition} of {event}", condition=plain(count.unmatched, 60), event=plain(count.event, 60))
        for count in cog.triggers
        if count.unmatched
    ]
    if unmatched:
        lines.append(text("Conditions that never matched: {conditions}.", conditions=", ".join(unmatched)))
    return listing([*lines, *commands], TEXT_LIMIT)


def _repository(state: Status | None) -> list[str]:
    if state is None:
        return [text("Backups do **not** work; the slash command for the status says why.")]
    lines = [f"{text(HEALTH_TITLES[state.live.verdict][0])}."] if state.live is not None else []
    damaged = plural(state.damaged, "{count} damaged", "{count} damaged")
    number, size = plural(state.snapshots, "{count} snapshot", "{count} snapshots"), size_text(state.size)
    if state.newest is None:
        lines.append(text("{snapshots} ({size}), none yet, {damaged}.", snapshots=number, size=size, damaged=damaged))
    else:
        ago = discord.utils.format_dt(state.newest.created_at, "R")
        shown = text(
            "{snapshots} ({size}), newest {ago}, {damaged}.", snapshots=number, size=size, ago=ago, damaged=damaged
        )
        lines.append(shown)
    due = discord.utils.format_dt(state.next_periodic, "R")
    return [*lines, text("Next periodic one {ago}.", ago=due)]
