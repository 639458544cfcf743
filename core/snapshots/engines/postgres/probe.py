"""The database as the bot's process sees it: one small connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import asyncpg

from ...errors import DatabaseUnavailable, SnapshotError
from ..base import Position
from .client_tools import find_tools
from .connection import Address
from .membership import Membership
from .wal_position import POSITION, position_of

__all__ = ["PostgresProbe"]

_WITHIN = 5.0
_REFUSALS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a good-bye of the server that was read while nothing was asked
    OSError,
    ValueError,
)

_TOKEN = """
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_insert_lsn() END::text || ' ' || pg_catalog.pg_current_snapshot()::text
"""


_SERVER = """
SELECT current_setting('server_version_num')::int / 10000 * 10 + (rolcreatedb OR rolsuper)::int
  FROM pg_catalog.pg_roles WHERE rolname = current_user
"""


class PostgresProbe:
    """Tells whether anybody committed, by how far the server's write-ahead log has come.

    The log is that of the whole server: it moves also for other databases, vacuum and checkpoints. So the answer may be
    "changed" where nothing was, and never "unchanged" where something was. The insert position is asked for, since what
    a commit wrote may not be on the disk yet. A commit is in the log before anybody sees it, and stays unseen while it
    waits for the disk or a standby: so the transactions that are under way belong to the answer.
    """

    def __init__(self, address: Address) -> None:
        """Take the address; nothing is opened before ``token``."""
        self._address = address
        self._connection: asyncpg.Connection[Any] | None = None
        self._opened = 0
        self._turn = asyncio.Lock()
        self._company = Membership(address)

    async def token(self) -> str | None:
        """Give a text that differs after every commit by anybody, or None when that cannot be told now."""
        position = await self._ask(_TOKEN)
        return None if position is None else f"{self._opened}:{position}"

    async def position(self) -> Position | None:
        """Give how far the write-ahead log has come, None where the server cannot say it."""
        return position_of(await self._ask(POSITION))

    async def size(self) -> int:
        """Give the database's size on the server in bytes, 0 if it is not there."""
        size = await self._ask("SELECT pg_catalog.pg_database_size(current_database())")
        return 0 if size is None else int(size)

    async def remarks(self) -> tuple[str, ...]:
        """Give the versions of server and programs, or what to install, and whether snapshots can be rehearsed."""
        found = await self._ask(_SERVER)
        if found is None:
            return ("The server does not answer.",)
        major, may_create = int(found) // 10, bool(int(found) % 10)
        try:
            tools = await asyncio.to_thread(find_tools, major)
        except SnapshotError as error:
            return (str(error),)
        said = f"PostgreSQL {major}, with pg_dump and psql {tools.major}.{tools.minor} of {tools.folder}."
        if may_create:
            return (said,)
        return (said, "The role may not create databases: snapshots are not rebuilt for proof, and restored in place.")

    async def create_restore_point(self, name: str) -> None:
        """Write a named restore point into the write-ahead log, in microseconds; the server's log shows it, too."""
        try:
            async with self._turn:
                connection = await self._connected()
                await connection.execute("SELECT pg_catalog.pg_create_restore_point($1)", name, timeout=_WITHIN)
        except asyncpg.InsufficientPrivilegeError as error:
            raise DatabaseUnavailable(
                "The role may not create restore points. As a superuser: GRANT EXECUTE ON FUNCTION "
                "pg_create_restore_point(text) TO the bot's role; or switch [database] restore_points off."
            ) from error
        except asyncpg.ObjectNotInPrerequisiteStateError as error:
            raise DatabaseUnavailable(
                f"The server keeps no restore points: {error}. They need wal_level = replica and an archive of the "
                "write-ahead log; or switch [database] restore_points off."
            ) from error
        except (*_REFUSALS, TimeoutError) as error:
            await self._let_go()
            raise DatabaseUnavailable(f"The restore point {name} could not be created: {error}.") from error

    async def join(self, group: str, *, eligible: bool) -> bool:
        """Count as one of a group of processes, and tell whether this one keeps their schedule, if it is willing."""
        return await self._company.join(group, eligible=eligible)

    async def leave(self, group: str) -> bool:
        """Count no more, and tell whether nobody else of the group is left."""
        return await self._company.leave(group)

    async def close(self) -> None:
        """Close the connections; the next question opens others."""
        await self._company.close()
        await self._let_go()

    async def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=2.0)
            except (*_REFUSALS, TimeoutError):
                connection.terminate()

    async def _connected(self) -> asyncpg.Connection[Any]:
        if self._connection is None or self._connection.is_closed():
            self._opened += 1
            self._connection = await asyncpg.connect(**self._address.for_asyncpg(_WITHIN))
        return self._connection

    async def _ask(self, query: str) -> Any:
        """Give a query's value, None where the server cannot be asked: whoever works with it next says why."""
        for _ in range(2):  # the first connection may have been ended by a restore
            try:
                async with self._turn:
                    return await (await self._connected()).fetchval(query, timeout=_WITHIN)
            except (*_REFUSALS, TimeoutError):
                with contextlib.suppress(*_REFUSALS):
                    await self._let_go()
        return None
