"""Buttons whose meaning is in their custom id, so that they work after a restart, and the dead ones of old messages.

A button of ours is named ``savepoint:<word>:<argument>``. Discord says only "This interaction failed" where nobody
answers a click, and that is what an old preview would do after a restart or a time-out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import discord

from .language import phrase, speak
from .permissions import Interaction, NotAllowed

__all__ = [
    "CLAIM",
    "DOWNLOAD",
    "HISTORY",
    "INSIDE",
    "LIST",
    "LOOK",
    "MEMBER",
    "OPEN",
    "PIN",
    "PIN_WHY",
    "REASONS",
    "REFRESH",
    "RUN",
    "SNOOZE",
    "TABLE",
    "UNDO",
    "UNDO_RESTORE",
    "UNPIN",
    "UNPIN_WHY",
    "VERIFY",
    "button",
    "chosen",
    "chosen_user",
    "custom_id",
    "is_live",
    "mark_live",
    "read_custom_id",
    "typed_text",
]

LOOK, CLAIM, UNDO, RUN = "look", "claim", "undo_rescue", "run"
REFRESH, HISTORY, MEMBER, SNOOZE = "refresh", "history", "member", "snooze"
VERIFY, PIN, UNPIN = "verify", "pin", "unpin"
LIST, OPEN = "list", "open"
UNDO_RESTORE = "undo_restore"
INSIDE, TABLE, DOWNLOAD, REASONS = "inside", "table", "download", "reasons"
PIN_WHY, UNPIN_WHY = "pin_why", "unpin_why"
"""The words of buttons that are answered whenever they are clicked."""
_PREFIX = "savepoint"
_ID_LIMIT, _LABEL_LIMIT = 100, 80
_LIVE = "savepoint_live"


def custom_id(word: str, argument: str = "") -> str:
    """Return the custom id of a component of ours; what is too long for one is cut, since anybody can forge it."""
    return f"{_PREFIX}:{word}:{argument}"[:_ID_LIMIT]


def read_custom_id(interaction: Interaction) -> tuple[str, str] | None:
    """Return the word and the argument of the component or modal that was used; None if it is not one of ours."""
    data: Mapping[str, Any] = interaction.data or {}
    prefix, *rest = str(data.get("custom_id", "")).split(":", 2)
    return (rest[0], rest[1]) if prefix == _PREFIX and len(rest) == 2 else None


def typed_text(interaction: Interaction) -> str:
    """Return what was typed into the only field of a modal."""
    data: Mapping[str, Any] = interaction.data or {}
    waiting = list(data.get("components", ()))
    for each in waiting:
        if "value" in each:
            return str(each["value"])
        waiting += [*each.get("components", ()), *([each["component"]] if "component" in each else ())]
    return ""


def chosen_user(interaction: Interaction) -> discord.User:
    """Return the person who was chosen in a select of people. Raises NotAllowed for a forged choice of nobody."""
    data: Mapping[str, Any] = interaction.data or {}
    users = data.get("resolved", {}).get("users", {})
    chosen = next((users[each] for each in data.get("values", ()) if each in users), None)
    if chosen is None:
        raise NotAllowed(phrase("Nobody was chosen."))
    return discord.User(state=interaction._state, data=chosen)


def chosen(interaction: Interaction) -> str:
    """Return what was chosen in a select, "" for a forged choice of nothing."""
    data: Mapping[str, Any] = interaction.data or {}
    return str(next(iter(data.get("values", ())), ""))


def button(control: str, label: str) -> discord.ui.View:
    """Return a view of one button. It is over already: a click goes to the cog's listener and not to the view."""
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label=label[:_LABEL_LIMIT], custom_id=control))
    view.stop()
    return view


def mark_live(interaction: Interaction) -> None:
    """Record that a view or a modal that is still there answers an interaction, in the language of that person."""
    speak(interaction.locale)
    interaction.extras[_LIVE] = True


def is_live(interaction: Interaction) -> bool:
    """Return True if a view or a modal answers the interaction."""
    return bool(interaction.extras.get(_LIVE))
