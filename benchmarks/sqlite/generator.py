"""Makes a card game's SQLite database of any size, the same bytes for the same seed.

``python -m benchmarks.sqlite.generator DATABASE --megabytes N`` makes one: a process of its own, because the cache that
makes it fast is as large as the database.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, cast

from cogs.card_game import schema
from cogs.card_game.sqlite import SqliteDatabase

from ..game import MEGABYTE, SEED, History

if TYPE_CHECKING:
    from cogs.card_game.database import Transaction

__all__ = ["VERSION", "generate"]

VERSION = 2
"""Changes whenever the same seed gives another database, so that an old one that was kept is not taken for it."""

_CACHE_KIB = 1_500_000


def generate(path: Path, megabytes: int, *, seed: int = SEED) -> None:
    """Write a new database in WAL mode, of as many MB (10^6 bytes) as asked and less than one more."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("BEGIN")
        _create(connection)
        history = History(connection, random.Random(seed))
        while _size(connection) < megabytes * MEGABYTE:
            history.add_day()
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")


class _Statements:
    """The part of the game's transaction that its schema uses, on a blocking connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def fetch_one(self, sql: str, *values: object) -> object:
        return self._connection.execute(sql, values).fetchone()

    async def execute(self, sql: str, *values: object) -> None:
        self._connection.execute(sql, values)

    async def execute_many(self, sql: str, values: Iterable[Sequence[object]]) -> None:
        self._connection.executemany(sql, values)


def _create(connection: sqlite3.Connection) -> None:
    async def create() -> None:
        transaction = cast("Transaction", _Statements(connection))
        await schema.create(transaction, SqliteDatabase.identity)
        await schema.seed(transaction)

    asyncio.run(create())


def _size(connection: sqlite3.Connection) -> int:
    pages, page_size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages) * int(page_size)


def main() -> None:
    """Make the database that the arguments describe."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sqlite.generator", description="Make a game's database."
    )
    parser.add_argument("database", type=Path)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    generate(given.database, given.megabytes, seed=given.seed)


if __name__ == "__main__":
    main()
