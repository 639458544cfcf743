"""The watching side of the engine, for the bot's process: one small connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import asyncpg

from ...errors import DatabaseUnavailable, SnapshotError
from ..base import Position
from .client_tools import find_tools
from .connecting.opening import Opened, close_session, open_session
from .connection import APPLICATION, Address
from .membership import Membership
from .wal_position import POSITION_QUERY, parse_position

__all__ = ["PostgresProbe"]

_TIMEOUT = 5.0
_REFUSALS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server closed the connection while no query was running
    OSError,
    ValueError,
)

_TOKEN = """
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_insert_lsn() END::text || ' ' || pg_catalog.pg_current_snapshot()::text
"""


_IDENTITY = """
SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system())::text || '/' || pg_catalog.current_database()
"""

_SERVER = """
SELECT current_setting('server_version_num')::int / 10000 * 10 + (rolcreatedb OR rolsuper)::int
  FROM pg_catalog.pg_roles WHERE rolname = current_user
"""


_USERS = f"""
SELECT array_agg(DISTINCT coalesce(nullif(application_name, ''), usename::text))
  FROM pg_catalog.pg_stat_activity
 WHERE datname = pg_catalog.current_database() AND backend_type = 'client backend'
   AND pid <> pg_catalog.pg_backend_pid() AND application_name <> '{APPLICATION}'
"""


class PostgresProbe:
    """Detects commits by the position of the server's write-ahead log.

    The log belongs to the whole server, so it also moves for other databases, vacuum and checkpoints. The answer may be
    "changed" although nothing was, but never "unchanged" although something was. The insert position is used because
    the record of a commit may not be on the disk yet. A commit is in the log before anybody sees it, and stays unseen
    while it waits for the disk or a standby, so the token also holds the running transactions.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._session: Opened | None = None
        self._refusal: SnapshotError | None = None
        self._opened = 0
        self._exclusive = asyncio.Lock()
        self._membership = Membership(address)

    async def token(self) -> str | None:
        """Return a token that changes with every commit by any connection, or None if it is unknown."""
        position = await self._ask(_TOKEN)
        return None if position is None else f"{self._opened}:{position}"

    async def position(self) -> Position | None:
        """Return the position of the write-ahead log, or None if it is unknown."""
        return parse_position(await self._ask(POSITION_QUERY))

    async def identity(self) -> str | None:
        """Return the server's system identifier and the name of the database, or None if the server does not answer."""
        found = await self._ask(_IDENTITY)
        return None if found is None else str(found)

    async def size(self) -> int:
        """Return the size of the database on the server in bytes, 0 if it does not exist."""
        size = await self._ask("SELECT pg_catalog.pg_database_size(current_database())")
        return 0 if size is None else int(size)

    async def remarks(self) -> tuple[str, ...]:
        """Return the versions of server and programs, or what to install, and if snapshots cannot be rebuilt."""
        found = await self._ask(_SERVER)
        if found is None:
            return ("The server does not answer." if self._refusal is None else str(self._refusal),)
        major, may_create = int(found) // 10, bool(int(found) % 10)
        try:
            tools = await asyncio.to_thread(find_tools, major)
        except SnapshotError as error:
            return (str(error),)
        versions = f"PostgreSQL {major}, with pg_dump and psql {tools.major}.{tools.minor} of {tools.folder}."
        if may_create:
            return (versions,)
        return (
            versions,
            "The role may not create databases: snapshots are not rebuilt to verify them, and restored in place.",
        )

    async def lacking(self) -> tuple[str, ...]:
        """Return what to install, if pg_dump or psql of the server's version are missing."""
        found = await self._ask(_SERVER)
        if found is None:
            return ()
        try:
            await asyncio.to_thread(find_tools, int(found) // 10)
        except SnapshotError as error:
            return (str(error),)
        return ()

    async def users(self) -> tuple[str, ...] | None:
        """Return the programs that have a session in the database, without ours."""
        found = await self._ask(_USERS)
        return () if found is None else tuple(found)

    async def create_restore_point(self, name: str) -> None:
        """Write a named restore point into the write-ahead log, which takes microseconds; the server also logs it."""
        try:
            async with self._exclusive:
                connection = await self._connected()
                await connection.execute("SELECT pg_catalog.pg_create_restore_point($1)", name, timeout=_TIMEOUT)
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
        except SnapshotError:
            raise
        except (*_REFUSALS, TimeoutError) as error:
            await self._release()
            raise DatabaseUnavailable(f"The restore point {name} could not be created: {error}.") from error

    async def join(self, group: str, *, eligible: bool) -> bool:
        """Join a group of processes; return True if this one keeps their schedule (only if it is ``eligible``)."""
        return await self._membership.join(group, eligible=eligible)

    async def leave(self, group: str) -> bool:
        """Leave the group; return True if no other process of it is left."""
        return await self._membership.leave(group)

    async def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        await self._membership.close()
        await self._release()

    async def _release(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await close_session(session)

    async def _connected(self) -> asyncpg.Connection[Any]:
        if self._session is None or self._session.connection.is_closed():
            self._opened += 1
            self._session = await open_session(self._address, _TIMEOUT)
        return self._session.connection

    async def _ask(self, query: str) -> Any:
        """Return the value of a query, or None if the server does not answer; the next operation reports why."""
        for _ in range(2):  # the first connection may have been ended by a restore
            try:
                async with self._exclusive:
                    value = await (await self._connected()).fetchval(query, timeout=_TIMEOUT)
            except (*_REFUSALS, TimeoutError) as error:
                self._refusal = error if isinstance(error, SnapshotError) else None
                with contextlib.suppress(*_REFUSALS):
                    await self._release()
            else:
                self._refusal = None
                return value
        return None
