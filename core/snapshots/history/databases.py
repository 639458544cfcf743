"""One way to ask a database, whichever library reads it: APSW or the standard library's sqlite3.

Errors become ours: what the archive's reader raised passes as it is, SQL that is wrong is a QueryError, damage that was
in the database already when the snapshot was taken is a DatabaseDamaged.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
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
_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
_FUNCTION = sqlite3.SQLITE_FUNCTION
_PRAGMAS = {"data_version", "page_size"}
"""What full-text search asks on the way."""
_VIRTUAL_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%'"
_EFFECTS = {"load_extension", "fts3_tokenizer", "writefile", "edit"}
_ONE_QUERY = "One query at a time, please."
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
        self._steps_left: int | None = None
        connection.set_progress_handler(self._stop, _CHECK_EVERY)

    def rows(self, sql: str, values: Sequence[Value] = ()) -> Iterator[Row]:
        """Yield the rows of a query."""
        with self.translated():
            yield from self.connection.execute(sql, tuple(values))

    def all(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """Return the rows of a query."""
        return list(self.rows(sql, values))

    def allow_only_reading(self, steps: int) -> None:
        """Refuse everything but queries from now on, and end one that takes more than so many steps of SQLite."""
        self._connect_virtual_tables()
        self._steps_left = steps
        self.connection.set_authorizer(_authorize)

    def _connect_virtual_tables(self) -> None:
        """Let modules such as fts5 and rtree prepare their statements, writing ones too, before those are refused."""
        with self.translated():
            names = self.connection.execute(_VIRTUAL_TABLES).fetchall()
        for (name,) in names:
            with suppress(QueryError, DatabaseDamaged), self.translated():
                self.connection.execute(f"SELECT 1 FROM {quoted(name)} LIMIT 0")

    def query(self, sql: str, most: int) -> tuple[tuple[str, ...], list[Row]]:
        """Return the columns of a single query, and at most so many of its rows; raise QueryError."""
        with self.translated():
            if isinstance(self.connection, sqlite3.Connection):
                cursor = _only_query(self.connection, sql)
                return tuple(each[0] for each in cursor.description or ()), cursor.fetchmany(most)
            return _query_apsw(self.connection, sql, most)

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
            if self._steps_left is not None and self._steps_left < 0:
                return QueryError(
                    "The query takes too many steps: ask for less, or by columns that have an index.", too_long=True
                )
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
        if self._steps_left is not None:
            self._steps_left -= _CHECK_EVERY
            return self._steps_left < 0
        return False


def _authorize(action: int, first: str | None, second: str | None, schema: str | None, trigger: str | None) -> int:
    if action == _FUNCTION:
        return sqlite3.SQLITE_DENY if (second or "").lower() in _EFFECTS else sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and first in _PRAGMAS and second is None:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY


def _only_query(connection: sqlite3.Connection, sql: str) -> sqlite3.Cursor:
    try:
        return connection.execute(sql)
    except (sqlite3.Warning, sqlite3.ProgrammingError) as error:
        if "one statement" in str(error):
            raise QueryError(_ONE_QUERY) from error
        raise


def _query_apsw(connection: Any, sql: str, most: int) -> tuple[tuple[str, ...], list[Row]]:
    columns: list[tuple[str, ...]] = []

    def note(cursor: Any, statement: str, bindings: object) -> bool:
        columns.append(tuple(each[0] for each in cursor.get_description()))
        if len(columns) > 1:
            raise QueryError(_ONE_QUERY)
        return True

    cursor = connection.cursor()
    cursor.exec_trace = note
    rows = []
    for row in cursor.execute(sql):
        rows.append(row)
        if len(rows) >= most:
            break
    cursor.close(True)
    return columns[0] if columns else (), rows
