"""The reference bot: a card game, with Savepoint as a drop-in.

``python main.py`` runs it with the token in DISCORD_TOKEN; ``python main.py demo`` is a demonstration without a token.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from typing import Any

import aiohttp
import discord
import msgspec
from discord.ext import commands

from core.snapshots import Settings, SettingsError, load_chosen

CRITICAL_TABLES = ("users", "cards", "creator_packs", "user_cards")
"""The tables that this game cannot be without; another game names its own, in the settings."""

EXTENSIONS = ("cogs.backup_cog", "cogs.card_game")
"""In this order: the backup cog checks the database before the game opens it."""

USAGE = "Usage: python main.py [demo]\n\nWithout a word it runs the bot, with the token in DISCORD_TOKEN."


class Bot(commands.Bot):
    """A bot whose only prefix is its mention: slash commands need no privileged intent.

    The backup cog takes its settings from ``backup_settings``, if the bot has them.
    """

    backup_settings: Settings

    async def on_command_error(self, context: commands.Context[Any], exception: commands.CommandError) -> None:
        """Log errors of commands, but not a mention of the bot in a sentence, which is no command."""
        if not isinstance(exception, commands.CommandNotFound):
            await super().on_command_error(context, exception)


def make_bot() -> Bot:
    """Return the bot, not yet logged in."""
    return Bot(
        command_prefix=commands.when_mentioned,
        intents=discord.Intents.default(),
        allowed_mentions=discord.AllowedMentions.none(),
    )


def settings_of_the_game() -> Settings:
    """Return the settings of the owner, with this game's critical tables if he names none. Raises SettingsError."""
    settings = load_chosen()
    if settings.database.critical_tables:
        return settings
    database = msgspec.structs.replace(settings.database, critical_tables=CRITICAL_TABLES)
    return msgspec.structs.replace(settings, database=database)


async def run(token: str, settings: Settings) -> None:
    """Run the bot until it closes. SIGINT and SIGTERM close it, so that it takes its last snapshot."""
    bot = make_bot()
    bot.backup_settings = settings
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # on Windows, where Ctrl-C raises KeyboardInterrupt
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
    async with bot:
        running = asyncio.create_task(_run(bot, token))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        asked = stop.is_set() or bot.is_closed()
        # Also while the extensions are loaded: the backup cog ends its check then.
        await bot.close()
        for task in (running, stopping):
            task.cancel()
        results = await asyncio.gather(running, stopping, return_exceptions=True)
        if isinstance(results[0], Exception) and not asked:
            raise results[0]


async def _run(bot: commands.Bot, token: str) -> None:
    """Load the extensions and stay logged in. Raises the error that ends either."""
    # Before the login: the database is checked, and a wrong setting found, whether or not Discord answers.
    for extension in EXTENSIONS:
        await bot.load_extension(extension)
    await bot.start(token)


def main(arguments: list[str]) -> int:
    """Run what the command line asks for. Return the exit status: 0 done, 1 failed, 2 wrong usage."""
    if arguments == ["demo"]:
        from demonstration import play

        return play.main(make_bot, EXTENSIONS)
    if arguments:
        sys.stderr.write(USAGE + "\n")
        return 0 if arguments[0] in ("-h", "--help") else 2
    token = os.environ.get("DISCORD_TOKEN", "").strip()
    if not token:
        sys.stderr.write("Set DISCORD_TOKEN to your bot's token, or see it all without one: python main.py demo\n")
        return 2
    discord.utils.setup_logging(level=logging.INFO, root=True)
    try:
        asyncio.run(run(token, settings_of_the_game()))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except discord.LoginFailure:
        sys.stderr.write("Discord does not accept the token in DISCORD_TOKEN; reset it in the developer portal.\n")
        return 1
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        sys.stderr.write(f"Discord cannot be reached: {error}\n")
        return 1
    except commands.ExtensionError as error:
        cause = error.__cause__ or error
        sys.stderr.write(f"{cause}\n")
        return int(getattr(cause, "exit_code", 1))  # a wrong setting is wrong usage
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
