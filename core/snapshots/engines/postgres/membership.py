"""The processes that serve one database together, such as a sharded bot's: who keeps the schedule, and who goes last.

Two advisory locks of a session (https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS) say it.
The *schedule* is held by one; when that process or its connection ends, the next one that asks has it. *Presence* is
shared by all; whoever gives up their share and then gets the whole lock was the last. The server lets go of both for a
process that dies.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from blake3 import blake3

from .connection import Address

__all__ = ["Membership"]

_WITHIN = 5.0
_REFUSALS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, ValueError)


class Membership:
    """This process's place among the others; a connection of its own, because it must stay open."""

    def __init__(self, address: Address) -> None:
        """Take the address; nothing is opened before ``join``."""
        self._address = address
        self._connection: asyncpg.Connection[Any] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._present = False
        self._leads = False
        self._led = True
        """Whether it kept the schedule when that was last known."""

    async def join(self, group: str, *, eligible: bool) -> bool:
        """Count as one of a group, and tell whether this process keeps its schedule; never if it is not ``eligible``.

        Where the server cannot be asked the answer is as before: whoever kept it goes on, and finds out what is wrong.
        """

        async def ask(connection: asyncpg.Connection[Any]) -> bool:
            if self._present:
                await connection.execute("SELECT 1", timeout=_WITHIN)  # raises where the locks are lost
            else:
                self._present = await _lock(connection, "pg_try_advisory_lock_shared", group, "presence")
            if eligible and not self._leads:
                self._leads = await _lock(connection, "pg_try_advisory_lock", group, "schedule")
            elif self._leads and not eligible:
                await _lock(connection, "pg_advisory_unlock", group, "schedule")
                self._leads = False
            if eligible:
                self._led = self._leads
            return self._leads

        return await self._asked(ask, otherwise=eligible and self._led)

    async def leave(self, group: str) -> bool:
        """Count no more, and tell whether nobody of the group is left; yes where the server cannot be asked."""

        async def ask(connection: asyncpg.Connection[Any]) -> bool:
            if self._present:
                await _lock(connection, "pg_advisory_unlock_shared", group, "presence")
                self._present = False
            # Kept until the connection is closed: of two that leave at the same moment one is the last.
            return await _lock(connection, "pg_try_advisory_lock", group, "presence")

        return await self._asked(ask, otherwise=True)

    async def close(self) -> None:
        """Close the connection, and with it give up everything."""
        async with self._one_at_a_time:
            await self._close()

    async def _asked(self, ask: Callable[[asyncpg.Connection[Any]], Awaitable[bool]], *, otherwise: bool) -> bool:
        async with self._one_at_a_time:
            for _ in range(2):  # the first connection may have been ended by a restore
                try:
                    if self._connection is None or self._connection.is_closed():
                        await self._close()
                        self._connection = await asyncpg.connect(**self._address.for_asyncpg(_WITHIN))
                    return await ask(self._connection)
                except _REFUSALS:
                    await self._close()
            return otherwise

    async def _close(self) -> None:
        """Let go of the connection, and know that the server lets go of the locks with it."""
        connection, self._connection = self._connection, None
        self._present = self._leads = False
        if connection is not None:
            with contextlib.suppress(*_REFUSALS):
                await connection.close(timeout=2.0)


async def _lock(connection: asyncpg.Connection[Any], function: str, group: str, what: str) -> bool:
    key = int.from_bytes(blake3(f"savepoint {what} {group}".encode()).digest(8), signed=True)
    return bool(await connection.fetchval(f"SELECT pg_catalog.{function}($1)", key, timeout=_WITHIN))
