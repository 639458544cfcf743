"""Where a game of the tests keeps its data: a SQLite file, or a database on a real PostgreSQL server.

A storage lets a test look at the data from outside, without the game's code, and do to the database what a restore or
an accident does.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import threading
from collections.abc import Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import asyncpg

from cogs.card_game.address import postgres_dsn
from cogs.card_game.database import Database
from cogs.card_game.postgres import PostgresDatabase
from cogs.card_game.sqlite import SqliteDatabase
from tests.worlds.waiting import wait_until

__all__ = ["PostgresStorage", "Rows", "Server", "SqliteStorage", "Storage"]


T = TypeVar("T")
Rows = dict[str, list[tuple[Any, ...]]]


class Storage(Protocol):
    """One database, which may or may not be there."""

    url: str

    def database(self, **arguments: Any) -> Database:
        """Return the game's ``Database`` on it, not yet opened."""

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query on another connection, which sees only what was committed."""

    def rows(self) -> Rows:
        """Return every row of every table."""

    def orphans(self) -> list[tuple[Any, ...]]:
        """Return the rows that refer to nothing."""

    def is_held(self) -> bool:
        """Return True if the game is connected."""

    def is_free(self) -> bool:
        """Return True if the game is no longer connected."""

    def become(self, other: Storage) -> None:
        """Put another database where this one is, as a restore does."""

    def hide(self) -> None:
        """Remove the database."""

    def show(self) -> None:
        """Bring it back."""


class SqliteStorage:
    """A file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        self._away = path.with_name(f"{path.name}.away")

    def database(self, **arguments: Any) -> Database:
        """Return the game's ``Database`` on the file, not yet opened."""
        return SqliteDatabase(self.path, **arguments)

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query on a connection of its own."""
        with closing(sqlite3.connect(self.path)) as connection:
            rows: list[tuple[Any, ...]] = connection.execute(sql, values).fetchall()
            connection.commit()
            return rows

    def rows(self) -> Rows:
        """Return every row of every table, SQLite's own number keeping included."""
        names = [name for (name,) in self.query("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {name: sorted(self.query(f'SELECT * FROM "{name}"')) for name in names}

    def orphans(self) -> list[tuple[Any, ...]]:
        """Return what SQLite finds: it enforces foreign keys only on connections that ask for it."""
        return self.query("PRAGMA foreign_key_check")

    def is_held(self) -> bool:
        """Try what needs the file for oneself: SQLite leaves the write-ahead log only for the last connection."""
        with closing(sqlite3.connect(self.path, timeout=0)) as connection:
            try:
                ((mode,),) = connection.execute("PRAGMA journal_mode = DELETE").fetchall()
            except sqlite3.OperationalError:
                return True
            return bool(mode != "delete")

    def is_free(self) -> bool:
        """A connection that was closed is gone at once."""
        return not self.is_held()

    def become(self, other: Storage) -> None:
        """Move the other file over this one; what belongs to this one's log goes."""
        assert isinstance(other, SqliteStorage)
        for leftover in ("-wal", "-shm"):
            self.path.with_name(self.path.name + leftover).unlink(missing_ok=True)
        other.path.replace(self.path)

    def hide(self) -> None:
        """Rename the file."""
        self.path.rename(self._away)

    def show(self) -> None:
        """Rename it back; what was hidden must not have been replaced meanwhile."""
        assert not self.path.exists()
        self._away.rename(self.path)


class PostgresStorage:
    """A database on the tests' server."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self.url = server.url_of(name)

    def database(self, **arguments: Any) -> Database:
        """Return the game's ``Database`` on it, not yet opened."""
        return PostgresDatabase(postgres_dsn(self.url), **arguments)

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the tests' own connection."""
        numbers = itertools.count(1)
        numbered = "".join(f"${next(numbers)}" if character == "?" else character for character in sql)
        return self.server.query(self.name, numbered, *values)

    def rows(self) -> Rows:
        """Return every row of every table. (A sequence counts on through a rollback, so sequences are none.)"""
        names = self.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return {name: sorted(self.query(f'SELECT * FROM "{name}"')) for (name,) in names}

    def orphans(self) -> list[tuple[Any, ...]]:
        """Return what refers to nothing; all foreign keys of the game have one column."""
        keys = self.query(
            """
            SELECT conrelid::regclass::text, confrelid::regclass::text, mine.attname, theirs.attname
            FROM pg_constraint
            JOIN pg_attribute AS mine ON mine.attrelid = conrelid AND mine.attnum = conkey[1]
            JOIN pg_attribute AS theirs ON theirs.attrelid = confrelid AND theirs.attnum = confkey[1]
            WHERE contype = 'f'
            """
        )
        assert keys
        return [
            (table, *row)
            for table, other, column, key in keys
            for row in self.query(f"SELECT {column} FROM {table} WHERE {column} NOT IN (SELECT {key} FROM {other})")
        ]

    def is_held(self) -> bool:
        """Return True if the server serves anybody but the tests."""
        return bool(self.sessions())

    def is_free(self) -> bool:
        """The server's process for a connection that was closed gets the time to end."""
        wait_until(lambda: not self.sessions(), "the game's sessions ended")
        return True

    def sessions(self) -> list[int]:
        """Return the server's processes that serve somebody else than the tests."""
        found = self.server.query(
            "postgres",
            "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND application_name <> 'tests'",
            self.name,
        )
        return [pid for (pid,) in found]

    def end_sessions(self) -> None:
        """End everybody's connections, as an operator or a restore does."""
        for pid in self.sessions():
            self.server.query("postgres", "SELECT pg_terminate_backend($1, 5000)", pid)

    def become(self, other: Storage) -> None:
        """Rename both in one go."""
        assert isinstance(other, PostgresStorage)
        self.server.forget(self.name, other.name)
        self.end_sessions()
        self.server.query("postgres", f'ALTER DATABASE "{self.name}" RENAME TO "{self.name}_old"')
        self.server.query("postgres", f'ALTER DATABASE "{other.name}" RENAME TO "{self.name}"')

    def hide(self) -> None:
        """Rename the database."""
        self.server.forget(self.name)
        self.server.query("postgres", f'ALTER DATABASE "{self.name}" RENAME TO "{self.name}_away"')

    def show(self) -> None:
        """Rename it back; the server refuses if somebody has made another meanwhile."""
        self.server.query("postgres", f'ALTER DATABASE "{self.name}_away" RENAME TO "{self.name}"')


class Server:
    """A PostgreSQL server of the tests, asked from a thread with an event loop of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._numbers = itertools.count(1)
        self._connections: dict[str, Any] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tests' PostgreSQL", daemon=True)
        self._thread.start()

    def url_of(self, name: str) -> str:
        """Return a superuser's URL of a database."""
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()

    def make(self) -> PostgresStorage:
        """Create an empty database."""
        name = f"game_{next(self._numbers)}"
        self.query("postgres", f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
        return PostgresStorage(self, name)

    def remove(self, storage: PostgresStorage) -> None:
        """Drop a database, and what tests made of it."""
        self.forget(storage.name)
        for name in (storage.name, f"{storage.name}_old"):
            self.query("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def query(self, name: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query on a database."""
        return self._do(self._query(name, sql, *values))

    def forget(self, *names: str) -> None:
        """Close the tests' own connections to some databases."""
        for name in names:
            if connection := self._connections.pop(name, None):
                self._do(connection.close())

    def close(self) -> None:
        """Close the tests' connections."""
        self.forget(*list(self._connections))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _query(self, name: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
        if name not in self._connections:
            self._connections[name] = await asyncpg.connect(
                postgres_dsn(self.url_of(name)), server_settings={"application_name": "tests"}
            )
        return [tuple(row) for row in await self._connections[name].fetch(sql, *values)]

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)
