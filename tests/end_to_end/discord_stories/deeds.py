"""What people do in several stories: take a snapshot, ask for a restore and agree to it."""

from __future__ import annotations

import itertools

from tests.end_to_end.discord_server.people import Person, Shown, snapshot_ids
from tests.end_to_end.discord_server.state import Message
from tests.end_to_end.discord_stories.town import Town

__all__ = ["agree", "ask", "join", "take"]

_numbers = itertools.count(1000)


def join(town: Town) -> str:
    """Let one more player join, as the game would; return his name."""
    number = next(_numbers)
    town.bot.write(f"INSERT INTO users (id, name, coins, joined_at) VALUES ({number}, 'player {number}', 10, '2026')")
    return f"player {number}"


def take(person: Person) -> str:
    """Take a snapshot and return its id."""
    return snapshot_ids(person.slash("backup now").reads("Id: ").text)[0]


def ask(person: Person, snapshot: str) -> Message:
    """Ask for a restore and return the preview."""
    return person.slash("backup restore", snapshot=snapshot).reads("Restore this snapshot?", snapshot)


def agree(person: Person, preview: Message, snapshot: str) -> Shown:
    """Confirm a restore by a click, and by typing where that is asked for because something is lost."""
    clicked = person.click(preview, "Confirm")
    return person.submit(clicked, snapshot[:4]) if _asks_to_type(preview) else clicked


def _asks_to_type(preview: Message) -> bool:
    return "Confirm asks for" in preview.text
