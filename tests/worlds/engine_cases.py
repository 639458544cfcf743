"""What the contract suite needs to know of each kind of database, and what every engine test uses.

To put another engine under the contract: a class with the methods of ``SqliteCase``, and one line in ``CASES``.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from core.snapshots.archive.members import Head
from core.snapshots.engines import Checks
from core.snapshots.engines.postgres.scratch import Image
from core.snapshots.models import Kind, Method
from core.snapshots.progress import Watch
from core.snapshots.settings.database_url import DatabaseUrl, parse
from core.snapshots.settings.json_column import JsonColumn
from tests.worlds.game_database import (
    CRITICAL_TABLES,
    OtherProcess,
    connected,
    contents_of,
    make_game_database,
    play,
    url_of,
)
from tests.worlds.postgres_world import PostgresGame

HEAD = Head(
    id="3fa9c1d2e4b5",
    sequence=1,
    kind=Kind.MANUAL,
    created_at=dt.datetime(2026, 11, 23, 8, 0, tzinfo=dt.UTC),
    began_at=dt.datetime(2026, 11, 23, 8, 0, tzinfo=dt.UTC),
    reasons=("manual",),
    requests=0,
    note=None,
    pinned=False,
    engine="sqlite",
    details={},
)
CHECKS = Checks(critical_tables=CRITICAL_TABLES, json_columns=(JsonColumn(table="creator_packs", column="cards_data"),))


def slow_watch(seconds: float, **options: Any) -> Watch:
    """Return a watch that delays every phase that may read a database, by ``seconds`` for each MiB."""
    before = 0

    def hold_up(phase: str, done: int, _total: int) -> None:
        nonlocal before
        if phase in ("read", "compare", "compress"):
            time.sleep(seconds * max(0, done - before) / (1 << 20))
        before = done

    # A clock that leaps makes every step a report.
    return Watch(progress=hold_up, monotonic=itertools.count(0.0, 1.0).__next__, **options)


def bounded(seconds: float, **options: Any) -> Watch:
    """Return a watch with a deadline that only a hanging operation reaches."""
    return Watch(deadline_at=time.monotonic() + seconds, seconds=seconds, **options)


class EngineCase(Protocol):
    """One small game in one kind of database, and the ways in which it changes and goes wrong."""

    url: DatabaseUrl
    incrementals: bool
    """True if the engine writes incrementals where they are allowed and little changed."""

    def create(self) -> None:
        """Make the game's database."""

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of every table."""

    def play(self) -> None:
        """Commit one game action."""

    def execute(self, statement: str) -> None:
        """Commit one SQL statement, with foreign keys not enforced."""

    def locked(self) -> AbstractContextManager[object]:
        """Hold a lock in another process that keeps everybody else from writing."""

    def idle(self) -> AbstractContextManager[object]:
        """Keep another process connected that does nothing."""

    def destroy(self) -> None:
        """Damage the database so that its engine cannot open it."""

    def remove(self) -> None:
        """Remove the database."""

    def kept(self, method: Method, quarantine: Path) -> str | None:
        """Return the name under which a restore keeps a database that was there, or None if it keeps none."""

    def contents_of(self, image: Path) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of every table of what a snapshot was rebuilt to."""


class SqliteCase:
    """The game in a SQLite file in WAL mode."""

    incrementals = True

    def __init__(self, folder: Path) -> None:
        self.path = folder / "game" / "game.db"
        self.url = parse(url_of(self.path))
        self._dice = random.Random(3)

    def create(self) -> None:
        """Make the game's database."""
        make_game_database(self.path, players=60)

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of every table."""
        return contents_of(self.path)

    def play(self) -> None:
        """Commit one game action."""
        with connected(self.path) as connection:
            play(connection, self._dice, 60)

    def execute(self, statement: str) -> None:
        """Commit one SQL statement, with foreign keys not enforced."""
        with connected(self.path) as connection:
            connection.execute(statement)

    def locked(self) -> AbstractContextManager[object]:
        """Hold a lock in another process that keeps everybody else from writing."""
        return OtherProcess(self.path, "BEGIN IMMEDIATE", "UPDATE users SET dust = dust + 1")

    def idle(self) -> AbstractContextManager[object]:
        """Keep another process connected that does nothing."""
        return OtherProcess(self.path, "SELECT count(*) FROM users")

    def destroy(self) -> None:
        """Damage the database so that its engine cannot open it."""
        with self.path.open("r+b") as file:
            file.write(b"no longer a database".ljust(100, b"\xff"))

    def remove(self) -> None:
        """Remove the database."""
        for side in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + side).unlink(missing_ok=True)

    def kept(self, method: Method, quarantine: Path) -> str | None:
        """Only an exchange moves the files to quarantine."""
        return quarantine.name if method is Method.SWAP else None

    def contents_of(self, image: Path) -> dict[str, list[tuple[Any, ...]]]:
        """The image is a database file."""
        return contents_of(image)


class PostgresCase:
    """The game in a database on a real server of the newest version that is installed."""

    incrementals = False

    def __init__(self, folder: Path) -> None:
        self._game = PostgresGame()
        self.url = parse(self._game.url)

    def create(self) -> None:
        """Make the game's database."""
        self._game.create()

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of every table."""
        return self._game.contents()

    def play(self) -> None:
        """Commit one game action."""
        self._game.play()

    def execute(self, statement: str) -> None:
        """Commit one SQL statement, with foreign keys not enforced."""
        self._game.execute(statement)

    def locked(self) -> AbstractContextManager[object]:
        """Hold a lock as a superuser; an ordinary role cannot end that session."""
        return self._game.session("BEGIN", "LOCK TABLE users IN EXCLUSIVE MODE", superuser=True)

    def idle(self) -> AbstractContextManager[object]:
        """Keep a session of the game's own role connected."""
        return self._game.session("SELECT count(*) FROM users")

    def destroy(self) -> None:
        """Damage the database so that its engine cannot open it."""
        self._game.destroy()

    def remove(self) -> None:
        """Remove the database."""
        self._game.remove()

    def kept(self, method: Method, quarantine: Path) -> str | None:
        """Every restore keeps the database that it replaced."""
        return f"{self._game.name}_before_{quarantine.name}"

    def contents_of(self, image: Path) -> dict[str, list[tuple[Any, ...]]]:
        """The image names a scratch database."""
        name = Image.read(image).database
        assert name is not None
        return self._game.contents(name)


CASES: dict[str, Callable[[Path], EngineCase]] = {"sqlite": SqliteCase, "postgresql": PostgresCase}
"""Every engine by its name in ``ENGINES``, as a function of a folder of its own."""
