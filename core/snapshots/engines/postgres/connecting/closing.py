"""Close a connection, whatever state its server is in."""

from __future__ import annotations

from typing import Any

import asyncpg

__all__ = ["close"]

_TIMEOUT = 2.0


async def close(connection: asyncpg.Connection[Any]) -> None:
    """Close a connection, and give up on a server that does not answer within two seconds."""
    try:
        await connection.close(timeout=_TIMEOUT)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        connection.terminate()
