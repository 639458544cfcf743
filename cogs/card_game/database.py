"""The game's one connection to its SQLite database.

SQL is written once for every engine: ``?`` for a value, ``RETURNING`` for what was changed, ``ON CONFLICT DO NOTHING``,
ISO text for times, no function that only one engine knows. Another engine is another class with these methods.

One connection means one transaction at a time; a lock makes the others wait their turn. That also makes a read see
only what was committed.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, cast

import aiosqlite

from .errors import GameBusy, GamePaused, GameUnavailable

__all__ = ["Database", "Row", "Transaction"]

Row: TypeAlias = Mapping[str, Any]
"""A row by column name."""


class Transaction:
    """The statements of one transaction; it is only valid inside ``async with``."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        """Speak through the connection, on which a transaction has begun."""
        self._connection = connection
        self._after_commit: list[Callable[[], object]] = []

    async def fetch_all(self, sql: str, *values: object) -> list[Row]:
        """Give every row of a query or of a RETURNING clause."""
        return cast("list[Row]", await self._connection.execute_fetchall(sql, values))

    async def fetch_one(self, sql: str, *values: object) -> Row | None:
        """Give the first row, or None where there is none."""
        rows = await self.fetch_all(sql, *values)
        return rows[0] if rows else None

    async def insert(self, sql: str, *values: object) -> int:
        """Run an INSERT that ends in RETURNING id, and give that id."""
        row = await self.fetch_one(sql, *values)
        if row is None:
            raise LookupError("the statement inserted nothing")
        return int(row["id"])

    async def execute(self, sql: str, *values: object) -> None:
        """Run a statement whose rows nobody asks for."""
        await self.fetch_all(sql, *values)

    async def execute_many(self, sql: str, values: Iterable[Sequence[object]]) -> None:
        """Run one statement for each sequence of values."""
        await self._connection.executemany(sql, values)

    def after_commit(self, callback: Callable[..., object], *values: object, **named: object) -> None:
        """Call this once the transaction is committed, and never if it is not."""
        self._after_commit.append(partial(callback, *values, **named))


class Database:
    """A SQLite file behind one connection, which can be let go of and taken up again."""

    identity = "INTEGER PRIMARY KEY AUTOINCREMENT"
    """How this engine spells a primary key that numbers its rows and never uses a number twice."""

    def __init__(
        self, path: Path, *, busy_timeout: float = 5.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Name the file; ``busy_timeout`` is how many seconds to wait for another process's lock."""
        self.path = path.absolute()
        self._busy_timeout = busy_timeout
        self._monotonic = monotonic
        self._connection: aiosqlite.Connection | None = None
        self._lock = asyncio.Lock()
        self._paused_until: float | None = None
        self._opened = False

    async def open(self) -> None:
        """Open the file, creating it and its folder where they are missing."""
        await asyncio.to_thread(self.path.parent.mkdir, parents=True, exist_ok=True)
        async with self._lock:
            with _plain_errors():
                self._connection = await self._connect("rwc")
            self._opened = True

    async def close(self) -> None:
        """Close for good, after a transaction that is running; every later action is refused."""
        self._opened = False
        async with self._lock:
            await self._disconnect()

    async def reconnect(self) -> None:
        """Close and open again, so that nothing of the file as it was is remembered."""
        async with self._lock:
            await self._disconnect()
            with _plain_errors():
                await self._connected()

    async def pause(self, limit: float) -> None:
        """Refuse new transactions, and close the connection once the running one has ended.

        It ends with ``resume``, or by itself after ``limit`` seconds: whoever asked for it may have died.
        """
        self._paused_until = self._monotonic() + limit
        async with self._lock:
            await self._disconnect()

    async def resume(self) -> None:
        """End a pause and open again. Where that fails the next transaction tries once more."""
        self._paused_until = None
        await self.reconnect()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Run what is inside as one transaction: committed at the end, rolled back by any exception.

        Raises GamePaused during a pause, GameBusy where another process holds the lock, GameUnavailable where the file
        cannot be opened.
        """
        async with self._begun("BEGIN IMMEDIATE") as transaction:
            yield transaction

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """Run queries that all see the same committed state. Raises as ``transaction`` does."""
        async with self._begun("BEGIN") as transaction:
            yield transaction

    @asynccontextmanager
    async def _begun(self, begin: str) -> AsyncIterator[Transaction]:
        self._refuse_while_paused()
        async with self._lock:
            # Again: it may have been paused while this one waited for its turn.
            self._refuse_while_paused()
            with _plain_errors():
                connection = await self._connected()
                transaction = Transaction(connection)
                try:
                    await connection.execute_fetchall(begin)
                    yield transaction
                    await _to_the_end(self._commit(connection, transaction))
                except BaseException:
                    # After a commit this does nothing.
                    await _to_the_end(connection.rollback())
                    raise

    @staticmethod
    async def _commit(connection: aiosqlite.Connection, transaction: Transaction) -> None:
        await connection.commit()
        for callback in transaction._after_commit:
            callback()

    def _refuse_while_paused(self) -> None:
        if self._paused_until is not None and self._monotonic() >= self._paused_until:
            self._paused_until = None
        if self._paused_until is not None:
            raise GamePaused("The game is paused for a restore of its data. Please try again in a minute or two.")

    async def _connected(self) -> aiosqlite.Connection:
        if not self._opened:
            raise GameUnavailable("The game is closed. Please try again later.")
        if self._connection is None:
            # Never create: a file that is missing now was there before, and an empty one would hide its loss.
            self._connection = await self._connect("rw")
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connect(self, mode: str) -> aiosqlite.Connection:
        connection = await aiosqlite.connect(
            f"{self.path.as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=self._busy_timeout
        )
        try:
            connection.row_factory = sqlite3.Row
            # Fetched, not only executed: a PRAGMA whose row nobody takes stays open and makes the next commit fail.
            await connection.execute_fetchall(f"PRAGMA busy_timeout = {round(self._busy_timeout * 1000)}")
            await connection.execute_fetchall("PRAGMA journal_mode = WAL")
            await connection.execute_fetchall("PRAGMA foreign_keys = ON")
        except BaseException:
            await connection.close()
            raise
        return connection


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await work that a cancellation must not leave half done, and hand the cancellation on afterwards."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise GameBusy("The game is very busy at the moment. Please try again.") from error
        if code == sqlite3.SQLITE_CANTOPEN:
            raise GameUnavailable("The game cannot reach its data at the moment. Please try again later.") from error
        raise
