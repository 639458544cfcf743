"""Find out, before anything is set, if a pooler hands one server connection to several clients.

A snapshot lives in one session, and a setting made in a shared one reaches whoever gets it next. Poolers that share by
transaction are known by the names and ports of hosted ones, and by what they do: with nothing else going on, two of our
own sessions are served by the same backend process, or one of them by two. A pooler that keeps one backend for each
client (PgBouncer's ``pool_mode = session``) does neither.
"""

from __future__ import annotations

import re
from typing import Any

import asyncpg

from ....errors import DatabaseUnavailable
from ..connection import Address
from .closing import close

__all__ = ["SharedByPooler", "refuse_by_name", "refuse_shared"]

_BACKEND = """
SELECT pg_catalog.pg_backend_pid()::text || ' ' ||
       extract(epoch FROM pg_catalog.pg_postmaster_start_time())::text
"""
_ROUNDS = 4
"""In round n the other session asks n times: no rotation through up to ten backends fits these steps."""
_LOST_STATEMENT = (
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
    asyncpg.ProtocolViolationError,
    asyncpg.InvalidCursorNameError,
)
"""What asyncpg meets when the two halves of one query reach different backends."""

_NEON = re.compile(r"(?P<endpoint>.+)-pooler(?P<region>\..*neon\.(?:tech|build))", re.IGNORECASE)
_SUPABASE = re.compile(r".*\.(?:pooler\.supabase\.com|supabase\.co)", re.IGNORECASE)
_SUPABASE_SHARED = "6543"


class SharedByPooler(DatabaseUnavailable):
    """The address leads to a pooler that shares server connections; nothing was set on them."""


def refuse_by_name(address: Address) -> None:
    """Raise SharedByPooler if a host is a hosted pooler that is known to share connections."""
    hosts, _, ports = address.server
    for host in hosts.split(","):
        neon = _NEON.fullmatch(host)
        if neon:
            raise _refusal(address, f"Use Neon's direct host instead: {neon['endpoint']}{neon['region']}.")
        if _SUPABASE.fullmatch(host) and _SUPABASE_SHARED in ports.split(","):
            raise _refusal(
                address,
                "On Supabase port 6543 shares connections: use port 5432 of the same host (the session pooler), or the "
                "direct connection db.PROJECT.supabase.co:5432.",
            )


async def refuse_shared(address: Address, ours: asyncpg.Connection[Any], within: float) -> None:
    """Raise SharedByPooler if a second session shows that ``ours`` has no backend of its own.

    ``within`` is in seconds, for each step. Nothing is changed in either session.
    """
    try:
        mine = {await ours.fetchval(_BACKEND, timeout=within)}
        other = await asyncpg.connect(**address.for_asyncpg(within))
    except _LOST_STATEMENT as error:
        raise _refusal(address) from error
    except asyncpg.TooManyConnectionsError:
        return  # a server that is full shares nothing either; whoever needs the second connection says so
    try:
        for number in range(_ROUNDS):
            theirs = {await other.fetchval(_BACKEND, timeout=within) for _ in range(number + 1)}
            mine.add(await ours.fetchval(_BACKEND, timeout=within))
            if len(mine) > 1 or len(theirs) > 1 or mine & theirs:
                raise _refusal(address)
    except _LOST_STATEMENT as error:
        raise _refusal(address) from error
    finally:
        await close(other)


def _refusal(address: Address, instead: str | None = None) -> SharedByPooler:
    advice = instead or (
        "Give Savepoint the server's own host and port instead (PostgreSQL itself mostly listens on 5432), or a pool "
        "in session mode."
    )
    return SharedByPooler(
        f"{address.shown} is a pooler that shares the server's connections between transactions. A snapshot needs a "
        f"connection of its own, and settings made there would reach the game. {advice} The bot can keep its address: "
        "set [database] url or BACKUP_DATABASE_URL for Savepoint alone. Nothing was changed.",
        detail="pooler",
    )
