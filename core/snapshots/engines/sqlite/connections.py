"""Connections to SQLite that obey the deadline, do not checkpoint, and raise SnapshotErrors."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from ...errors import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseMissing,
    DatabaseUnavailable,
    NotEnoughSpace,
    OperationCancelled,
    SnapshotError,
)
from ...progress import Watch
from .access import interrupted_error, is_frozen, is_on_read_only_volume, read_only_error, require_harmless
from .definitions import is_destroyed
from .diagnosis import is_foreign_schema

__all__ = [
    "attach_watch",
    "read_transaction",
    "reading",
    "reading_image",
    "schema_problem",
    "translating_errors",
    "writing",
]

_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT")
_DAMAGED_TEXT = "unsupported file format"
"""The message for a header with an unknown schema format, for which SQLite has no error code of its own."""
_NEEDS_RECOVERY = ("SQLITE_READONLY_RECOVERY", "SQLITE_READONLY_ROLLBACK", "SQLITE_READONLY_CANTINIT")
_CHECK_EVERY = 20_000
"""The number of SQLite instructions between two checks of the deadline: well under a millisecond."""


class _Connection(sqlite3.Connection):
    """A connection that knows which part of the schema this SQLite does not understand."""

    schema_problem: str | None = None


def schema_problem(connection: sqlite3.Connection) -> str | None:
    """Return what this SQLite does not understand of the schema, or None if it understands all of it."""
    return getattr(connection, "schema_problem", None)


def _read_schema(connection: _Connection) -> None:
    """Make SQLite read the schema; what a newer SQLite put there is left out, in place of refusing the whole database.

    ``writable_schema`` makes SQLite pass over what it cannot parse (https://www.sqlite.org/pragma.html). Nothing is
    written with it: these connections read, or copy whole pages. Raises the error if the definition was destroyed.
    """
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        if not is_foreign_schema(str(error)):
            raise
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if is_destroyed(connection, str(error)):
            # Without the reason, as SQLite itself says it of a definition that no version of it would write.
            raise _destroyed(str(error).partition(" - ")[0]) from error
        connection.schema_problem = str(error)


def _destroyed(message: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(message)
    error.sqlite_errorname = "SQLITE_CORRUPT"
    return error


@contextlib.contextmanager
def translating_errors(path: Path, watch: Watch) -> Iterator[None]:
    """Turn sqlite3 errors of the ``with`` block into SnapshotErrors; an interruption becomes the error behind it."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, path, watch) from error
    except UnicodeDecodeError as error:
        # The message of SQLite quotes a name in the schema that is not valid UTF-8 any more.
        raise _damaged(path, error.object.decode("utf-8", "replace")) from error


def _damaged(path: Path, detail: str) -> DatabaseDamaged:
    return DatabaseDamaged(f"The database {path.name} is damaged: {detail}.", path=str(path), detail=detail)


def _translate(error: sqlite3.Error, path: Path, watch: Watch) -> SnapshotError:
    name = getattr(error, "sqlite_errorname", None) or ""
    if name.startswith("SQLITE_INTERRUPT"):
        watch.check()
        return OperationCancelled("The operation was interrupted; nothing half-done is left.")
    if name.startswith(_BUSY):
        return DatabaseBusy(
            f"The database {path.name} is busy: another connection held its lock until the deadline. Try again when "
            "the game is quieter, or find the transaction that is left open.",
            path=str(path),
        )
    if name.startswith(_DAMAGED) or str(error) == _DAMAGED_TEXT:
        return _damaged(path, str(error))
    if name.startswith("SQLITE_FULL"):
        return NotEnoughSpace(f"The disk filled up while working on {path.name}.", path=str(path))
    return DatabaseUnavailable(
        f"The database {path.name} cannot be used: {error} ({name or type(error).__name__}). This says nothing about "
        "damage: check the path, the permissions and the disk.",
        path=str(path),
        detail=str(error),
    )


@contextlib.contextmanager
def reading(path: Path, busy_timeout: float, watch: Watch) -> Iterator[sqlite3.Connection]:
    """Open a live database for reading.

    It is opened read-only, because such a connection cannot checkpoint, not even when it is the last to close (SQLite
    3.7.0 to 3.51.2 can lose a WAL reset in a race of checkpoints). Only a database that must first be recovered from a
    crash is opened for writing, because SQLite recovers through a writer. Raises DatabaseMissing, DatabaseBusy,
    DatabaseDamaged, DatabaseUnavailable, and what the watch raises.
    """
    with translating_errors(path, watch):
        try:
            _require_file(path)
            require_harmless(path)
            connection = _open(path, "ro", busy_timeout, watch)
        except sqlite3.OperationalError as error:
            connection = _open_otherwise(path, error, busy_timeout, watch)
        with contextlib.closing(connection):
            yield connection


def _open_otherwise(
    path: Path, error: sqlite3.OperationalError, busy_timeout: float, watch: Watch
) -> sqlite3.Connection:
    """Open a database that cannot be opened for reading: for recovery, or as a file that nobody can change."""
    name = getattr(error, "sqlite_errorname", None) or ""
    if name.startswith((*_NEEDS_RECOVERY, "SQLITE_CANTOPEN")) and is_on_read_only_volume(path):
        if name.startswith("SQLITE_READONLY_ROLLBACK"):
            raise interrupted_error(path) from error
        if is_frozen(path):
            return _open(path, "ro&immutable=1", busy_timeout, watch)
        raise read_only_error(path) from error
    if not name.startswith(_NEEDS_RECOVERY):
        raise error
    return _open(path, "rw", busy_timeout, watch)


@contextlib.contextmanager
def writing(path: Path, busy_timeout: float, watch: Watch) -> Iterator[sqlite3.Connection]:
    """Open a live database for writing, without automatic checkpoints. Raises like ``reading``."""
    with translating_errors(path, watch), contextlib.closing(_open(path, "rw", busy_timeout, watch)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        yield connection


@contextlib.contextmanager
def reading_image(image: Path, watch: Watch) -> Iterator[sqlite3.Connection]:
    """Open a private image that nobody writes: without locks, recovery or files beside it."""
    with translating_errors(image, watch):
        # Only one thread at a time uses a connection, but not always the one that opened it.
        connection = sqlite3.connect(
            f"{image.absolute().as_uri()}?mode=ro&immutable=1",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            factory=_Connection,
        )
        with contextlib.closing(connection):
            attach_watch(connection, watch)
            _read_schema(connection)
            yield connection


def _open(path: Path, mode: str, busy_timeout: float, watch: Watch) -> sqlite3.Connection:
    _require_file(path)
    timeout = busy_timeout if watch.remaining() is None else min(busy_timeout, max(0.0, watch.remaining() or 0.0))
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
        factory=_Connection,
    )
    try:
        attach_watch(connection, watch)
        # At the first read SQLite opens the files, recovers from a crash and finds out if this is a database.
        _read_schema(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _require_file(path: Path) -> None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DatabaseMissing(f"There is no database at {path}.", path=str(path)) from error
    except OSError as error:
        raise DatabaseUnavailable(f"The database {path} cannot be accessed: {error}.", path=str(path)) from error
    if stat.S_ISDIR(status.st_mode):
        raise DatabaseUnavailable(f"{path} is a folder, not a database.", path=str(path))
    if not stat.S_ISREG(status.st_mode):
        raise DatabaseUnavailable(f"{path} is a pipe, a socket or a device, not a database.", path=str(path))
    if status.st_size == 0:
        # SQLite must not open it: it would delete the log beside an empty file, which may hold all that is left.
        raise DatabaseMissing(f"The database {path.name} is empty: there is nothing in it yet.", path=str(path))


def attach_watch(connection: sqlite3.Connection, watch: Watch) -> None:
    """Let the watch interrupt any statement, and decode names that damage has made invalid."""
    connection.text_factory = lambda text: text.decode("utf-8", "replace")

    def stop() -> bool:
        try:
            watch.check()
        except SnapshotError:
            return True
        return False

    connection.set_progress_handler(stop, _CHECK_EVERY)


@contextlib.contextmanager
def read_transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold one read transaction: every statement in the ``with`` block sees the same committed state."""
    connection.execute("BEGIN")
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield
    finally:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
