"""Decide which of the processes that share a database, such as shards of one bot, leads, and which one leaves last.

Two advisory locks of a session decide it (https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS).
The *schedule* lock is exclusive: its holder takes the periodic snapshots, and when its connection ends, the next
process that asks gets the lock. The *presence* lock is shared by all: a process that gives up its share and then gets
the lock exclusively was the last. The server releases both for a process that dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from blake3 import blake3

from .connecting.opening import Opened, close_session, open_session
from .connection import Address

__all__ = ["Membership"]

_TIMEOUT = 5.0
_REFUSALS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, ValueError)


class Membership:
    """This process's membership in a group, on a connection of its own that stays open."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._session: Opened | None = None
        self._exclusive = asyncio.Lock()
        self._present = False
        self._leads = False
        self._led = True
        """True if this process was the leader when the server last answered."""

    async def join(self, group: str, *, eligible: bool) -> bool:
        """Join a group; return True if this process is its leader, which only an ``eligible`` one can be.

        If the server does not answer, the last answer holds: the leader goes on, and meets the reason in its work.
        """

        async def ask(connection: asyncpg.Connection[Any]) -> bool:
            if self._present:
                # Raises if the connection is lost, and the locks with it.
                await connection.execute("SELECT 1", timeout=_TIMEOUT)
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

        return await self._asked(ask, default=eligible and self._led)

    async def leave(self, group: str) -> bool:
        """Leave the group; return True if no process of it is left, or if the server does not answer."""

        async def ask(connection: asyncpg.Connection[Any]) -> bool:
            if self._present:
                await _lock(connection, "pg_advisory_unlock_shared", group, "presence")
                self._present = False
            # Held until the connection is closed, so that of two processes that leave at once exactly one is the last.
            return await _lock(connection, "pg_try_advisory_lock", group, "presence")

        return await self._asked(ask, default=True)

    async def close(self) -> None:
        """Close the connection, which releases all locks."""
        async with self._exclusive:
            await self._close()

    async def _asked(self, ask: Callable[[asyncpg.Connection[Any]], Awaitable[bool]], *, default: bool) -> bool:
        async with self._exclusive:
            for _ in range(2):  # the first connection may have been ended by a restore
                try:
                    if self._session is None or self._session.connection.is_closed():
                        await self._close()
                        self._session = await open_session(self._address, _TIMEOUT)
                    return await ask(self._session.connection)
                except _REFUSALS:
                    await self._close()
            return default

    async def _close(self) -> None:
        """Close the connection; the server releases its locks."""
        session, self._session = self._session, None
        self._present = self._leads = False
        if session is not None:
            await close_session(session)


async def _lock(connection: asyncpg.Connection[Any], function: str, group: str, what: str) -> bool:
    key = int.from_bytes(blake3(f"savepoint {what} {group}".encode()).digest(8), signed=True)
    return bool(await connection.fetchval(f"SELECT pg_catalog.{function}($1)", key, timeout=_TIMEOUT))
