"""Translate the errors of the server and of its programs into ours.

Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html. Corruption is DatabaseDamaged; a server that is
down, shutting down or out of connections is DatabaseUnavailable, which says nothing about the data.
"""

from __future__ import annotations

import asyncpg

from ...errors import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseMissing,
    DatabaseUnavailable,
    NotEnoughSpace,
    SnapshotError,
)

__all__ = ["ADVICE", "from_exception", "from_output", "is_transient"]

ADVICE = (
    "Nothing was restored and nothing will be by itself: stop the bot, copy the server's data directory while the "
    "server is down, look at the disk and the server's log (https://wiki.postgresql.org/wiki/Corruption), then restore "
    "a snapshot into a new server or database."
)
"""What to do about a server that reports corruption."""

_MISSING = frozenset({"3D000"})
_BUSY = frozenset({"55P03", "55006", "40P01", "57014", "25P03"})
_FULL = frozenset({"53100"})
_DAMAGED = frozenset({"XX000", "XX001", "XX002", "58P01", "58P02"})
_TRANSIENT = frozenset({"57P01", "57P02", "57P03", "57P05", "53300", "08000", "08001", "08003", "08004", "08006"})

_DAMAGED_WORDS = (
    "invalid page in block",
    "could not read block",
    "could not read blocks",
    "missing chunk number",
    "unexpected chunk number",
    "compressed pglz data is corrupt",
    "page verification failed",
    "relation mapping file",
    "invalid memory alloc request size",
    "could not access status of transaction",
)
_SERVER_SAID = "Error message from server: "
_BUSY_WORDS = ("lock timeout", "statement timeout", "could not obtain lock", "could not lock", "deadlock detected")
_FULL_WORDS = ("no space left on device", "could not extend file")


def from_exception(error: BaseException, shown: str) -> SnapshotError:
    """Return the error for an exception of asyncpg or of the network. ``shown`` names the database in its message."""
    if isinstance(error, SnapshotError):
        return error
    if isinstance(error, asyncpg.PostgresError):
        return _of_code(error, shown)
    reason = str(error) or type(error).__name__
    return DatabaseUnavailable(
        f"The PostgreSQL server of {shown} cannot be reached: {reason}. That says nothing about the data; start the "
        "server or mend the address.",
        detail=reason,
    )


def _of_code(error: asyncpg.PostgresError, shown: str) -> SnapshotError:
    code, reason = error.sqlstate or "", str(error)
    if code in _MISSING:
        return DatabaseMissing(f"There is no database at {shown}: {reason}.", path=shown)
    if code in _BUSY:
        return DatabaseBusy(f"Somebody holds a lock on {shown}: {reason}. Try again.", path=shown)
    if code in _FULL:
        return _full(reason)
    if code in _DAMAGED:
        return DatabaseDamaged(f"The server of {shown} reports damage: {reason}.", path=shown, detail=reason)
    return DatabaseUnavailable(f"The server of {shown} refused: {reason}.", detail=reason, code=code)


def is_transient(error: BaseException) -> bool:
    """Return True if waiting can help: the server is down, starting, stopping or out of connections."""
    if isinstance(error, asyncpg.PostgresError):
        return error.sqlstate in _TRANSIENT
    return isinstance(error, (OSError, asyncpg.InterfaceError)) and not isinstance(error, PermissionError)


def from_output(program: str, stderr: str, shown: str) -> SnapshotError:
    """Return the error for what one of libpq's programs wrote to stderr before it failed."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    first = next((line for line in lines if "error:" in line.lower()), lines[-1] if lines else "it gave no reason")
    # pg_dump puts the server's own words on a line after its own.
    first += "".join(f" ({line.partition(_SERVER_SAID)[2]})" for line in lines if _SERVER_SAID in line)
    low = stderr.lower()
    if any(word in low for word in _FULL_WORDS):
        return _full(first)
    if any(word in low for word in _DAMAGED_WORDS):
        return DatabaseDamaged(f"{program} met damage in {shown}: {first}.", path=shown, detail=first)
    if any(word in low for word in _BUSY_WORDS):
        return DatabaseBusy(f"{program} waited in vain for a lock in {shown}: {first}. Try again.", path=shown)
    return DatabaseUnavailable(f"{program} failed on {shown}: {first}.", detail=first)


def _full(reason: str) -> NotEnoughSpace:
    return NotEnoughSpace(
        f"The PostgreSQL server's disk is full: {reason}. Nothing half-done is left; make room there.",
        free=0,
        needed=0,
        minimum=0,
    )
