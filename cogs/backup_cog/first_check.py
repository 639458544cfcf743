"""The first check: can this Python, this library and this bot load the cog at all?

It runs before anything else of the package is imported, because a wrong library or an old Python would fail in the
middle of an import, with a traceback that says nothing to the owner. So it uses the standard library only, and nothing
that Python 3.8 cannot read.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from typing import Any

__all__ = ["LOWEST_DISCORD", "LOWEST_PYTHON", "NEEDED", "UnsuitableHost", "require_suitable"]

log = logging.getLogger(__name__)

LOWEST_PYTHON = (3, 11)
LOWEST_DISCORD = (2, 6)
"""The first discord.py with ``discord.ui.Label``; the cog's tests pass with it."""
NEEDED = ("msgspec", "blake3", "filelock")
"""The modules that the core cannot do without; see requirements.txt."""

_FORKS = {"disnake": "disnake", "nextcord": "nextcord", "interactions": "interactions.py", "hikari": "hikari"}
_TITLES = {"pycord": "py-cord", "py-cord": "py-cord"}
_SHELL = (
    "the shell works without the library: run python -m core.snapshots now from cron or a systemd timer, "
    "or move the bot to discord.py"
)


class UnsuitableHost(RuntimeError):
    """The cog cannot work in this bot; the message is one sentence with the way out."""


def require_suitable(bot: Any) -> None:
    """Raise UnsuitableHost, and log it as an error, if the cog cannot work in this bot."""
    problem = _problem(bot)
    if problem is not None:
        message = f"Savepoint cannot be loaded: {problem}."
        log.error(message)
        raise UnsuitableHost(message)


def _problem(bot: Any) -> str | None:
    if sys.version_info[:2] < LOWEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:2]))
        return (
            f"it needs Python {_dotted(LOWEST_PYTHON)} or newer, and this is {found}; run the bot with a newer Python"
        )
    return _library_problem(bot) or _bot_problem(bot) or _packages_problem()


def _library_problem(bot: Any) -> str | None:
    roots = {kind.__module__.partition(".")[0] for kind in type(bot).__mro__}
    for root, name in _FORKS.items():
        if root in roots:
            return f"it works with discord.py, and this bot uses {name}; {_SHELL}"
    try:
        import discord
    except ImportError as error:
        return (
            f"discord.py cannot be imported ({error}); install it: pip install 'discord.py>={_dotted(LOWEST_DISCORD)}'"
        )
    title = str(getattr(discord, "__title__", ""))
    if title in _TITLES:
        return f"it works with discord.py, and this bot uses {_TITLES[title]}; {_SHELL}"
    version = tuple(getattr(discord, "version_info", ()))[:2]
    if version < LOWEST_DISCORD:
        found = getattr(discord, "__version__", "older")
        lowest = _dotted(LOWEST_DISCORD)
        update = f"pip install -U 'discord.py>={lowest}'"
        return f"it needs discord.py {lowest} or newer, and this is {found}; update it: {update}"
    return None


def _bot_problem(bot: Any) -> str | None:
    if hasattr(bot, "add_cog") and hasattr(bot, "tree"):
        return None
    kind = type(bot)
    return (
        f"it is an extension for discord.ext.commands.Bot, and this bot is a {kind.__module__}.{kind.__qualname__}, "
        "which has no extensions; make it a commands.Bot or commands.AutoShardedBot, which do all that a Client does"
    )


def _packages_problem() -> str | None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    return (
        f"this Python ({sys.executable}) lacks {', '.join(missing)}; activate the bot's environment and install what "
        f"requirements.txt of Savepoint lists: pip install {' '.join(missing)}"
    )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
