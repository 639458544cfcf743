"""The settings: their schema, the sources of their values, and a validator for each of them.

Nothing here opens a repository or a database; ``database_url`` and ``conninfo`` only parse addresses.
"""

from __future__ import annotations

from .schema import JsonColumn, Settings, TriggerSettings, defaults, load, load_chosen

__all__ = ["JsonColumn", "Settings", "TriggerSettings", "defaults", "load", "load_chosen"]
