"""The answers around a restore: what it would do, what it did, and why it did not. Pure."""

from __future__ import annotations

from .core_api import Snapshot
from .formatting import AMBER, RED, Reply, embed
from .language import duration_text, text
from .restoring.bar import restoring, stage_shown
from .restoring.outcome import restored
from .restoring.preview import CONFIRMATION_LENGTH, first, is_one_click, pages, preview

__all__ = [
    "CONFIRMATION_LENGTH",
    "cancelled",
    "confirms",
    "first",
    "is_one_click",
    "over",
    "pages",
    "preview",
    "restored",
    "restoring",
    "stage_shown",
    "timed_out",
    "written_meanwhile",
    "wrong_id",
]


def confirms(typed: str, snapshot: Snapshot) -> bool:
    """Return True if the typed text is the beginning of the snapshot's id, and long enough.

    Blanks and the case of letters do not matter.
    """
    letters = "".join(typed.split()).lower()
    return len(letters) >= CONFIRMATION_LENGTH and snapshot.id.startswith(letters)


def cancelled() -> Reply:
    """Show that a restore was cancelled."""
    return Reply(embed(text("Cancelled"), text("Nothing was done.")))


def timed_out(seconds: float) -> Reply:
    """Show that nobody confirmed within ``seconds``."""
    said = text("Nobody confirmed within {duration}; nothing was done.", duration=duration_text(seconds))
    return Reply(embed(text("Timed out"), said))


def over() -> Reply:
    """Show that a confirmation is no longer valid."""
    said = text("This confirmation is used, cancelled or timed out. Ask again to see how things stand now.")
    return Reply(embed(text("Too late"), said, colour=AMBER))


def wrong_id(snapshot: Snapshot) -> Reply:
    """Show that the typed text is not the beginning of the id."""
    said = text(
        "That is not the beginning of `{id}` ({count} characters at least). Nothing was done.",
        id=snapshot.id,
        count=CONFIRMATION_LENGTH,
    )
    return Reply(embed(text("Not confirmed"), said, colour=RED))


def written_meanwhile(shown: Reply) -> Reply:
    """Show a preview again because something would be lost by now, which one click does not agree to."""
    again = shown.embed.copy()
    warning = text("**Something was written since this was shown, so it is shown again. Nothing was done.**")
    again.description = f"{warning}\n\n{again.description or ''}"
    return Reply(again)
