"""A card game's database of any size, and somebody who plays on it: both the same for the same seed.

The tables are the reference game's own. They are filled as a game fills them: day after day, all tables in turn, the
indexes there from the beginning, a few players doing most of what is done. So pages of different tables lie between
each other and the indexes have the gaps that they get in life.

``python -m benchmarks.game DATABASE --megabytes N`` makes one; with ``--play`` it does what its standard input says,
one command a line and one JSON document in answer, so that whoever plays is a process of its own:
``play COUNT``, ``checkpoint``, ``start RATE`` and ``stop``.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import itertools
import json
import random
import select
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec

from cogs.card_game import rules, schema
from cogs.card_game.models import Rarity
from cogs.card_game.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from cogs.card_game.database import Transaction

__all__ = ["Latencies", "Player", "generate"]

MEGABYTE = 1_000_000
_BEGINNING = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
_PLAYERS_A_DAY = 100
_CARDS_A_PLAYER = 60
_DUST_A_PLAYER = 12
_LISTINGS_A_PLAYER = 8
_PACKS_A_PLAYER = 0.5
_NAMES = ("Moss", "Ember", "Tide", "Iris", "Copper", "Juniper", "Onyx", "Pixel", "Rook", "Saffron", "Wren", "Zephyr")
_REASONS = ("duplicates", "starting balance", "daily reward", "event", "duplicates", "duplicates")
_PACK_WORDS = ("Dawn", "Relics", "of the", "Deep", "Festival", "Winter", "Lost", "Legends", "Garden", "Clockwork")


class Latencies(msgspec.Struct, frozen=True):
    """What a writer saw: how long each of its transactions took from its beginning to the end of its commit, in ms."""

    transactions: list[float]


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


def generate(path: Path, megabytes: int, *, seed: int = 20261123) -> None:
    """Write a new database of about so many MB (10^6 bytes) in WAL mode."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1500000")
        connection.execute("BEGIN")
        _create(connection)
        history = _History(connection, random.Random(seed))
        while _size(connection) < megabytes * MEGABYTE:
            history.add_day()
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")


def _create(connection: sqlite3.Connection) -> None:
    async def create() -> None:
        transaction = cast("Transaction", _Statements(connection))
        await schema.create(transaction, SqliteDatabase.identity)
        await schema.seed(transaction)

    asyncio.run(create())


def _size(connection: sqlite3.Connection) -> int:
    pages, page_size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages) * int(page_size)


class _History:
    """The days of a game, one after the other."""

    def __init__(self, connection: sqlite3.Connection, chance: random.Random) -> None:
        self._connection = connection
        self._chance = chance
        self._users: list[int] = []
        self._catalogue = connection.execute("SELECT id, name, rarity FROM cards").fetchall()
        self._weights = [{"common": 40, "uncommon": 20}.get(rarity, 3) for _, _, rarity in self._catalogue]
        self._day = _BEGINNING
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
            (self._pack() for _ in range(int(_PLAYERS_A_DAY * _PACKS_A_PLAYER))),
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
                for user, at in zip(new, self._times(len(new)), strict=False)
            ],
        )
        self._connection.executemany(
            "INSERT INTO user_dust (user_id, balance) VALUES (?, ?)", [(user, chance.randrange(5000)) for user in new]
        )
        self._users += new
        return new

    def _times(self, count: int) -> Iterator[str]:
        """Give so many moments of the day, one after the other."""
        step = dt.timedelta(seconds=86_400 / count)
        at = self._day
        for _ in range(count):
            yield (at + step * self._chance.random()).isoformat(timespec="milliseconds")
            at += step

    def _somebody(self) -> int:
        return self._users[int(self._chance.random() ** 2 * len(self._users))]

    def _obtain(self, new: list[int]) -> Iterator[tuple[int, int, str]]:
        count = _PLAYERS_A_DAY * _CARDS_A_PLAYER
        drawn = self._chance.choices(self._catalogue, self._weights, k=count)
        owner = new[0]
        for number, (card, at) in enumerate(zip(drawn, self._times(count), strict=True)):
            if number % rules.PACK_CARDS == 0:
                owner = self._chance.choice(new) if self._chance.random() < 0.3 else self._somebody()
            yield owner, card[0], at

    def _dust(self) -> Iterator[tuple[int, int, str, str]]:
        for at in self._times(_PLAYERS_A_DAY * _DUST_A_PLAYER):
            yield self._somebody(), self._chance.randrange(1, 200), self._chance.choice(_REASONS), at

    def _listings(self, owned: list[tuple[int, int, str]]) -> Iterator[tuple[object, ...]]:
        count = _PLAYERS_A_DAY * _LISTINGS_A_PLAYER
        places = sorted(self._chance.sample(range(len(owned)), count))
        for place, at in zip(places, self._times(count), strict=True):
            card, owner, price = self._cards + place + 1, owned[place][0], self._chance.randrange(1, 3000)
            if self._chance.random() < 0.05:
                yield card, owner, None, price, "open", at, None
            else:
                yield card, self._somebody(), owner, price, "sold", at, at

    def _pack(self) -> tuple[object, ...]:
        cards = self._chance.sample(self._catalogue, self._chance.randrange(1, 10))
        price = sum(rules.DUPLICATE_DUST[Rarity(rarity)] * 5 for _, _, rarity in cards)
        at = (self._day + dt.timedelta(days=self._chance.random())).isoformat(timespec="milliseconds")
        return self._somebody(), " ".join(self._chance.sample(_PACK_WORDS, 3)), _cards_data(cards), price, at


def _cards_data(cards: Iterable[Sequence[object]]) -> str:
    return json.dumps([{"card_id": card[0], "name": card[1], "rarity": card[2]} for card in cards])


class Player:
    """Plays on a database as a bot's players do: purchases, packs, listings, dust, each one transaction.

    The same seed on the same database does the same. The connection is the reference game's: WAL, foreign keys, and
    every commit synced.
    """

    def __init__(self, path: Path, *, seed: int = 7) -> None:
        self._chance = random.Random(seed)
        self._now = _BEGINNING + dt.timedelta(days=3650)
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=60.0)
        self._connection.execute("PRAGMA journal_mode = WAL").fetchone()
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._cards = self._connection.execute("SELECT id, name, rarity FROM cards").fetchall()
        self._users = int(self._highest("users", "rowid"))
        self._actions = (self._open_pack, self._list, self._buy, self._buy_pack, self._publish)
        self._odds = (40, 20, 20, 15, 5)

    def close(self) -> None:
        """Leave."""
        self._connection.close()

    def checkpoint(self) -> None:
        """Move the whole log into the database and empty it, as the last bot that goes down does."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def play(self, count: int) -> Latencies:
        """Do so many things, one after the other."""
        return Latencies([self._act() for _ in range(count)])

    def _act(self) -> float:
        action = self._chance.choices(self._actions, self._odds)[0]
        self._now += dt.timedelta(seconds=self._chance.random())
        started = time.perf_counter()
        self._connection.execute("BEGIN IMMEDIATE")
        action(self._now.isoformat(timespec="milliseconds"))
        self._connection.execute("COMMIT")
        return (time.perf_counter() - started) * 1000

    def _open_pack(self, now: str) -> None:
        user = self._somebody()
        self._change_coins(user, -rules.PACK_PRICE)
        rows = self._connection.execute("SELECT DISTINCT card_id FROM user_cards WHERE user_id = ?", (user,))
        owned = {row[0] for row in rows}
        drawn = self._chance.choices(self._cards, k=rules.PACK_CARDS)
        self._give(user, drawn, now)
        if any(card[0] in owned for card in drawn):
            self._change_dust(user, 7, "duplicates", now)

    def _list(self, now: str) -> None:
        card = self._chance.randrange(1, self._highest("user_cards"))
        owner = self._connection.execute("SELECT user_id FROM user_cards WHERE id = ?", (card,)).fetchone()
        self._connection.execute(
            "INSERT INTO marketplace_listings (user_card_id, seller_id, price, status, listed_at) "
            "VALUES (?, ?, ?, 'open', ?) ON CONFLICT DO NOTHING",
            (card, owner[0], self._chance.randrange(1, 3000), now),
        )

    def _buy(self, now: str) -> None:
        start = self._chance.randrange(1, self._highest("marketplace_listings"))
        listing = self._connection.execute(
            "SELECT id, user_card_id, seller_id, price FROM marketplace_listings "
            "WHERE status = 'open' AND id >= ? ORDER BY id LIMIT 1",
            (start,),
        ).fetchone()
        if listing is None:
            self._list(now)
            return
        buyer = self._somebody()
        self._connection.execute(
            "UPDATE marketplace_listings SET status = 'sold', buyer_id = ?, closed_at = ? WHERE id = ?",
            (buyer, now, listing[0]),
        )
        self._change_coins(buyer, -listing[3])
        self._change_coins(listing[2], listing[3])
        self._connection.execute(
            "UPDATE user_cards SET user_id = ?, obtained_at = ? WHERE id = ?", (buyer, now, listing[1])
        )

    def _buy_pack(self, now: str) -> None:
        pack = self._chance.randrange(1, self._highest("creator_packs") + 1)
        found = self._connection.execute("SELECT price, cards_data FROM creator_packs WHERE id = ?", (pack,)).fetchone()
        user = self._somebody()
        self._change_dust(user, -found[0], f"pack {pack}", now)
        self._give(user, [(card["card_id"], card["name"]) for card in json.loads(found[1])], now)

    def _publish(self, now: str) -> None:
        cards = self._chance.sample(self._cards, 5)
        self._connection.execute(
            "INSERT INTO creator_packs (creator_id, name, cards_data, price, published_at) VALUES (?, ?, ?, ?, ?)",
            (self._somebody(), "Clockwork Garden", _cards_data(cards), 50, now),
        )

    def _somebody(self) -> int:
        place = int(self._chance.random() ** 2 * self._users) + 1
        return int(self._connection.execute("SELECT id FROM users WHERE rowid = ?", (place,)).fetchone()[0])

    def _highest(self, table: str, column: str = "id") -> int:
        return int(self._connection.execute(f"SELECT max({column}) FROM {table}").fetchone()[0])

    def _give(self, user: int, cards: Iterable[Sequence[object]], now: str) -> None:
        self._connection.executemany(
            "INSERT INTO user_cards (user_id, card_id, obtained_at) VALUES (?, ?, ?)",
            [(user, card[0], now) for card in cards],
        )

    def _change_coins(self, user: int, amount: int) -> None:
        self._connection.execute("UPDATE users SET coins = max(0, coins + ?) WHERE id = ?", (amount, user))

    def _change_dust(self, user: int, amount: int, reason: str, now: str) -> None:
        self._connection.execute("UPDATE user_dust SET balance = max(0, balance + ?) WHERE user_id = ?", (amount, user))
        self._connection.execute(
            "INSERT INTO dust_transactions (user_id, amount, reason, made_at) VALUES (?, ?, ?, ?)",
            (user, amount or 1, reason, now),
        )


def _serve(player: Player) -> None:
    """Do what standard input says until it ends."""
    while words := sys.stdin.readline().split():
        match words:
            case ["play", count]:
                answer = player.play(int(count))
            case ["start", rate]:
                answer = _play_until_told(player, float(rate))
            case ["checkpoint"]:
                player.checkpoint()
                answer = Latencies([])
            case _:
                raise ValueError(f"unknown command: {' '.join(words)}")
        print(msgspec.json.encode(answer).decode(), flush=True)


def _play_until_told(player: Player, rate: float) -> Latencies:
    """Play so many transactions a second, at even times, until standard input says "stop"."""
    seen: list[float] = []
    started = time.perf_counter()
    for number in itertools.count(1):
        wait = started + number / rate - time.perf_counter()
        if select.select([sys.stdin], [], [], max(0.0, wait))[0]:
            sys.stdin.readline()
            return Latencies(seen)
        seen += player.play(1).transactions
    raise AssertionError("counting has no end")


def main() -> None:
    """Make a database, or play on one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("database", type=Path)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--play", action="store_true")
    given = parser.parse_args()
    if not given.play:
        generate(given.database, given.megabytes)
        return
    with closing(Player(given.database, seed=given.seed)) as player:
        _serve(player)


if __name__ == "__main__":
    main()
