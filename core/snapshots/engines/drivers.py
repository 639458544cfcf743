"""The drivers of the databases: which one, how new it must be, and whether this Python has it.

The floors stand in the requirements files too, because pip reads those; a test compares them.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
from typing import NamedTuple

from ..errors import DatabaseUnavailable

__all__ = ["DRIVERS", "Driver", "is_older", "require_driver", "version_of"]


class Driver(NamedTuple):
    """A driver: its name, the lowest version that works, and the file that lists it."""

    name: str
    lowest: tuple[int, ...]
    requirements: str


DRIVERS = {
    "sqlite": Driver("aiosqlite", (0, 20), "requirements-sqlite.txt"),
    "postgresql": Driver("asyncpg", (0, 30), "requirements-postgresql.txt"),
}
"""By engine."""
_TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def version_of(name: str) -> str | None:
    """Return the version of an installed distribution, None if this Python lacks it."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def is_older(version: str, lowest: tuple[int, ...]) -> bool:
    """Return True if a version is older than the lowest one that works. Only its first numbers count."""
    return tuple(int(digits) for digits in re.findall(r"\d+", version)[: len(lowest)]) < lowest


def require_driver(engine: str) -> None:
    """Raise DatabaseUnavailable if the engine's driver is not installed, or too old."""
    name, lowest, file = DRIVERS[engine]
    found = version_of(name)
    if found is None or is_older(found, lowest):
        wanted = f"{name} {'.'.join(map(str, lowest))} or newer"
        there = "lacks it" if found is None else f"has {found}"
        raise DatabaseUnavailable(
            f"A {_TITLES[engine]} database needs {wanted}, and this Python ({sys.executable}) {there}. Activate the "
            f"bot's environment, or: pip install -U -r {file}"
        )
