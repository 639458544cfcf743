"""Real PostgreSQL servers for the tests, and the small game of ``game_database`` in them.

A server is started once per version and test process, and goes with that process. Every test has a database and a role
of its own. What is blocking here runs in a thread with an event loop of its own, so that asynchronous tests can use it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
import itertools
import os
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import pytest

from core.snapshots import Settings, Snapshot
from demonstration import local_postgres
from tests.worlds.game_database import CRITICAL_TABLES
from tests.worlds.service_world import ServiceWorld

Value = TypeVar("Value")

MAJORS = local_postgres.installed_majors()
EXPECTED = (15, 16, 18)
"""The versions that the tests run on: 16 and 18 come with requirements-dev.txt, 15 from a distribution that has it."""
NEWEST = max(MAJORS, default=18)
OLDEST = min(MAJORS, default=15)
"""For what does not depend on the version, where a distribution's server can do more: ICU and extensions."""

_QUIET = {
    # Nothing but commits moves the write-ahead log, so that the probe's token can be compared.
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "checkpoint_timeout": "1h",
}
_numbers = itertools.count(1)
_stack = contextlib.ExitStack()


def needs(major: int) -> Any:
    """Return a parameter for a test on one version: a named skip if it is not installed."""
    why = f"PostgreSQL {major} is not installed on this machine (found: {MAJORS or 'none'})"
    return pytest.param(major, id=f"postgresql{major}", marks=pytest.mark.skipif(major not in MAJORS, reason=why))


@functools.cache
def server(major: int = NEWEST) -> str:
    """Return a superuser's URL on the server of this test process; fail if none can be started."""
    return _stack.enter_context(local_postgres.running(major, **_QUIET))


def fresh_server(major: int = NEWEST) -> contextlib.AbstractContextManager[str]:
    """Return a server that a test may kill."""
    return local_postgres.running(major, **_QUIET)


def in_thread(work: Callable[[], Awaitable[Value]]) -> Value:
    """Run asynchronous work to its end, also from within a loop."""

    async def main() -> Value:
        return await work()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, main()).result()


def with_database(url: str, name: str, user: str | None = None, password: str | None = None) -> str:
    """Return a server's URL for another database, and for another user on request."""
    parts = urlsplit(url)
    who = quote(user or "postgres", safe="") + (f":{quote(password, safe='')}" if password else "")
    return f"postgresql://{who}@/{quote(name, safe='')}?{parts.query}"


def over_tcp(url: str) -> str:
    """Return the same URL over TCP, where the server asks for a password."""
    parts = urlsplit(url)
    port = parse_qs(parts.query)["port"][0]
    return f"postgresql://{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}{parts.path}"


def folder_of(url: str) -> Path:
    """Return the server's data folder."""
    return Path(parse_qs(urlsplit(url).query)["host"][0]) / "data"


def run_sql(url: str, *statements: str) -> None:
    """Run statements, each by itself."""

    async def work() -> None:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    in_thread(work)


def ask(url: str, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""

    async def work() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()

    return in_thread(work)


def databases_of(url: str) -> set[str]:
    """Return the names of a server's databases besides its own."""
    names = {str(name) for (name,) in ask(url, "SELECT datname FROM pg_database")}
    return names - {"postgres", "template0", "template1", _TEMPLATE}


_TEMPLATE = "a_game"
_SCHEMA = """
CREATE TABLE users (
    id integer PRIMARY KEY,
    name text NOT NULL UNIQUE,
    dust integer NOT NULL CHECK (dust >= 0),
    cards_owned integer NOT NULL DEFAULT 0
);
CREATE TABLE cards (id integer PRIMARY KEY, name text NOT NULL, rarity text NOT NULL, story text NOT NULL);
CREATE TABLE creator_packs (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    creator_id integer NOT NULL REFERENCES users (id),
    title text NOT NULL,
    cards_data text
);
CREATE TABLE user_cards (
    id serial PRIMARY KEY,
    user_id integer NOT NULL REFERENCES users (id),
    card_id integer NOT NULL REFERENCES cards (id)
);
CREATE INDEX user_cards_by_user ON user_cards (user_id);
INSERT INTO users (id, name, dust)
    SELECT i, E'Spieler Ö\\t\\\\.\\n' || i || repeat('·', i % 30), 1000 FROM generate_series(1, 60) i;
INSERT INTO cards SELECT i, 'Card ' || i, (ARRAY['common', 'rare', 'epic'])[1 + i % 3], repeat(md5(i::text), 28)
    FROM generate_series(1, 32) i;
INSERT INTO creator_packs (creator_id, title, cards_data)
    SELECT i, 'Pack of ' || i, json_build_array(json_build_object('card', i))::text FROM generate_series(1, 60) i;
INSERT INTO user_cards (user_id, card_id) SELECT i, 1 + i % 32 FROM generate_series(1, 60) i;
UPDATE users SET cards_owned = 1;
"""
_PLAY = """
WITH gift AS (UPDATE users SET dust = dust - 5 WHERE id = 1 RETURNING 1),
     card AS (INSERT INTO user_cards (user_id, card_id) VALUES (2, 3) RETURNING 1)
UPDATE users SET dust = dust + 5, cards_owned = cards_owned + 1 WHERE id = 2
"""


@functools.cache
def _template(server_url: str) -> None:
    run_sql(server_url, f"CREATE DATABASE {_TEMPLATE}")
    run_sql(with_database(server_url, _TEMPLATE), _SCHEMA)


class PostgresGame:
    """One small game in a database of its own, that belongs to a role of its own; ``create`` makes the database.

    The server is that of the test process unless another is given; ``createdb`` is the role's right.
    """

    def __init__(self, server_url: str | None = None, *, name: str | None = None, createdb: bool = True) -> None:
        self.server = server_url or server()
        number = f"{os.getpid()}_{next(_numbers)}"
        self.name = name or f"game_{number}"
        self.role = f"role_{number}"
        self.password = f"p@ss:w/o\\rd?#{number}"
        _template(self.server)
        options = "CREATEDB" if createdb else "NOCREATEDB"
        run_sql(self.server, f"CREATE ROLE {self.role} LOGIN {options} PASSWORD '{self.password}'")

    @property
    def url(self) -> str:
        """The game's URL, as its own role, over the Unix socket."""
        return with_database(self.server, self.name, self.role)

    @property
    def tcp_url(self) -> str:
        """The game's URL over TCP, with its password."""
        return over_tcp(with_database(self.server, self.name, self.role, self.password))

    @property
    def superuser(self) -> str:
        """The game's URL as a superuser."""
        return with_database(self.server, self.name)

    @property
    def quoted(self) -> str:
        """The database's name for SQL."""
        return '"' + self.name.replace('"', '""') + '"'

    def create(self) -> None:
        """Make the game's database."""
        run_sql(self.server, f"CREATE DATABASE {self.quoted} TEMPLATE {_TEMPLATE} OWNER {self.role}")
        own = " ".join(f"ALTER TABLE {table} OWNER TO {self.role};" for table in CRITICAL_TABLES)
        run_sql(self.superuser, own)

    def contents(self, name: str | None = None) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of every table of the game, or of another database."""
        url = with_database(self.server, name or self.name)
        tables = [str(table) for (table,) in ask(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        return {table: sorted(ask(url, f'SELECT * FROM "{table}"'), key=repr) for table in sorted(tables)}

    def play(self) -> None:
        """Commit one game action."""
        run_sql(self.url, _PLAY)

    def execute(self, statement: str) -> None:
        """Commit one statement, with foreign keys not enforced."""
        run_sql(self.superuser, f"SET session_replication_role = replica; {statement}")

    def remove(self) -> None:
        """Drop the database."""
        run_sql(self.server, f"DROP DATABASE {self.quoted} WITH (FORCE)")

    def destroy(self) -> None:
        """Damage the database's files so that the server cannot open it."""
        ((oid,),) = ask(self.server, "SELECT oid FROM pg_database WHERE datname = $1", self.name)
        path = folder_of(self.server) / "base" / str(oid) / "pg_filenode.map"
        path.write_bytes(b"no longer a map".ljust(512, b"\xff"))

    @contextlib.contextmanager
    def session(self, *statements: str, superuser: bool = False) -> Iterator[None]:
        """Hold a session that has carried out some statements and then waits."""
        loop = asyncio.new_event_loop()
        with ThreadPoolExecutor(1) as pool:

            async def begin() -> asyncpg.Connection[Any]:
                connection = await asyncpg.connect(self.superuser if superuser else self.url)
                for statement in statements:
                    await connection.execute(statement)
                return connection

            async def end(connection: asyncpg.Connection[Any]) -> None:
                connection.terminate()

            connection = pool.submit(loop.run_until_complete, begin()).result()
            try:
                yield
            finally:
                pool.submit(loop.run_until_complete, end(connection)).result()
                loop.close()

    def leftovers(self) -> set[str]:
        """Return the databases beside the game's that Savepoint made for it."""
        mine = (f"savepoint_scratch_{self.name[:15]}", f"{self.name}_")
        return {name for name in databases_of(self.server) if name.startswith(mine)}


class PostgresWorld(ServiceWorld):
    """A service's folder whose game is a database on a real server."""

    def __init__(self, folder: Path, game: PostgresGame | None = None, *, url: str | None = None) -> None:
        super().__init__(folder, game=False)
        self.game = game or PostgresGame()
        self.game.create()
        self._url = url or self.game.url

    def settings(self, **sections: dict[str, Any]) -> Settings:
        """Return settings for this game; ``schedule={"retry_first": 1.0}`` sets keys of a section."""
        database = {"url": self._url, "busy_timeout": 5.0, **sections.pop("database", {})}
        return super().settings(database=database, **sections)

    def text_of(self, snapshot: Snapshot) -> bytes:
        """Return the plain dump, as any gzip tool does."""
        return gzip.decompress(self.file_of(snapshot).read_bytes())
