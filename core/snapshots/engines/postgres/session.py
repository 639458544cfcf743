"""A connection of our own, used from blocking code: the worker does one thing at a time."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import asyncpg

from ...errors import DatabaseDamaged, DatabaseMissing, DatabaseUnavailable, SnapshotError
from ...progress import Watch
from .connecting.opening import Opened, close_session, open_session
from .connecting.raw_bytes import received, sent
from .connection import Address
from .errors import from_exception, is_transient
from .plain_dump.encodings import ANY_BYTES, text_of

__all__ = ["Session", "connected", "literal", "maintenance_session", "quoted"]

Value = TypeVar("Value")

_CHECK_EVERY = 0.2
"""How often, in seconds, a wait for the server checks the deadline."""
_CONNECT_TIMEOUT = 10.0
_RETRY_AFTER = 0.5
_WORTHWHILE = 64 * 1024
"""The size of a piece of a COPY, in bytes, from which waking up for it is worth its cost."""
_GATHER = 0.0002
_MAINTENANCE_DATABASES = ("postgres", "template1")


def quoted(*names: str) -> str:
    """Quote an identifier for SQL, qualified by the names before it."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def literal(text: str) -> str:
    """Quote a text as an SQL literal, where no parameter is allowed."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f" E'{escaped}'" if "\\" in text else f"'{escaped}'"


class Session:
    """An open connection. Every call checks the deadline while it waits, and raises only SnapshotErrors."""

    def __init__(self, runner: asyncio.Runner, opened: Opened, shown: str, watch: Watch) -> None:
        self._runner = runner
        self._connection = opened.connection
        self._facts = opened.facts
        self._shown = shown
        self._watch = watch
        self._in_bytes = opened.facts.encoding == ANY_BYTES

    @property
    def version(self) -> int:
        """The server's major version."""
        return int(self._connection.get_server_version().major)

    @property
    def encoding(self) -> str:
        """The name of the database's encoding, such as ``UTF8``."""
        return self._facts.encoding

    @property
    def search_path(self) -> str:
        """The search path of the role in this database; that of the session itself is empty."""
        return self._facts.search_path

    @contextlib.contextmanager
    def watched_by(self, watch: Watch) -> Iterator[None]:
        """Check another watch while the block runs."""
        before, self._watch = self._watch, watch
        try:
            yield
        finally:
            self._watch = before

    def execute(self, statement: str, *arguments: object) -> None:
        """Execute one statement, or several if there are no arguments."""
        self._wait(self._connection.execute(statement, *self._sent(arguments)))

    def count(self, statement: str) -> int:
        """Execute an INSERT, UPDATE or DELETE, and return how many rows it wrote."""
        return _counted(self._wait(self._connection.execute(statement)))

    def rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        found = self._wait(self._connection.fetch(query, *self._sent(arguments)))
        if self._in_bytes:
            return [tuple(map(received, row)) for row in found]
        return [tuple(row) for row in found]

    def columns_of(self, query: str) -> tuple[str, ...]:
        """Return the names of the columns of a query that begins with SELECT, of any types."""
        pieces: list[bytes] = []
        copying = self._connection.copy_from_query(
            f"{query} LIMIT 0", output=_passing_to(pieces.append), format="csv", header=True, encoding=self.encoding
        )
        self._wait(copying)
        return tuple(next(csv.reader([text_of(b"".join(pieces), self.encoding)]), ()))

    def roll_back(self) -> None:
        """End a transaction without its changes, if there is one; if the connection is lost, the server does."""
        with contextlib.suppress(Exception):
            if self._connection.is_in_transaction():
                self._runner.run(self._connection.execute("ROLLBACK"))

    def value(self, query: str, *arguments: object) -> Any:
        """Return the first column of the first row of a query, or None if there is no row."""
        rows = self.rows(query, *arguments)
        return rows[0][0] if rows else None

    def rows_of_game(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the game's tables.

        The server evaluates expressions of indexes without columns while it plans the query. A function of the game in
        them may find its own tables by the role's search path only, so that is used where the empty one does not do.
        """
        try:
            with self.savepoint():
                return self.rows(query)
        except DatabaseUnavailable as error:
            if "code" not in error.data:
                raise
            first = error
        try:
            with self.savepoint():
                self.value("SELECT pg_catalog.set_config('search_path', $1, false)", self.search_path)
                return self.rows(query)
        except DatabaseUnavailable:
            raise first from None
        finally:
            self.execute("SET search_path = ''")

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """Keep the transaction, if there is one, as it was before the block if the server refuses something in it."""
        if not self._connection.is_in_transaction():
            yield
            return
        self.execute("SAVEPOINT before_block")
        try:
            yield
        except DatabaseUnavailable as error:
            if "code" in error.data:
                self.execute("ROLLBACK TO SAVEPOINT before_block")
            raise
        self.execute("RELEASE SAVEPOINT before_block")

    def _sent(self, arguments: Sequence[object]) -> Iterable[object]:
        return map(sent, arguments) if self._in_bytes else arguments

    def copy(self, schema: str, table: str, columns: Sequence[str], sink: Callable[[bytes], object]) -> int:
        """Pass the output of ``COPY schema.table (columns) TO STDOUT`` to ``sink``, and return the number of rows."""
        # In the database's own encoding, so that bytes which are no text in another one come through as well.
        copying = self._connection.copy_from_table(
            table, columns=list(columns) or None, schema_name=schema, output=_passing_to(sink), encoding=self.encoding
        )
        return _counted(self._wait(copying))

    def copy_query(self, query: str, sink: Callable[[bytes], object]) -> None:
        """Pass the output of ``COPY (query) TO STDOUT`` to ``sink``, piece by piece."""
        copying = self._connection.copy_from_query(query, output=_passing_to(sink), encoding=self.encoding)
        self._wait(copying)

    def copy_in(
        self,
        schema: str,
        table: str,
        columns: Sequence[str],
        source: Iterable[bytes | memoryview],
        *,
        encoding: str,
        freeze: bool,
    ) -> int:
        """Execute ``COPY schema.table (columns) FROM STDIN`` with what ``source`` yields, which may wait.

        Returns the number of rows, as the server has counted them.
        """

        async def pieces() -> AsyncIterator[bytes | memoryview]:
            for piece in source:
                yield piece

        copying = self._connection.copy_to_table(
            table,
            columns=list(columns) or None,
            schema_name=schema,
            source=pieces(),
            encoding=encoding,
            freeze=freeze or None,
        )
        return _counted(self._wait(self._while_connected(copying)))

    async def _while_connected(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        """Await a COPY; asyncpg itself waits for ever if the connection is lost while it may not write."""
        task = asyncio.ensure_future(coroutine)
        try:
            while not (await asyncio.wait({task}, timeout=_CHECK_EVERY))[0]:
                if self._connection.is_closed():
                    raise asyncpg.ConnectionDoesNotExistError("the connection was lost in the middle of a COPY")
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=5.0)

    @contextlib.contextmanager
    def cursor(self, query: str) -> Iterator[Callable[[int], list[tuple[Any, ...]]]]:
        """Yield a function that returns the next rows of a query, at most as many as asked for; none at the end."""
        self.execute("BEGIN READ ONLY")
        try:
            cursor = self._wait(self._cursor(query))
            yield lambda count: [tuple(row) for row in self._wait(cursor.fetch(count))]
        finally:
            with contextlib.suppress(Exception):
                self._runner.run(self._connection.execute("ROLLBACK"))

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[str]:
        """Hold one state of the database while the block runs, and yield the name under which others can import it."""
        self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield str(self.value("SELECT pg_catalog.pg_export_snapshot()"))
        finally:
            # If the connection is lost, the server ends the transaction itself.
            with contextlib.suppress(Exception):
                self._runner.run(self._connection.execute("ROLLBACK"))

    async def _cursor(self, query: str) -> Any:
        return await self._connection.cursor(query)

    def _wait(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        return self._runner.run(_watched(coroutine, self._watch, self._shown))


def _counted(status: object) -> int:
    """Return the number of rows in what the server says at the end of a COPY: ``COPY 12``."""
    return int(str(status).rpartition(" ")[2])


def _passing_to(sink: Callable[[bytes], object]) -> Callable[[bytes], Coroutine[Any, Any, None]]:
    async def take(piece: bytes) -> None:
        sink(piece)
        _let_more_come(piece)

    return take


def _let_more_come(piece: bytes) -> None:
    """Wait a little after a small piece of a COPY: nothing else runs in this loop.

    The server sends 8 KiB at a time, and waking up for each takes more time than reading it.
    """
    if len(piece) < _WORTHWHILE:
        time.sleep(_GATHER)


async def _watched(coroutine: Coroutine[Any, Any, Value], watch: Watch, shown: str) -> Value:
    task = asyncio.ensure_future(coroutine)
    try:
        while not (await asyncio.wait({task}, timeout=_CHECK_EVERY))[0]:
            watch.check()
        return task.result()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise from_exception(error, shown) from error
    finally:
        if not task.done():
            task.cancel()  # asyncpg cancels the query on the server as well
            await asyncio.wait({task}, timeout=5.0)


@contextlib.contextmanager
def connected(
    address: Address, watch: Watch, *, lock_timeout: float | None, patience: float = 0.0
) -> Iterator[Session]:
    """Yield a session, and close it at the end.

    ``lock_timeout`` limits how long its statements wait for locks (None: no limit), ``patience`` how long to wait for
    a server that is down; both in seconds. Raises DatabaseMissing, DatabaseUnavailable, DatabaseDamaged, and what the
    watch raises.
    """
    watch.check()
    with asyncio.Runner() as runner:
        settings = {"lock_timeout": str(0 if lock_timeout is None else max(1, int(lock_timeout * 1000)))}
        opened = runner.run(_watched(_open(address, settings, patience), watch, address.shown))
        try:
            yield Session(runner, opened, address.shown, watch)
        finally:
            runner.run(close_session(opened))


async def _open(address: Address, settings: dict[str, str], patience: float) -> Opened:
    until = time.monotonic() + patience
    while True:
        try:
            return await open_session(address, _CONNECT_TIMEOUT, settings)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            if isinstance(error, SnapshotError) or not is_transient(error) or time.monotonic() + _RETRY_AFTER > until:
                raise
        await asyncio.sleep(_RETRY_AFTER)


@contextlib.contextmanager
def maintenance_session(
    address: Address, watch: Watch, *, lock_timeout: float, patience: float = 0.0
) -> Iterator[Session]:
    """Yield a session in a database of the server other than the game's; raises like ``connected``."""
    with contextlib.ExitStack() as stack:
        yield _first(stack, address, watch, lock_timeout, patience)


def _first(
    stack: contextlib.ExitStack, address: Address, watch: Watch, lock_timeout: float, patience: float
) -> Session:
    refused: SnapshotError | None = None
    for name in _MAINTENANCE_DATABASES:
        if name == address.database:
            continue
        candidate = connected(address.with_database(name), watch, lock_timeout=lock_timeout, patience=patience)
        try:
            return stack.enter_context(candidate)
        except (DatabaseMissing, DatabaseUnavailable, DatabaseDamaged) as error:
            refused = refused or error
    assert refused is not None
    if isinstance(refused, DatabaseMissing):
        raise DatabaseUnavailable(
            f"{address.shown} has neither a database postgres nor template1 to work from; create one of them."
        ) from refused
    raise refused
