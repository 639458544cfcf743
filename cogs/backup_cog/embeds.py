"""The answers of the commands: models and errors in, embeds and text out. Pure; nothing is awaited here."""

from __future__ import annotations

from .answers.checks import HEALTH_TITLES
from .core_api import Created
from .formatting import AMBER, GREEN, RED, Reply, embed, plain, when
from .slash.snapshots.lines import facts

__all__ = ["AMBER", "GREEN", "HEALTH_TITLES", "RED", "created", "progress", "when"]


def created(outcome: Created) -> Reply:
    """Show the snapshot that was taken, or that the newest one has this state already."""
    snapshot = outcome.snapshot
    if outcome.unchanged:
        text = "Nothing changed since the newest snapshot, so it covers this moment too."
        return Reply(embed("Nothing to do", text, fields=facts(snapshot), colour=GREEN))
    text = "Written, read back and verified."
    return Reply(embed("Snapshot taken", text, fields=facts(snapshot), colour=GREEN))


def progress(phase: str, done: int, total: int) -> Reply:
    """Show how far long work has come."""
    share = f" {min(100, round(100 * done / total))} %" if total > 0 else ""
    return Reply(embed("Working", f"{plain(phase, 60)}{share}"))
