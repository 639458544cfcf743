"""The reference bot on as many shards as Discord advises."""

from __future__ import annotations

import sys
from typing import Any

import discord
from discord.ext import commands

import main


class ShardedBot(commands.AutoShardedBot):
    """A bot that does not wait five seconds between two shards, as this Discord allows many at once."""

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Wait for nothing."""


def make_bot() -> Any:
    """Return the bot, not yet logged in."""
    return ShardedBot(command_prefix=commands.when_mentioned, intents=discord.Intents.default())


if __name__ == "__main__":
    main.make_bot = make_bot
    sys.exit(main.main([]))
