"""A small card game: an ordinary game bot's cog, with an economy in one database.

It knows nothing of backups. All that it shares with other cogs are events: it dispatches its own after each commit (see
``game``), pauses at ``backup_restore_starting`` and resumes at ``backup_restore_finished``.
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
    # The system's randomness: nobody can predict the next pack from the last ones.
    game = CardGame(database, dispatch=bot.dispatch, random=random.SystemRandom(), clock=_now)
    await game.start()
    try:
        await bot.add_cog(CardGameCog(game))
    except BaseException:
        await game.close()
        raise
