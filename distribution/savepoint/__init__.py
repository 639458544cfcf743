"""Savepoint as an installed package: ``await bot.load_extension("savepoint")``, and the command ``savepoint``.

The wheel holds the two folders that can be copied into a bot as well: ``savepoint.backup_cog``, the cog, and
``savepoint.snapshots``, the core. This is the one file that a wheel has and a copy has not.
"""

from __future__ import annotations

from .backup_cog import setup  # type: ignore[import-not-found]
from .snapshots.version import __version__  # type: ignore[import-not-found]

__all__ = ["__version__", "setup"]
