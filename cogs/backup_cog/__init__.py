"""Savepoint's cog: verified snapshots of a game bot's database, taken and restored while the bot runs.

Load it before the host's own cogs (``await bot.load_extension("cogs.backup_cog")``), so that they find a database that
was checked, and restored if it was damaged. Where the settings come from: see ``core_api.settings_for``.
"""

from __future__ import annotations

import asyncio

from .cog import BackupCog
from .command_groups import require_free_names
from .core_api import SnapshotService, settings_for
from .permissions import Bot

__all__ = ["BackupCog", "setup"]


async def setup(bot: Bot) -> None:
    """Add the cog; when this returns, the database has been checked. Raises SettingsError.

    There is no ``teardown``: discord.py removes the cog before it would call one, and ``cog_unload`` does the rest.
    """
    # In a thread: settings and libpq's connection services are files.
    cog = BackupCog(bot, await asyncio.to_thread(lambda: SnapshotService(settings_for(bot))))
    require_free_names(bot, cog.service.settings)
    try:
        await bot.add_cog(cog)
    except BaseException:
        await cog.cog_unload()
        raise
