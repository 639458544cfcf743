"""Makes a card game's database of any size, the same bytes for the same seed.

The tables are the reference game's own. They are filled as a game fills them: day after day, all tables in turn, the
indexes there from the beginning, a few players doing most of what is done. So pages of different tables lie between
each other and the indexes have the gaps that they get in life.

``python -m benchmarks.generator DATABASE --megabytes N`` makes one: a process of its own, because the cache that makes
it fast is as large as the database.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from cogs.card_game import rules, schema
from cogs.card_game.models import Rarity
from cogs.card_game.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from cogs.card_game.database import Transaction

__all__ = ["BEGINNING", "MEGABYTE", "SEED", "VERSION", "Book", "History", "cards_data", "generate"]

VERSION = 2
"""Changes whenever the same seed gives another database, so that an old one that was kept is not taken for it."""

MEGABYTE = 1_000_000
SEED = 20261123
BEGINNING = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
_CACHE_KIB = 1_500_000
_DAY_SECONDS = 86_400
_CLOCK = [f"{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}" for at in range(_DAY_SECONDS)]
_PLAYERS_A_DAY = 100
_CARDS_A_PLAYER = 60
_DUST_A_PLAYER = 12
_LISTINGS_A_PLAYER = 8
_PACKS_A_DAY = 50
_STILL_OPEN = 0.05
_DRAWN_BY_NEW_PLAYERS = 0.3
_NAMES = ("Moss", "Ember", "Tide", "Iris", "Copper", "Juniper", "Onyx", "Pixel", "Rook", "Saffron", "Wren", "Zephyr")
_REASONS = ("duplicates", "starting balance", "daily reward", "event", "duplicates", "duplicates")
_PACK_WORDS = ("Dawn", "Relics", "of the", "Deep", "Festival", "Winter", "Lost", "Legends", "Garden", "Clockwork")


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
    """As much of the game's transaction as its schema needs, without an event loop of its own."""

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


class Book(Protocol):
    """Where the game is written down: as much of a SQLite connection as that needs."""

    def execute(self, sql: str, /) -> Any:
        """Do a query, whose rows ``fetchall`` gives."""

    def executemany(self, sql: str, rows: Iterable[Any], /) -> Any:
        """Do ``INSERT INTO table (columns) VALUES (…)`` for every row."""


class History:
    """The days of a game, one after the other, beginning with no players."""

    def __init__(self, connection: Book, chance: random.Random) -> None:
        self._connection = connection
        self._chance = chance
        self._users: list[int] = []
        self._catalogue = connection.execute("SELECT id, name, rarity FROM cards").fetchall()
        self._weights = [{"common": 40, "uncommon": 20}.get(rarity, 3) for _, _, rarity in self._catalogue]
        self._day = BEGINNING
        self._cards = 0

    def add_day(self) -> None:
        """Let players join, and everybody play."""
        new = self._join()
        owned = list(self._obtain(new))
        insert = self._connection.executemany
        insert("INSERT INTO user_cards (user_id, card_id, obtained_at) VALUES (?, ?, ?)", owned)
        insert("INSERT INTO dust_transactions (user_id, amount, reason, made_at) VALUES (?, ?, ?, ?)", self._dust())
        insert(
            "INSERT INTO marketplace_listings (user_card_id, seller_id, buyer_id, price, status, listed_at, closed_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            self._listings(owned),
        )
        insert(
            "INSERT INTO creator_packs (creator_id, name, cards_data, price, published_at) VALUES (?, ?, ?, ?, ?)",
            (self._pack(at) for at in self._times(_PACKS_A_DAY)),
        )
        self._cards += len(owned)
        self._day += dt.timedelta(days=1)

    def _join(self) -> list[int]:
        chance = self._chance
        new = [chance.randrange(1 << 54, 1 << 60) for _ in range(_PLAYERS_A_DAY)]
        self._connection.executemany(
            "INSERT INTO users (id, name, coins, joined_at) VALUES (?, ?, ?, ?)",
            [
                (user, f"{chance.choice(_NAMES)}{chance.randrange(9999)}", chance.randrange(20_000, 90_000), at)
                for user, at in zip(new, self._times(len(new)), strict=True)
            ],
        )
        self._connection.executemany(
            "INSERT INTO user_dust (user_id, balance) VALUES (?, ?)", [(user, chance.randrange(5000)) for user in new]
        )
        self._users += new
        return new

    def _times(self, count: int) -> list[str]:
        """Give so many moments of the day, one after the other, as the game writes them."""
        step = _DAY_SECONDS * 1000 / count
        date = self._day.date().isoformat()
        return [
            f"{date}T{_CLOCK[at // 1000]}.{at % 1000:03}+00:00"
            for at in (int((number + self._chance.random()) * step) for number in range(count))
        ]

    def _somebody(self) -> int:
        return self._users[int(self._chance.random() ** 2 * len(self._users))]

    def _obtain(self, new: list[int]) -> Iterator[tuple[int, int, str]]:
        count = _PLAYERS_A_DAY * _CARDS_A_PLAYER
        drawn = self._chance.choices(self._catalogue, self._weights, k=count)
        owner = new[0]
        for number, (card, at) in enumerate(zip(drawn, self._times(count), strict=True)):
            if number % rules.PACK_CARDS == 0:
                newcomer = self._chance.random() < _DRAWN_BY_NEW_PLAYERS
                owner = self._chance.choice(new) if newcomer else self._somebody()
            yield owner, card[0], at

    def _dust(self) -> Iterator[tuple[int, int, str, str]]:
        for at in self._times(_PLAYERS_A_DAY * _DUST_A_PLAYER):
            yield self._somebody(), self._chance.randrange(1, 200), self._chance.choice(_REASONS), at

    def _listings(self, owned: list[tuple[int, int, str]]) -> Iterator[tuple[object, ...]]:
        count = _PLAYERS_A_DAY * _LISTINGS_A_PLAYER
        places = sorted(self._chance.sample(range(len(owned)), count))
        for place, at in zip(places, self._times(count), strict=True):
            card, owner, price = self._cards + place + 1, owned[place][0], self._chance.randrange(1, 3000)
            if self._chance.random() < _STILL_OPEN:
                yield card, owner, None, price, "open", at, None
            else:
                yield card, self._somebody(), owner, price, "sold", at, at

    def _pack(self, at: str) -> tuple[object, ...]:
        cards = self._chance.sample(self._catalogue, self._chance.randrange(1, 10))
        price = sum(rules.DUPLICATE_DUST[Rarity(rarity)] * 5 for _, _, rarity in cards)
        return self._somebody(), " ".join(self._chance.sample(_PACK_WORDS, 3)), cards_data(cards), price, at


def cards_data(cards: Iterable[Sequence[object]]) -> str:
    """Give a creator's pack of cards, each (id, name, rarity), as the game stores it."""
    return json.dumps([{"card_id": card[0], "name": card[1], "rarity": card[2]} for card in cards])


def main() -> None:
    """Make a database."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generator", description="Make a game's database.")
    parser.add_argument("database", type=Path)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    generate(given.database, given.megabytes, seed=given.seed)


if __name__ == "__main__":
    main()
