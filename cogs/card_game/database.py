"""The game's door to its database, the same for every engine; ``sqlite`` and ``postgres`` are the engines.

SQL is written once: ``?`` for a value (and nowhere else), ``RETURNING`` for what was changed, ``ON CONFLICT DO
NOTHING``, ISO text for times, no function that only one engine knows.

What holds on every engine, and is all that the rules rely on: a transaction is seen as a whole or not at all; a
statement waits for another transaction that changes the same row and then sees what that one committed; a reading sees
one committed state. Transactions may run side by side, so a rule changes a row only while its condition holds
(``UPDATE … WHERE coins + ? >= 0 RETURNING``) and never trusts what it read before.
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
    FOUNDING = auto()
    """It creates tables: there are never two of them at once, whichever process runs them."""


class Transaction(ABC):
    """The statements of one transaction; it is only valid inside ``async with``."""

    def __init__(self) -> None:
        """Nothing has begun, and nothing is to be called."""
        self._after_commit: list[Callable[[], object]] = []

    @abstractmethod
    async def begin(self) -> None:
        """Begin; where that fails or is cancelled, ``undo`` follows."""

    @abstractmethod
    async def fetch_all(self, sql: str, *values: object) -> list[Row]:
        """Give every row of a query or of a RETURNING clause."""

    @abstractmethod
    async def execute_many(self, sql: str, values: Iterable[Sequence[object]]) -> None:
        """Run one statement for each sequence of values."""

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

    def after_commit(self, callback: Callable[..., object], *values: object, **named: object) -> None:
        """Call this once the transaction is committed, and never if it is not."""
        self._after_commit.append(partial(callback, *values, **named))

    async def end(self) -> None:
        """Commit, and call what waits for that."""
        await self._commit()
        for callback in self._after_commit:
            callback()

    @abstractmethod
    async def undo(self) -> None:
        """Roll back whatever has begun; after a commit do nothing."""

    @abstractmethod
    async def _commit(self) -> None:
        """Commit, or raise."""


class Database(ABC):
    """A database whose connections can be let go of and taken up again."""

    identity: ClassVar[str]
    """How this engine spells a primary key that numbers its rows and never uses a number twice."""

    turns: ClassVar[int]
    """How many transactions of this process run side by side."""

    def __init__(self, *, busy_timeout: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Connect to nothing yet; ``busy_timeout`` is how many seconds to wait for somebody else's lock."""
        self._busy_timeout = busy_timeout
        self._monotonic = monotonic
        self._turn = asyncio.Semaphore(self.turns)
        self._emptying = asyncio.Lock()
        self._paused_until: float | None = None
        self._opened = False

    async def open(self) -> None:
        """Connect, for the first time. Raises GameUnavailable where the database cannot be reached."""
        async with self._alone():
            with self._plain_errors():
                await self._connect(first=True)
            self._opened = True

    async def close(self) -> None:
        """Close for good, after the transactions that are running; every later action is refused."""
        self._opened = False
        async with self._alone():
            await self._disconnect()

    async def pause(self, limit: float) -> None:
        """Refuse new transactions, and close every connection once the running ones have ended.

        It ends with ``resume``, or by itself after ``limit`` seconds: whoever asked for it may have died.
        """
        self._paused_until = self._monotonic() + limit
        async with self._alone():
            await self._disconnect()

    async def resume(self) -> None:
        """End a pause and connect again, so that nothing of the database as it was is remembered.

        Where that fails the next transaction tries once more.
        """
        self._paused_until = None
        async with self._alone():
            await self._disconnect()
            with self._plain_errors():
                await self._connected()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Run what is inside as one transaction: committed at the end, rolled back by any exception.

        Raises GamePaused during a pause, GameBusy where somebody else holds a lock too long, GameUnavailable where the
        database cannot be reached.
        """
        async with self._begun(Mode.CHANGING) as transaction:
            yield transaction

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """Run queries that all see the same committed state. Raises as ``transaction`` does."""
        async with self._begun(Mode.READING) as transaction:
            yield transaction

    @asynccontextmanager
    async def founding(self) -> AsyncIterator[Transaction]:
        """Run a transaction that creates tables, when nobody else does. Raises as ``transaction`` does."""
        async with self._begun(Mode.FOUNDING) as transaction:
            yield transaction

    @asynccontextmanager
    async def _begun(self, mode: Mode) -> AsyncIterator[Transaction]:
        self._refuse_while_paused()
        async with self._turn:
            # Again: it may have been paused while this one waited for its turn.
            self._refuse_while_paused()
            with self._plain_errors():
                await self._connected()
                transaction = self._transaction(mode)
                try:
                    await transaction.begin()
                    yield transaction
                    await _to_the_end(transaction.end())
                except BaseException:
                    await _to_the_end(transaction.undo())
                    raise

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Take every turn: nobody is in a transaction, and nobody begins one."""
        async with self._emptying, AsyncExitStack() as stack:
            for _ in range(self.turns):
                await stack.enter_async_context(self._turn)
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
        """Connect unless that is done; only the first time may a database be created that is not there."""

    @abstractmethod
    async def _disconnect(self) -> None:
        """Close every connection."""

    @abstractmethod
    def _transaction(self, mode: Mode) -> Transaction:
        """Make a transaction, to be begun."""

    @staticmethod
    @abstractmethod
    def _plain_errors() -> AbstractContextManager[None]:
        """Turn the driver's errors into GameBusy and GameUnavailable where that is what they mean."""


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await work that a cancellation must not leave half done, and hand the cancellation on afterwards."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise
