"""Open the connections of the engine: directly, with pinned settings, and never through a pooler that shares them.

The first connection to a database sets nothing. It shows the server's version, and a second one beside it shows if a
pooler is in between. Only then the session proper is opened, with its settings as parameters of the start-up. A pooler
that keeps a backend for each client may ignore or refuse these; what is missing is then set in the session, which is
ours alone, and reset at its end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import asyncpg

from ....errors import DatabaseUnavailable
from ..connection import Address, known_server, learn_server
from ..plain_dump.encodings import ANY_BYTES
from .closing import close
from .pinned import VALUES, pinned_settings
from .pooler import refuse_by_name, refuse_shared
from .raw_bytes import CLIENT_ENCODING, send_bytes

__all__ = ["Facts", "Opened", "close_session", "open_session"]

_FACTS = """
SELECT pg_catalog.pg_encoding_to_char(encoding)::text, pg_catalog.current_setting('search_path')
  FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
"""
_DIFFERENT = """
SELECT name FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS wanted (name, value)
 WHERE pg_catalog.current_setting(name, true) IS DISTINCT FROM value
"""
_NEEDED_BY_PROGRAMS = frozenset(VALUES) & {
    "bytea_output",
    "xmlbinary",
    "standard_conforming_strings",
    "array_nulls",
    "quote_all_identifiers",
}
"""What pg_dump neither sets itself nor can be told in another way than by the start-up."""


class Facts(NamedTuple):
    """What a session without settings of ours shows of a database: its encoding and the search path of the role."""

    encoding: str
    search_path: str


class Opened(NamedTuple):
    """A session with the pinned settings; ``set_here`` names those that had to be set after the start-up."""

    connection: asyncpg.Connection[Any]
    facts: Facts
    set_here: tuple[str, ...]


_facts: dict[tuple[tuple[str, str, str], str], Facts] = {}


async def open_session(address: Address, within: float, settings: Mapping[str, str] | None = None) -> Opened:
    """Open a session with the pinned settings and those in ``settings``; ``within`` is in seconds for each step.

    Raises SharedByPooler for a pooler that shares connections, DatabaseUnavailable for a pooler that keeps the programs
    from being given their settings, and the exceptions of asyncpg.
    """
    key = (address.server, address.database)
    try:
        facts = _facts.get(key) or await _look(address, within)
        opened = await _open(address, within, facts, settings or {})
    except BaseException:
        _facts.pop(key, None)  # another server may answer next time
        raise
    _facts[key] = facts
    return opened


async def close_session(opened: Opened) -> None:
    """Close a session; what was set in it does not stay behind in a pooler's connection."""
    if opened.set_here and not opened.connection.is_closed():
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await opened.connection.reset(timeout=2.0)
    await close(opened.connection)


async def _look(address: Address, within: float) -> Facts:
    refuse_by_name(address)
    bare = await asyncpg.connect(**address.for_asyncpg(within))
    try:
        await refuse_shared(address, bare, within)
        known = known_server(address)
        accepts = known.accepts_settings if known is not None else True
        learn_server(address, int(bare.get_server_version().major), accepts_settings=accepts)
        row = await bare.fetchrow(_FACTS, timeout=within)
        assert row is not None
        return Facts(*row)
    finally:
        await close(bare)


async def _open(address: Address, within: float, facts: Facts, settings: Mapping[str, str]) -> Opened:
    known = known_server(address)
    assert known is not None
    pinned = {**pinned_settings(known.version), "search_path": ""}
    if facts.encoding == ANY_BYTES:
        pinned["client_encoding"] = CLIENT_ENCODING
    pinned = {name: value for name, value in pinned.items() if name not in settings}
    connection = None
    if known.accepts_settings:
        with contextlib.suppress(_Unsupported):
            connection = await _connect_with(address, within, pinned | dict(settings))
    connection = connection or await asyncpg.connect(**address.for_asyncpg(within))
    try:
        set_here = await _set_the_missing(address, connection, within, pinned, settings)
    except BaseException:
        await close(connection)
        raise
    if facts.encoding == ANY_BYTES:
        send_bytes(connection)
    return Opened(connection, facts, set_here)


class _Unsupported(Exception):
    """A pooler refuses parameters of the start-up that it does not know."""


async def _connect_with(address: Address, within: float, settings: Mapping[str, str]) -> asyncpg.Connection[Any]:
    try:
        return await asyncpg.connect(**address.for_asyncpg(within, settings))
    except asyncpg.ProtocolViolationError as error:
        if "startup parameter" in str(error):
            raise _Unsupported from error
        raise


async def _set_the_missing(
    address: Address,
    connection: asyncpg.Connection[Any],
    within: float,
    pinned: Mapping[str, str],
    settings: Mapping[str, str],
) -> tuple[str, ...]:
    """Set what the start-up did not; return the names of it, () on a direct connection."""
    rows = await connection.fetch(_DIFFERENT, list(pinned), list(pinned.values()), timeout=within)
    different = [str(row[0]) for row in rows]
    if not different:
        return ()
    learn_server(address, int(connection.get_server_version().major), accepts_settings=False)
    changed = [name for name in different if name in _NEEDED_BY_PROGRAMS]
    if changed:
        names = ", ".join(f"{name} = {VALUES[name]}" for name in changed)
        raise DatabaseUnavailable(
            f"The pooler at {address.shown} passes no settings on, and pg_dump needs {names}; this role or database "
            "has another value. Give Savepoint the server's own host and port, or change it (ALTER ROLE … SET).",
            detail=names,
        )
    # The programs cannot be told the locale, so the session must not differ from them in it.
    chosen = {name: value for name, value in pinned.items() if name in different and not name.startswith("lc_")}
    for name, value in (chosen | dict(settings)).items():
        await connection.execute(f"SET {name} = '{value}'", timeout=within)
    return tuple(chosen)
