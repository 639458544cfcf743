"""The SQLite engine. See ``base`` for what its two sides do.

In the bot's process only SQLite itself opens a live database file: opening and closing it by any other means drops the
POSIX locks that the process holds on it (https://www.sqlite.org/howtocorrupt.html, 2.2). Only the worker process, which
holds no other locks, may read the file.
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


def make_engine(url: DatabaseUrl, busy_timeout: float, *, exclude_unreadable: bool = True) -> Engine:
    """Return the working side, for the worker process."""
    from .engine import SqliteEngine

    return SqliteEngine(_path(url), busy_timeout)


def make_probe(url: DatabaseUrl) -> Probe:
    """Return the watching side, for the bot's process."""
    from .probe import SqliteProbe

    return SqliteProbe(_path(url))


def _path(url: DatabaseUrl) -> Path:
    if url.path is None:
        raise SettingsError("A SQLite database needs a path.", key="database.url", value=url.redacted, allowed="a path")
    path = Path(url.path)
    try:
        # SQLite follows symbolic links before it names the -wal file, so code that moves both must do the same.
        return path.resolve()
    except (RuntimeError, OSError):
        return path.absolute()  # links in a circle: whoever opens it says so
