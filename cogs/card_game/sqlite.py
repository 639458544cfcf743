"""The game's data in a SQLite file: one connection, so one transaction at a time."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import aiosqlite

from .database import Database, Mode, Row, Transaction
from .errors import GameBusy, GameUnavailable

__all__ = ["SqliteDatabase"]


class SqliteTransaction(Transaction):
    """A transaction on the one connection; ``beginning`` is the statement that begins it."""

    def __init__(self, connection: aiosqlite.Connection, beginning: str) -> None:
        super().__init__()
        self._connection = connection
        self._beginning = beginning

    async def begin(self) -> None:
        """Begin. If it is cancelled, the statement may still run; ``roll_back`` then undoes it."""
        await self._connection.execute_fetchall(self._beginning)

    async def fetch_all(self, sql: str, *values: object) -> list[Row]:
        """Return every row of a query or of a RETURNING clause."""
        return cast("list[Row]", await self._connection.execute_fetchall(sql, values))

    async def execute_many(self, sql: str, values: Iterable[Sequence[object]]) -> None:
        """Run one statement for each sequence of values."""
        await self._connection.executemany(sql, values)

    async def roll_back(self) -> None:
        """Roll back; do nothing after a commit."""
        await self._connection.rollback()

    async def _commit(self) -> None:
        await self._connection.commit()


class SqliteDatabase(Database):
    """A SQLite file in WAL mode, which other processes may use too.

    A relative path is resolved against the current working directory at once.
    """

    identity = "INTEGER PRIMARY KEY AUTOINCREMENT"
    concurrency = 1

    def __init__(
        self, path: Path, *, busy_timeout: float = 5.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(busy_timeout=busy_timeout, monotonic=monotonic)
        self.path = path.absolute()
        self._connection: aiosqlite.Connection | None = None

    async def _connect(self, *, first: bool) -> None:
        if self._connection is not None:
            return
        if first:
            await asyncio.to_thread(self.path.parent.mkdir, parents=True, exist_ok=True)
        # Only the first time it may be created: later a missing file is a loss, which an empty one would hide.
        uri = f"{self.path.as_uri()}?mode={'rwc' if first else 'rw'}"
        connection = await aiosqlite.connect(uri, uri=True, isolation_level=None, timeout=self._busy_timeout)
        try:
            connection.row_factory = sqlite3.Row
            # Fetched, not only executed: a PRAGMA with an unread row stays open and makes the next commit fail.
            await connection.execute_fetchall(f"PRAGMA busy_timeout = {round(self._busy_timeout * 1000)}")
            await connection.execute_fetchall("PRAGMA journal_mode = WAL")
            await connection.execute_fetchall("PRAGMA foreign_keys = ON")
        except BaseException:
            await connection.close()
            raise
        self._connection = connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _transaction(self, mode: Mode) -> Transaction:
        assert self._connection is not None
        return SqliteTransaction(self._connection, "BEGIN" if mode is Mode.READING else "BEGIN IMMEDIATE")

    @staticmethod
    @contextmanager
    def _translated_errors() -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise GameBusy("The game is very busy at the moment. Please try again.") from error
            if code == sqlite3.SQLITE_CANTOPEN:
                raise GameUnavailable(
                    "The game cannot reach its data at the moment. Please try again later."
                ) from error
            raise
