"""The databases of the demonstration: a SQLite file in ``demo/``, or a database of its own on a PostgreSQL server.

A stage reads its database without any of Savepoint's code, and damages it as accidents do. The database that
DATABASE_URL names stays untouched: on its server, the demonstration makes another one.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import asyncpg

__all__ = ["FileStage", "Rows", "ServerStage", "Stage", "StageError", "stage_for"]

Rows = dict[str, list[tuple[Any, ...]]]
"""Every row of every table, by the table's name."""

SEED = 20261123
DATABASE = "savepoint_demo"
MARK = "savepoint_demonstration"
"""An empty schema that marks the database as the demonstration's; a restore brings it back, unlike a comment."""

_OURS = rf"^{DATABASE}(_before_\d{{8}}t\d+z)?$"


class StageError(Exception):
    """There is no database for the demonstration; the sentence says why."""


class Stage(Protocol):
    """A database of the demonstration."""

    accident: str
    """What happens to it, as a heading."""

    by_hand: str
    """How to restore it without Savepoint, as a sentence."""

    settings: Mapping[str, str]
    """The settings of Savepoint that this accident needs, as variables of the environment."""

    temporary: bool
    """Whether the database is removed after the demonstration."""

    async def prepare(self) -> str:
        """Remove what is left of an earlier demonstration and return the URL. Raises StageError."""

    async def rows(self) -> Rows:
        """Read every row of every table."""

    async def execute(self, statement: str) -> None:
        """Commit a statement behind the game's back."""

    async def damage(self) -> list[str]:
        """Damage the database; return what was done and the engine's error, as lines."""

    def kept(self, name: str, repository: Path) -> str | None:
        """Return where the damaged database is that a restore kept under ``name``; None if it will be removed."""


def stage_for(url: str | None, folder: Path, *, temporary: bool = False) -> Stage:
    """Return the stage on the PostgreSQL server that a URL names, or a file in the folder for any other URL.

    A ``temporary`` server is removed after the demonstration.
    """
    if url is not None and urlsplit(url).scheme.partition("+")[0] in ("postgresql", "postgres"):
        return ServerStage(url, temporary=temporary)
    return FileStage(folder / "game.db")


class FileStage:
    """A SQLite file, in a folder that exists; a failing disk overwrites its middle."""

    accident = "The disk damages the database"
    by_hand = "gunzip turns latest.db.gz into the database."
    settings: Mapping[str, str] = {}
    temporary = False

    def __init__(self, path: Path) -> None:
        self._path = path

    async def prepare(self) -> str:
        """Return the URL; the game makes the file."""
        return f"sqlite:///{self._path.as_posix()}"

    async def rows(self) -> Rows:
        """Read the file through SQLite."""
        return await asyncio.to_thread(self._rows)

    def _rows(self) -> Rows:
        with closing(sqlite3.connect(self._path)) as database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: sorted(database.execute(f'SELECT * FROM "{name}"'), key=repr) for name in tables}

    async def execute(self, statement: str) -> None:
        """Commit a statement over a connection of its own."""
        await asyncio.to_thread(self._execute, statement)

    def _execute(self, statement: str) -> None:
        with closing(sqlite3.connect(self._path, timeout=30)) as database, database:
            database.execute(statement)

    async def damage(self) -> list[str]:
        """Overwrite a quarter of the file with noise."""
        return await asyncio.to_thread(self._damage)

    def _damage(self) -> list[str]:
        size = self._path.stat().st_size
        start, length = size // 3, size // 4
        with self._path.open("r+b") as file:
            file.seek(start)
            file.write(random.Random(SEED).randbytes(length))
        lines = [f"{length:,} of the {size:,} bytes of {self._path} are overwritten with noise."]
        try:
            self._rows()
        except sqlite3.DatabaseError as error:
            lines.append(f"SQLite says: {error}.")
        return lines

    def kept(self, name: str, repository: Path) -> str | None:
        """Return its path: a restore moved it into the repository."""
        return f"in {repository / 'quarantine' / name}"


class ServerStage:
    """A database on a PostgreSQL server, in which a clean-up script goes wrong.

    ``url`` names any database on the server, for a role that may create one. A ``temporary`` server is removed after
    the demonstration.
    """

    accident = "A clean-up script removes the players' cards"
    by_hand = "gunzip -c latest.sql.gz | psql loads it into an empty database."
    # A table that is missing can be meant, so by default only a database that cannot be read is restored by itself.
    settings: Mapping[str, str] = {
        "BACKUP_DATABASE_CRITICAL_TABLES": '["users", "cards", "creator_packs", "user_cards"]',
        "BACKUP_STARTUP_RESTORE": "errors",
    }

    def __init__(self, url: str, *, temporary: bool = False) -> None:
        parts = urlsplit(url)
        self.temporary = temporary
        self._server = parts._replace(scheme="postgresql").geturl()
        self._url = parts._replace(scheme="postgresql", path=f"/{DATABASE}").geturl()

    async def prepare(self) -> str:
        """Make the database anew; raise StageError if there is one of its name that no demonstration made."""
        try:
            async with _connected(self._server) as server:
                await self._remove(server)
                await server.execute(f"CREATE DATABASE {DATABASE}")
            async with _connected(self._url) as database:
                await database.execute(f"CREATE SCHEMA {MARK}")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StageError(f"No database {DATABASE} can be made on the server of DATABASE_URL: {error}") from error
        return self._url

    async def _remove(self, server: Any) -> None:
        """Remove the databases of an earlier demonstration, also those that its restores kept."""
        found = await server.fetch("SELECT datname FROM pg_database WHERE datname ~ $1 ORDER BY 1", _OURS)
        names = [name for (name,) in found]
        if DATABASE in names:
            async with _connected(self._url) as database:
                if await database.fetchval("SELECT to_regnamespace($1)", MARK) is None:
                    raise StageError(
                        f"The server has a database {DATABASE} that no demonstration made: rename it or drop it."
                    )
        for name in names:
            await server.execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def rows(self) -> Rows:
        """Read every table of the public schema."""
        async with _connected(self._url) as database:
            names = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            return {
                name: sorted((tuple(row) for row in await database.fetch(f'SELECT * FROM "{name}"')), key=repr)
                for (name,) in names
            }

    async def execute(self, statement: str) -> None:
        """Commit a statement over a connection of its own."""
        async with _connected(self._url) as database:
            await database.execute(statement)

    async def damage(self) -> list[str]:
        """Drop the table of the players' cards, and with it the constraints that refer to it."""
        async with _connected(self._url) as database:
            await database.execute("DROP TABLE user_cards CASCADE")
            lines = [f"DROP TABLE user_cards CASCADE, in the database {DATABASE}."]
            try:
                await database.execute("SELECT count(*) FROM user_cards")
            except asyncpg.PostgresError as error:
                lines.append(f"PostgreSQL says: {error}.")
        return lines

    def kept(self, name: str, repository: Path) -> str | None:
        """Return its new name on the server, unless that is removed."""
        return None if self.temporary else f"the database {name} on the same server"


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        yield connection
    finally:
        await connection.close()
