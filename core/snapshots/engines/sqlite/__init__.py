"""The SQLite engine. See ``base`` for what its two sides promise.

The reader's rule: a live SQLite file is opened by SQLite only, and outside the bot's process (opening and closing it
there by any other means drops that process's POSIX locks on it: https://www.sqlite.org/howtocorrupt.html, 2.2).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SettingsError
from ...settings.database_url import DatabaseUrl

if TYPE_CHECKING:
    from ..base import Engine, Probe

__all__ = ["CREATES_DATABASES", "SUFFIX", "make_engine", "make_probe"]

SUFFIX = ".db.gz"
CREATES_DATABASES = False


def make_engine(url: DatabaseUrl, busy_timeout: float) -> Engine:
    """Give the working side, for the worker process."""
    from .engine import SqliteEngine

    return SqliteEngine(_path(url), busy_timeout)


def make_probe(url: DatabaseUrl) -> Probe:
    """Give the watching side, for the bot's process."""
    from .probe import SqliteProbe

    return SqliteProbe(_path(url))


def _path(url: DatabaseUrl) -> Path:
    if url.path is None:
        raise SettingsError("A SQLite database needs a path.", key="database.url", value=url.redacted, allowed="a path")
    # SQLite itself follows symbolic links before it names the -wal file; so must everything that moves the two.
    return Path(url.path).resolve()
