"""The commands as Discord's menus show them: their names are English, what they do is said in every language.

discord.py asks one translator for all commands of a bot, and that is the host's: to set ours would take its place. So
the texts are put into what is sent to Discord, wherever the host's translator has given none.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from discord import app_commands

from .catalog import LANGUAGES, table

__all__ = ["localized", "localized_beside"]

log = logging.getLogger(__name__)


def localized(command: dict[str, Any]) -> dict[str, Any]:
    """Return a command or option, as it is sent to Discord, with the texts of every language added in place."""
    if "description" in command:
        _add(command, "description")
    else:  # an entry of a menu, which has a name that people read
        _add(command, "name")
    for choice in command.get("choices", ()):
        _add(choice, "name")
    for option in command.get("options", ()):
        localized(option)
    return command


async def localized_beside(
    asked: Awaitable[dict[str, Any]], own: Callable[[], dict[str, Any]], what: str
) -> dict[str, Any]:
    """Return what the host's translator made of a command, with our texts where it has none.

    One that fails for texts that it does not know leaves only ours without it: then ``own`` makes it. ``what`` is meant
    for the log.
    """
    try:
        return localized(await asked)
    except app_commands.TranslationError as error:
        log.warning("The bot's translator fails for %s, so it is not asked: %s", what, error)
        return own()


def _add(document: dict[str, Any], key: str) -> None:
    found = {code: table(code)[document[key]] for code in LANGUAGES if document[key] in table(code)}
    if found:
        document[f"{key}_localizations"] = found | (document.get(f"{key}_localizations") or {})
