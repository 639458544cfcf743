"""The SQLite database as the bot's process sees it: one persistent connection, and nothing else."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import aiosqlite

from ...errors import DatabaseUnavailable
from ..base import Position

__all__ = ["SqliteProbe"]


class SqliteProbe:
    """Tells whether anybody committed, by ``PRAGMA data_version`` on one connection that stays open.

    The number means nothing between two connections (https://www.sqlite.org/pragma.html#pragma_data_version), so the
    token begins with the number of the connection. It is read-only: it never checkpoints and never writes.
    """

    def __init__(self, path: Path) -> None:
        """Take the database's path; nothing is opened before ``token``."""
        self._path = path
        self._connection: aiosqlite.Connection | None = None
        self._opened = 0
        self._identity: tuple[int, int] | None = None

    async def token(self) -> str | None:
        """Give a text that differs after every commit by anybody, or None when that cannot be told now."""
        try:
            identity = await asyncio.to_thread(self._identify)
            if self._connection is None or identity != self._identity:
                await self._open(identity)
            assert self._connection is not None
            async with self._connection.execute("PRAGMA data_version") as cursor:
                row = await cursor.fetchone()
        except (sqlite3.Error, OSError, ValueError):
            # Unknown is a complete answer: it is read as "changed", and whoever reads the database next says why.
            await self.close()
            return None
        return f"{self._opened}:{row[0]}" if row is not None else None

    async def position(self) -> Position | None:
        """Give None: no number in the file grows with every commit in every journal mode."""
        return None

    async def size(self) -> int:
        """Give the bytes of the database with its write-ahead log, 0 if it is not there."""
        return await asyncio.to_thread(self._measure)

    async def remarks(self) -> tuple[str, ...]:
        """Give nothing: there is nothing to install and nothing to allow."""
        return ()

    async def create_restore_point(self, name: str) -> None:
        """Raise DatabaseUnavailable: SQLite keeps no log of the past."""
        raise DatabaseUnavailable("SQLite has no restore points; switch [database] restore_points off.")

    async def join(self, group: str, *, eligible: bool) -> bool:
        """A SQLite database knows nothing of who uses it: each process keeps the schedule."""
        return eligible

    async def leave(self, group: str) -> bool:
        """Nor who is left: each process takes the last snapshot."""
        return True

    async def close(self) -> None:
        """Close the connection; the next ``token`` opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close()
            except (sqlite3.Error, ValueError):
                return  # it was lost already, which is what closing is for

    async def _open(self, identity: tuple[int, int]) -> None:
        await self.close()
        self._opened += 1
        self._identity = identity
        connection = aiosqlite.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=1.0)
        # Otherwise a bot that goes down without closing this would never end: Python waits for such threads for ever.
        connection._thread.daemon = True
        self._connection = await connection

    def _identify(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_dev, status.st_ino

    def _measure(self) -> int:
        total = 0
        for side in ("", "-wal"):
            try:
                total += self._path.with_name(self._path.name + side).stat().st_size
            except FileNotFoundError:
                continue
        return total
