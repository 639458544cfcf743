"""The end of a write-ahead log when the bot goes down, so that a copy of the database's file alone is whole.

A checkpoint is safe only while nobody else has the database open: SQLite 3.7.0 to 3.51.2 can lose a WAL reset in a race
of two connections (https://www.sqlite.org/wal.html). In exclusive locking mode SQLite takes the exclusive lock of the
file at the first access, and every other connection in WAL mode holds a shared one for as long as it lives; so either
nobody else is there, or this fails at once and changes nothing.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from ...progress import Watch
from .connections import attach_watch, translating_errors

__all__ = ["write_back_log"]


def write_back_log(path: Path, watch: Watch) -> bool:
    """Write the write-ahead log into the file and remove it, if this is the only connection; return True if it was.

    Returns False if there is no log. Raises DatabaseBusy if somebody else has the database open, and what else SQLite
    reports; the database is as it was then. It is safe to kill the process at any moment.
    """
    log = path.with_name(f"{path.name}-wal")
    if not path.is_file() or path.stat().st_size == 0 or not log.is_file():
        return False
    with translating_errors(path, watch):
        connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=0.0, isolation_level=None)
        with contextlib.closing(connection):
            attach_watch(connection, watch)
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                return False
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                return False
            # In this mode SQLite does not use -shm. Nobody can open it while the lock is held, so it may go too.
            path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    return True
