"""A host's own extension."""

from __future__ import annotations

from discord.ext import commands


class OwnGame(commands.Cog):
    """A game."""


async def setup(bot: commands.Bot) -> None:
    """Add it."""
    await bot.add_cog(OwnGame())
