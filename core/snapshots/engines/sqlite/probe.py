"""The watching side of the SQLite engine: one persistent connection in the bot's process, and nothing else."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import sys
from pathlib import Path
from typing import Any

import aiosqlite

from ...errors import DatabaseUnavailable
from ..base import Position

__all__ = ["SqliteProbe"]


_OTHER_LIBRARIES = ("apsw", "pysqlite3", "pysqlcipher3", "sqlcipher3", "libsql", "libsql_experimental")
"""Packages that bring a SQLite library of their own into the process."""
_KEPT_OPEN: list[aiosqlite.Connection] = []
"""Connections that must not be closed, not even by the garbage collector, as long as the process lives."""


class SqliteProbe:
    """Detects commits by ``PRAGMA data_version`` on one read-only connection that stays open.

    The values of two connections cannot be compared (https://www.sqlite.org/pragma.html#pragma_data_version), so the
    token begins with the number of the connection. Nothing is opened before the first call of ``token``.

    POSIX locks belong to the process: whoever releases one, or closes any descriptor of the file, drops what others in
    the process hold there. SQLite takes care of that among its own connections, but a second SQLite library in the
    process (apsw and pysqlite3 bring their own) knows nothing of ours. So while such a library may have the file open,
    the connection is neither used nor closed, and every state counts as changed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: aiosqlite.Connection | None = None
        self._opened = 0
        self._identity: tuple[int, int] | None = None
        # Two that open it at once would lose one connection, and name the value of one after the other.
        self._exclusive = asyncio.Lock()

    async def token(self) -> str | None:
        """Return a token that changes with every commit by any connection, or None if it is unknown."""
        async with self._exclusive:
            return await self._token()

    async def _token(self) -> str | None:
        if await asyncio.to_thread(self._is_shared):
            return None
        try:
            identity = await asyncio.to_thread(self._identify)
            if self._connection is None or identity != self._identity:
                await self._open(identity)
            assert self._connection is not None
            async with self._connection.execute("PRAGMA data_version") as cursor:
                row = await cursor.fetchone()
        except (sqlite3.Error, OSError, ValueError):
            # Unknown counts as changed, and reading the database next will raise the reason.
            await self._close()
            return None
        return f"{self._opened}:{row[0]}" if row is not None else None

    async def position(self) -> Position | None:
        """Return None: no number in the file grows with every commit in every journal mode."""
        return None

    async def identity(self) -> str | None:
        """Return the absolute path of the file, symbolic links resolved."""
        return str(self._path)

    async def size(self) -> int:
        """Return the size of the database and its write-ahead log in bytes, 0 if it does not exist."""
        return await asyncio.to_thread(self._measure)

    async def remarks(self) -> tuple[str, ...]:
        """Return no remarks: SQLite needs no programs and no permissions."""
        return ()

    async def lacking(self) -> tuple[str, ...]:
        """Return nothing: Python has all that is needed."""
        return ()

    async def users(self) -> tuple[str, ...] | None:
        """Return the processes that have the file open; only those that this user may look into are seen."""
        # Imported here: only who is at a shell asks for it.
        from .exchanging.holders import everybody_is_visible, holders

        found = await asyncio.to_thread(holders, self._path)
        if not found and not await asyncio.to_thread(everybody_is_visible):
            return None
        return tuple(f"{each.name} ({each.pid})" for each in found)

    async def create_restore_point(self, name: str) -> None:
        """Raise DatabaseUnavailable: SQLite has no log of the past."""
        raise DatabaseUnavailable("SQLite has no restore points; switch [database] restore_points off.")

    async def join(self, group: str, *, eligible: bool) -> bool:
        """Return ``eligible``: SQLite cannot tell processes apart, so each eligible one keeps the schedule."""
        return eligible

    async def leave(self, group: str) -> bool:
        """Return True: SQLite cannot tell who is left, so each process takes a last snapshot."""
        return True

    async def close(self) -> None:
        """Close the connection; the next ``token`` opens another."""
        async with self._exclusive:
            await self._close()

    async def _close(self) -> None:
        shared = self._connection is not None and await asyncio.to_thread(self._is_shared)
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if shared:
            _KEPT_OPEN.append(connection)
            return
        try:
            await connection.close()
        except (sqlite3.Error, ValueError):
            return  # the connection was lost already

    def _is_shared(self) -> bool:
        """Return True if another SQLite library in this process may have the file open."""
        if sys.modules.keys().isdisjoint(_OTHER_LIBRARIES):
            return False
        try:
            wanted = self._identify() if self._connection is None else self._identity
        except OSError:
            return False  # there is no file that anybody could have open
        try:
            descriptors = os.listdir("/proc/self/fd")  # noqa: PTH208 - only names are wanted
        except OSError:
            return True  # nobody can tell
        # stat follows the link to the open file, and opens nothing itself.
        found = sum(_identity_of(f"/proc/self/fd/{number}") == wanted for number in descriptors)
        return found > (self._connection is not None)

    async def _open(self, identity: tuple[int, int]) -> None:
        await self._close()
        self._opened += 1
        self._identity = identity
        connection = aiosqlite.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=1.0)
        # Otherwise a bot that exits without closing this would never end: Python waits for threads that are no daemons.
        # (Before aiosqlite 0.22 the connection is the thread.)
        thread: Any = getattr(connection, "_thread", connection)
        thread.daemon = True
        self._connection = await connection

    def _identify(self) -> tuple[int, int]:
        status = self._path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{self._path} is no ordinary file")  # of a pipe SQLite would read for ever
        return status.st_dev, status.st_ino

    def _measure(self) -> int:
        total = 0
        for side in ("", "-wal"):
            try:
                total += self._path.with_name(self._path.name + side).stat().st_size
            except FileNotFoundError:
                continue
        return total


def _identity_of(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - a descriptor of this process, not a path
    except OSError:
        return None  # closed in the meantime
    return status.st_dev, status.st_ino
