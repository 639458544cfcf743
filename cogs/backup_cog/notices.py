"""What the owner is told without having asked: failures, recoveries, staleness, damage, the start; pure."""

from __future__ import annotations

import discord

from .engine import SnapshotDamaged, SnapshotError, StartupOutcome, StartupReport, duration_text
from .limits import embed, plain
from .replies import AMBER, GREEN, RED

__all__ = ["damaged", "failed", "fresh_again", "recovered", "stale", "started"]

_STARTS = {
    StartupOutcome.RESTORED: ("The database was damaged and has been restored", AMBER),
    StartupOutcome.DAMAGED: ("The database is damaged", RED),
    StartupOutcome.REFUSED: ("The database is damaged again", RED),
    StartupOutcome.UNCHECKED: ("The database was not checked at start-up", AMBER),
}


def failed(operation: str, error: SnapshotError) -> discord.Embed:
    """Tell of the first failure of an outage."""
    text = f"{plain(error.message, 1500)}\n\nThe game goes on. It is tried again; you hear when it works."
    return embed(f"A {operation} failed", text, colour=RED)


def recovered(operation: str, seconds: float, failures: int) -> discord.Embed:
    """Tell of the end of an outage."""
    times = f"{failures} failed attempt{'s' if failures != 1 else ''}"
    text = f"It works again, after {duration_text(seconds)} and {times}."
    return embed(f"The {operation} succeeded", text, colour=GREEN)


def stale(seconds: float) -> discord.Embed:
    """Tell that no snapshot succeeded for too long, though none was reported as failed."""
    text = (
        f"No snapshot succeeded in the last {duration_text(seconds)}. If the bot should be taking snapshots, look at "
        "its log and at the status command: another process may hold the repository, or there is no database yet."
    )
    return embed("Backups are stale", text, colour=RED)


def fresh_again(seconds: float) -> discord.Embed:
    """Tell that staleness is over."""
    text = f"A snapshot succeeded, the first for {duration_text(seconds)}."
    return embed("Backups are fresh again", text, colour=GREEN)


def damaged(error: SnapshotDamaged) -> discord.Embed:
    """Tell that a stored snapshot failed its verification."""
    advice = "The next snapshot is a full one. Look at the disk, and verify older snapshots."
    text = f"{plain(error.message, 1500)}\n\n{advice}"
    return embed("A snapshot is damaged", text, colour=RED)


def started(report: StartupReport) -> discord.Embed | None:
    """Tell how the start-up check ended, where the owner should know; None for an ordinary start."""
    if report.outcome not in _STARTS:
        return None
    title, colour = _STARTS[report.outcome]
    return embed(title, plain(report.message, 2500), colour=colour)
