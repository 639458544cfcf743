"""The reference bot on as many shards as Discord advises."""

from __future__ import annotations

import sys
from typing import Any

import discord
from discord.ext import commands

import main


def make_bot() -> Any:
    """Return the bot, not yet logged in."""
    return commands.AutoShardedBot(command_prefix=commands.when_mentioned, intents=discord.Intents.default())


if __name__ == "__main__":
    main.make_bot = make_bot
    sys.exit(main.main([]))
