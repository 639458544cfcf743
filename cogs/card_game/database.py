"""The interface to the game's database, the same for every engine; ``sqlite`` and ``postgres`` are the engines.

The SQL is written once: ``?`` for a value (and for nothing else), ``RETURNING`` for what was changed, ``ON CONFLICT DO
NOTHING``, ISO text for times, and no function that only one engine has.

The rules of the game rely on what every engine guarantees, and on nothing else. A transaction is visible as a whole or
not at all. A statement waits for another transaction that changes the same row, and then sees what that one committed.
A reading transaction sees one committed state. Transactions may run side by side, so a rule changes a row only under a
condition in the same statement (``UPDATE … WHERE coins + ? >= 0 RETURNING``) and never trusts what it read before.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from enum import Enum, auto
from functools import partial
from typing import Any, ClassVar, TypeAlias

from .errors import GamePaused, GameUnavailable

__all__ = ["Database", "Mode", "Row", "Transaction"]

Row: TypeAlias = Mapping[str, Any]
"""A row by column name."""


class Mode(Enum):
    """What a transaction is for."""

    CHANGING = auto()
    READING = auto()
    """Its queries all see the same committed state."""
    CREATING = auto()
    """It creates tables: only one of them runs at a time, in all processes."""


class Transaction(ABC):
    """The statements of one transaction; it is valid only inside ``async with``."""

    def __init__(self) -> None:
        self._after_commit: list[Callable[[], object]] = []

    @abstractmethod
    async def begin(self) -> None:
        """Begin. If that fails or is cancelled, ``roll_back`` follows."""

    @abstractmethod
    async def fetch_all(self, sql: str, *values: object) -> list[Row]:
        """Return every row of a query or of a RETURNING clause."""

    @abstractmethod
    async def execute_many(self, sql: str, values: Iterable[Sequence[object]]) -> None:
        """Run one statement for each sequence of values."""

    async def fetch_one(self, sql: str, *values: object) -> Row | None:
        """Return the first row, or None if there is none."""
        rows = await self.fetch_all(sql, *values)
        return rows[0] if rows else None

    async def insert(self, sql: str, *values: object) -> int:
        """Run an INSERT that ends in RETURNING id, and return that id."""
        row = await self.fetch_one(sql, *values)
        if row is None:
            raise LookupError("the statement inserted nothing")
        return int(row["id"])

    async def execute(self, sql: str, *values: object) -> None:
        """Run a statement and ignore its rows."""
        await self.fetch_all(sql, *values)

    def after_commit(self, callback: Callable[..., object], *values: object, **named: object) -> None:
        """Call ``callback`` after the commit; it is not called if the transaction is not committed."""
        self._after_commit.append(partial(callback, *values, **named))

    async def commit(self) -> None:
        """Commit, and run the callbacks of ``after_commit``."""
        await self._commit()
        for callback in self._after_commit:
            callback()

    @abstractmethod
    async def roll_back(self) -> None:
        """Roll back whatever has begun; do nothing after a commit."""

    @abstractmethod
    async def _commit(self) -> None:
        """Commit, or raise."""


class Database(ABC):
    """A database whose connections can be closed for a while (``pause``) and opened again (``resume``).

    ``busy_timeout`` is how many seconds a transaction waits for a lock of another one.
    """

    identity: ClassVar[str]
    """This engine's SQL for a primary key that numbers its rows and never uses a number twice."""

    concurrency: ClassVar[int]
    """How many transactions of this process can run side by side."""

    def __init__(self, *, busy_timeout: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._busy_timeout = busy_timeout
        self._monotonic = monotonic
        self._slots = asyncio.Semaphore(self.concurrency)
        self._exclusive_lock = asyncio.Lock()
        self._paused_until: float | None = None
        self._opened = False

    async def open(self) -> None:
        """Connect for the first time. Raises GameUnavailable if the database cannot be reached."""
        async with self._exclusive():
            with self._translated_errors():
                await self._connect(first=True)
            self._opened = True

    async def close(self) -> None:
        """Close for good after the running transactions; later ones raise GameUnavailable."""
        self._opened = False
        async with self._exclusive():
            await self._disconnect()

    async def pause(self, limit: float) -> None:
        """Refuse new transactions, and close every connection after the running ones.

        The pause ends with ``resume``, or by itself after ``limit`` seconds: whoever asked for it may have died.
        """
        self._paused_until = self._monotonic() + limit
        async with self._exclusive():
            await self._disconnect()

    async def resume(self) -> None:
        """End a pause and connect again. New connections remember nothing of the database as it was.

        If that fails, it raises, and the next transaction tries again.
        """
        self._paused_until = None
        async with self._exclusive():
            await self._disconnect()
            with self._translated_errors():
                await self._connected()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Run the block as one transaction: committed at its end, rolled back by any exception.

        Raises GamePaused during a pause, GameBusy if another transaction holds a lock for too long, GameUnavailable if
        the database cannot be reached.
        """
        async with self._begun(Mode.CHANGING) as transaction:
            yield transaction

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """Run queries that all see the same committed state. Raises as ``transaction`` does."""
        async with self._begun(Mode.READING) as transaction:
            yield transaction

    @asynccontextmanager
    async def creating(self) -> AsyncIterator[Transaction]:
        """Run a transaction that creates tables, one at a time. Raises as ``transaction`` does."""
        async with self._begun(Mode.CREATING) as transaction:
            yield transaction

    @asynccontextmanager
    async def _begun(self, mode: Mode) -> AsyncIterator[Transaction]:
        self._refuse_while_paused()
        async with self._slots:
            # Again: it may have been paused while this one waited.
            self._refuse_while_paused()
            with self._translated_errors():
                await self._connected()
                transaction = self._transaction(mode)
                try:
                    await transaction.begin()
                    yield transaction
                    await _uninterrupted(transaction.commit())
                except BaseException:
                    await _uninterrupted(transaction.roll_back())
                    raise

    @asynccontextmanager
    async def _exclusive(self) -> AsyncIterator[None]:
        """Wait for the running transactions and let no other one begin."""
        # Two that each hold half of the slots would wait for each other; hence the lock.
        async with self._exclusive_lock, AsyncExitStack() as stack:
            for _ in range(self.concurrency):
                await stack.enter_async_context(self._slots)
            yield

    def _refuse_while_paused(self) -> None:
        if self._paused_until is not None and self._monotonic() >= self._paused_until:
            self._paused_until = None
        if self._paused_until is not None:
            raise GamePaused("The game is paused for a restore of its data. Please try again in a minute or two.")

    async def _connected(self) -> None:
        if not self._opened:
            raise GameUnavailable("The game is closed. Please try again later.")
        await self._connect(first=False)

    @abstractmethod
    async def _connect(self, *, first: bool) -> None:
        """Connect if there is no connection; only the first time a missing database may be created."""

    @abstractmethod
    async def _disconnect(self) -> None:
        """Close every connection."""

    @abstractmethod
    def _transaction(self, mode: Mode) -> Transaction:
        """Return a transaction that has not begun."""

    @staticmethod
    @abstractmethod
    def _translated_errors() -> AbstractContextManager[None]:
        """Translate the driver's errors that mean so into GameBusy and GameUnavailable."""


async def _uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    """Await work to its end however often this task is cancelled; a cancellation is raised afterwards."""
    task, cancelled = asyncio.create_task(work), None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # retrieved here, or asyncio logs that it never was
        raise cancelled
    task.result()
