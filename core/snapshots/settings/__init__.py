"""The settings: their schema, where their values come from, and what each value must be.

Nothing here knows a repository or a database; ``database_url`` and ``conninfo`` only take addresses apart.
"""

from __future__ import annotations

from .schema import JsonColumn, Settings, TriggerSettings, defaults, load, load_chosen

__all__ = ["JsonColumn", "Settings", "TriggerSettings", "defaults", "load", "load_chosen"]
