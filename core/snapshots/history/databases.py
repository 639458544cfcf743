"""One way to ask a database, whichever library reads it: APSW or the standard library's sqlite3.

Errors become ours: what the archive's reader raised passes as it is, SQL that is wrong is a QueryError, damage that was
in the database already when the snapshot was taken is a DatabaseDamaged.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseUnavailable,
    OperationCancelled,
    QueryError,
    SnapshotError,
)
from ..progress import Watch

__all__ = ["Database", "Row", "Value", "quoted"]

Value = int | float | str | bytes | None
Row = tuple[Value, ...]

_BUSY, _LOCKED, _INTERRUPT, _CORRUPT, _NOT_A_DATABASE, _AUTHORIZATION = 5, 6, 9, 11, 26, 23
_NOT_OURS = {7, 10, 13, 14}
"""Memory, input/output, a full disk, a file that cannot be opened."""
_CHECK_EVERY = 20_000
"""How many SQLite instructions pass between two looks at the deadline."""


def quoted(name: str) -> str:
    """Return a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


class Database:
    """An open database; ``name`` says in errors which state of it this is.

    ``connection`` is one of sqlite3's or one of APSW's. ``pages_read`` collects the numbers of the pages that were read
    since it was opened, or is None if that is not known.
    """

    def __init__(self, connection: Any, name: str, watch: Watch, pages_read: set[int] | None = None) -> None:
        self.connection = connection
        self.name = name
        self.watch = watch
        self.pages_read = pages_read
        connection.set_progress_handler(self._stop, _CHECK_EVERY)

    def rows(self, sql: str, values: Sequence[Value] = ()) -> Iterator[Row]:
        """Yield the rows of a query."""
        with self.translated():
            yield from self.connection.execute(sql, tuple(values))

    def all(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """Return the rows of a query."""
        return list(self.rows(sql, values))

    def one(self, sql: str, values: Sequence[Value] = ()) -> Row | None:
        """Return the first row of a query, or None if it has none."""
        return next(self.rows(sql, values), None)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the errors of either library into ours."""
        try:
            yield
        except SnapshotError:
            raise
        except UnicodeDecodeError as error:
            raise QueryError(f"A text in {self.name} is not Unicode: {error}.", detail=str(error)) from error
        except Exception as error:
            code = getattr(error, "result", None) or getattr(error, "sqlite_errorcode", None)
            if code is None and not isinstance(error, sqlite3.Error | ValueError | TypeError | OverflowError):
                raise
            raise self._translate(error, int(code or 1) & 0xFF) from error

    def _translate(self, error: Exception, code: int) -> SnapshotError:
        if code == _INTERRUPT:
            self.watch.check()
            return OperationCancelled("The operation was interrupted; nothing was changed.")
        if code in (_BUSY, _LOCKED):
            return DatabaseBusy(f"{self.name} is busy: another connection held its lock until the deadline.", path="")
        if code in (_CORRUPT, _NOT_A_DATABASE):
            return DatabaseDamaged(f"The database was damaged already in {self.name}: {error}.", detail=str(error))
        if code in _NOT_OURS:
            return DatabaseUnavailable(f"{self.name} cannot be read: {error}.", detail=str(error))
        if code == _AUTHORIZATION:
            return QueryError(f"Only reading is allowed here: {error}.", detail=str(error))
        return QueryError(f"SQLite refuses this for {self.name}: {error}.", detail=str(error))

    def _stop(self) -> bool:
        try:
            self.watch.check()
        except SnapshotError:
            return True
        return False
