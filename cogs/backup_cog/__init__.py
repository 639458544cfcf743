"""Savepoint's cog: verified snapshots of a game bot's database, taken and restored while the bot runs.

Load it before the host's own cogs (``await bot.load_extension("cogs.backup_cog")``), so that they find a database that
was checked, and restored if it was damaged. Where the settings come from: see ``core_api.settings_for``.

Importing the package imports nothing that a host could lack: ``first_check`` has to speak first.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from .first_check import require_suitable

if TYPE_CHECKING:
    from .cog import BackupCog
    from .core_api import __version__
    from .permissions import Bot

__all__ = ["BackupCog", "__version__", "setup"]

log = logging.getLogger(__name__)

_LAZY = {"BackupCog": "cog", "__version__": "core_api"}


def __getattr__(name: str) -> Any:
    """Import what is public when it is asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)


def setup(bot: Bot) -> Coroutine[Any, Any, None]:
    """Add the cog; when this has been awaited, the database has been checked.

    It is no coroutine function, so that a library that never awaits it hears of the first check too. Raises
    UnsuitableHost; awaiting it raises SettingsError and what else the service raises.
    There is no ``teardown``: discord.py removes the cog before it would call one, and ``cog_unload`` does the rest.
    """
    require_suitable(bot)
    return _add(bot)


async def _add(bot: Bot) -> None:
    from .cog import BackupCog
    from .core_api import SnapshotError, SnapshotService, settings_for
    from .language import load_tables
    from .logs import follow_library
    from .slash.groups import require_free_names

    follow_library((__name__, SnapshotService.__module__.rpartition(".")[0]))
    await asyncio.to_thread(load_tables)
    try:
        # In a thread: settings and libpq's connection services are files.
        cog = BackupCog(bot, await asyncio.to_thread(lambda: SnapshotService(settings_for(bot))))
        require_free_names(bot, cog.service.settings)
    except SnapshotError as error:
        # Many hosts print no more than the name of an extension that failed.
        log.error("Savepoint cannot be loaded: %s", error)
        raise
    try:
        await bot.add_cog(cog)
    except BaseException:
        await cog.cog_unload()
        raise
