"""Savepoint's cog: proven snapshots of a game bot's database, taken and restored without stopping the bot.

Load it before the host's own cogs (``await bot.load_extension("cogs.backup_cog")``), so that they find a database that
was checked, and healed if need be. Settings: ``bot.backup_settings``, the file that BACKUP_CONFIG names,
``config/backup.toml``, the environment (see ``configuration``).
"""

from __future__ import annotations

import asyncio

from .cog import BackupCog
from .core_api import SnapshotService, settings_for
from .permissions import Bot

__all__ = ["BackupCog", "setup"]


async def setup(bot: Bot) -> None:
    """Add the cog; when this returns, the database has been checked. Raises SettingsError for a wrong setting.

    There is no ``teardown``: discord.py removes the cog before it would call one, and ``cog_unload`` does the rest.
    """
    # Settings and libpq's connection services are files.
    cog = BackupCog(bot, await asyncio.to_thread(lambda: SnapshotService(settings_for(bot))))
    cog.require_free_names()
    try:
        await bot.add_cog(cog)
    except BaseException:
        await cog.cog_unload()
        raise
