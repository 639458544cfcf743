"""A small card game: an ordinary game bot's cog, with an economy in one database.

It knows nothing of backups. What it shares with whoever listens are the events it dispatches after a commit (see
``game``), and that it pauses for ``backup_restore_starting`` and goes on at ``backup_restore_finished``.
"""

from __future__ import annotations

import datetime as dt
import random

from discord.ext import commands

from .address import database_at, database_url
from .cog import CardGameCog
from .game import CardGame

__all__ = ["setup"]


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


async def setup(bot: commands.Bot) -> None:
    """Open the game's database, create what is missing in it, and add the cog."""
    database = database_at(database_url(bot))
    # The system's randomness, so that nobody can work out the next pack from the last ones.
    game = CardGame(database, dispatch=bot.dispatch, random=random.SystemRandom(), clock=_now)
    await game.start()
    try:
        await bot.add_cog(CardGameCog(game))
    except BaseException:
        await game.close()
        raise
