"""The settings: their schema, the sources of their values, and a validator for each of them.

Nothing here opens a repository or a database; ``database_url`` and ``conninfo`` only parse addresses. The names are
imported when they are first asked for: a worker needs the address of a database, and not the schema of all settings.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .schema import JsonColumn, Settings, TriggerSettings, defaults, load, load_chosen

__all__ = ["JsonColumn", "Settings", "TriggerSettings", "defaults", "load", "load_chosen"]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a name of the schema; raise AttributeError for every other one."""
        if name not in __all__:
            raise AttributeError(f"{__name__} has no {name!r}")
        return getattr(import_module(f"{__name__}.schema"), name)
