"""Speak with a SQL_ASCII database in bytes: its names and texts need not be UTF-8.

The server converts nothing between SQL_ASCII and a client's encoding, and checks nothing in LATIN1, whose 256
characters are the 256 bytes. So results and arguments come through as LATIN1, and are turned into texts by ``text_of``.
asyncpg writes the statements themselves as UTF-8 whatever the client's encoding; there the private characters are
turned into their bytes on the way to the server.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import asyncpg

from ..plain_dump.encodings import ANY_BYTES, bytes_of, text_of

__all__ = ["CLIENT_ENCODING", "received", "send_bytes", "sent"]

CLIENT_ENCODING = "LATIN1"

_HEADER = struct.Struct("!cI")
_WITH_STATEMENTS = (b"P", b"Q")
"""Messages that hold a statement: Parse and Query
(https://www.postgresql.org/docs/current/protocol-message-formats.html)."""
_MARKS = b"\xee\xbe", b"\xee\xbf"
"""How the private characters begin in UTF-8."""


def send_bytes(connection: asyncpg.Connection[Any]) -> None:
    """Send the private characters in statements of a connection as the bytes that they stand for."""
    transport: Any = connection._transport  # asyncpg has no other way
    write: Callable[[bytes], object] = transport.write
    transport.write = lambda data: write(_in_bytes(bytes(data)))


def _in_bytes(messages: bytes) -> bytes:
    """Return complete messages of a client with other bytes in place of private characters, and the lengths for it."""
    if not any(mark in messages for mark in _MARKS):
        return messages
    done, at = b"", 0
    while at < len(messages):
        kind, length = _HEADER.unpack_from(messages, at)
        body = messages[at + _HEADER.size : at + 1 + length]
        if kind in _WITH_STATEMENTS:
            body = bytes_of(body.decode(errors="surrogateescape"), ANY_BYTES)
        done += _HEADER.pack(kind, len(body) + 4) + body
        at += 1 + length
    return done


def sent(value: object) -> object:
    """Return an argument of a query as asyncpg must have it."""
    if isinstance(value, str):
        return bytes_of(value, ANY_BYTES).decode("latin-1")
    return [sent(each) for each in value] if isinstance(value, list) else value


def received(value: Any) -> Any:
    """Return a value of a result with its texts."""
    if isinstance(value, str):
        return text_of(value.encode("latin-1"), ANY_BYTES)
    return [received(each) for each in value] if isinstance(value, list) else value
