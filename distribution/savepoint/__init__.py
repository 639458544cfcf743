"""Savepoint as an installed package: ``await bot.load_extension("savepoint")``, and the command ``savepoint``.

The wheel holds the two folders that can be copied into a bot as well: ``savepoint.backup_cog``, the cog, and
``savepoint.snapshots``, the core. This is the one file that a wheel has and a copy has not. The cog is imported when it
is loaded: the command starts sooner without it.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from .snapshots.version import __version__  # type: ignore[import-not-found]

__all__ = ["__version__", "setup"]


def setup(bot: Any) -> Coroutine[Any, Any, None]:
    """Add the cog to a bot; see ``savepoint.backup_cog.setup``, which is no coroutine function either."""
    from .backup_cog import setup as add  # type: ignore[import-not-found]

    added: Coroutine[Any, Any, None] = add(bot)
    return added
