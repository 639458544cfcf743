"""A PostgreSQL server of the benchmarks' own, with a card game's database of any size on it.

The server syncs every commit, unlike that of the tests. The game is that of ``benchmarks.game``, written day after day
with the indexes there from the beginning.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from cogs.card_game import schema
from cogs.card_game.database import Database
from cogs.card_game.postgres import PostgresDatabase
from demonstration import local_postgres

from ..game import MEGABYTE, SEED, History

__all__ = ["SETTINGS", "Server", "served"]

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
}
"""The settings of a small server on which the usual defaults were changed."""

_GAME = "game"
_INSERT = re.compile(r"INSERT INTO (\w+) \(([\w, ]+)\) VALUES")
_ONE_PLAYED = (
    "INSERT INTO dust_transactions (user_id, amount, reason, made_at) "
    "SELECT id, 7, 'played', '2034-01-01' FROM users ORDER BY id OFFSET {row} LIMIT 1;\n"
)


class Server:
    """A server, and the programs of its version; ``url`` is that of the game's database."""

    def __init__(self, url: str, major: int) -> None:
        self.major = major
        self.programs = local_postgres.binaries(major)
        self._server = url
        self.url = self.url_of(_GAME)

    def url_of(self, name: str) -> str:
        """Return the URL of a database."""
        return urlsplit(self._server)._replace(path=f"/{name}").geturl()

    def ask(self, sql: str, name: str = "postgres") -> str:
        """Run statements, each a transaction, and return what psql prints."""
        command = [str(self.programs / "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.url_of(name)]
        return subprocess.run(command, input=sql, check=True, capture_output=True, text=True).stdout.strip()

    def size(self) -> int:
        """Return the size of the game's database, in bytes."""
        return int(self.ask(f"SELECT pg_database_size('{_GAME}')"))

    def play(self, count: int) -> None:
        """Commit ``count`` small transactions, so that the next snapshot is of another state."""
        self.ask("".join(_ONE_PLAYED.format(row=row) for row in range(count)), _GAME)

    def rows(self, name: str) -> str:
        """Return how many rows each table of a database has, as text."""
        return self.ask("; ".join(f"SELECT '{table}', count(*) FROM {table}" for table in schema.TABLES), name)

    def create(self, name: str) -> None:
        """Make an empty database."""
        self.ask(f"CREATE DATABASE {name} TEMPLATE template0")

    def drop(self, name: str) -> None:
        """Remove a database if it is there."""
        self.ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def settle(self) -> None:
        """Checkpoint, and sync the disk, so that what is measured next does not wait for earlier writes."""
        self.ask("CHECKPOINT")
        os.sync()


@contextlib.contextmanager
def served(megabytes: int, major: int | None) -> Iterator[Server]:
    """Start a server with a game of so many MB (10^6 bytes, as ``pg_database_size`` says) and a little more."""
    major = max(local_postgres.installed_majors()) if major is None else major
    with local_postgres.running(major, **SETTINGS) as url:
        server = Server(url, major)
        server.create(_GAME)
        _fill(server, megabytes)
        server.ask("VACUUM ANALYZE", _GAME)
        yield server


def _fill(server: Server, megabytes: int) -> None:
    with asyncio.Runner() as runner:
        connection = runner.run(_begun(server.url))
        try:
            history = History(_Copies(runner, connection), random.Random(SEED))
            while server.size() < megabytes * MEGABYTE:
                history.add_day()
        finally:
            runner.run(connection.close())


async def _begun(url: str) -> Any:
    """Create the tables, and return a connection that writes as fast as possible while still logging."""
    database: Database = PostgresDatabase(url)
    await database.open()
    async with database.creating() as transaction:
        await schema.create(transaction, database.identity)
        await schema.seed(transaction)
    await database.close()
    connection = await asyncpg.connect(url)
    await connection.execute("SET synchronous_commit = off; SET session_replication_role = replica")
    return connection


class _Copies:
    """The connection that a history is written through: rows are copied."""

    def __init__(self, runner: asyncio.Runner, connection: Any) -> None:
        self._runner = runner
        self._connection = connection

    def execute(self, sql: str, /) -> Any:
        """Run a query."""
        return _Rows(self._runner.run(self._connection.fetch(sql)))

    def executemany(self, sql: str, rows: Iterable[Any], /) -> None:
        """Copy rows into the table that the statement names."""
        found = _INSERT.match(sql)
        assert found is not None
        copying = self._connection.copy_records_to_table(
            found[1], records=list(rows), columns=[name.strip() for name in found[2].split(",")]
        )
        self._runner.run(copying)


class _Rows:
    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows."""
        return [tuple(row) for row in self._rows]
