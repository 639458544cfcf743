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
from discord.ext import commands

EXTENSIONS = ("cogs.backup_cog", "cogs.card_game")
"""In this order: the backup cog checks the database before the game opens it."""

USAGE = "Usage: python main.py [demo]\n\nWithout a word it runs the bot, with the token in DISCORD_TOKEN."


class Bot(commands.Bot):
    """A bot whose only prefix is its mention: slash commands need no privileged intent."""

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


async def run(token: str) -> None:
    """Run the bot until it closes. SIGINT and SIGTERM close it, so that it takes its last snapshot."""
    bot = make_bot()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # on Windows, where Ctrl-C raises KeyboardInterrupt
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
    async with bot:
        # Before the login: the database is checked, and a wrong setting found, whether or not Discord answers.
        for extension in EXTENSIONS:
            await bot.load_extension(extension)
        await _serve(bot, token, stop)


async def _serve(bot: commands.Bot, token: str, stop: asyncio.Event) -> None:
    """Stay logged in until the bot closes or ``stop`` is set. Raises the error that ended the connection."""
    serving, stopping = asyncio.create_task(bot.start(token)), asyncio.create_task(stop.wait())
    await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    asked = stop.is_set() or bot.is_closed()
    await bot.close()
    for task in (serving, stopping):
        task.cancel()
    results = await asyncio.gather(serving, stopping, return_exceptions=True)
    if isinstance(results[0], Exception) and not asked:
        raise results[0]


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
        asyncio.run(run(token))
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
