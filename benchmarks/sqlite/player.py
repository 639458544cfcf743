"""A player who writes to a database as a bot's players do, the same for the same seed.

``python -m benchmarks.sqlite.player DATABASE`` is a player in a process of its own. It runs the commands of its
standard input, one a line (``play COUNT``, ``checkpoint``, ``start RATE`` and ``stop``), and answers each with one JSON
document. ``OtherPlayer`` starts it and sends the commands.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import json
import os
import random
import select
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Self

import msgspec

from cogs.card_game import rules

from ..game import BEGINNING, cards_data
from ..measure import module

__all__ = ["Latencies", "OtherPlayer", "Player"]

_STARTS = BEGINNING + dt.timedelta(days=3650)
_LOCK_TIMEOUT = 60.0


class Latencies(msgspec.Struct, frozen=True):
    """How long each transaction took, from BEGIN to the end of COMMIT, in ms."""

    transactions: list[float]


class Player:
    """Plays as a bot's players do: purchases, packs, listings and dust, each one transaction.

    The same seed on the same database makes the same changes. The connection is the reference game's: WAL, foreign
    keys, and every commit synced.
    """

    def __init__(self, path: Path, *, seed: int = 7) -> None:
        self._chance = random.Random(seed)
        self._now = _STARTS
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=_LOCK_TIMEOUT)
        self._connection.execute("PRAGMA journal_mode = WAL").fetchone()
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._cards = self._connection.execute("SELECT id, name, rarity FROM cards").fetchall()
        self._users = int(self._highest("users", "rowid"))
        self._actions = (self._open_pack, self._list, self._buy, self._buy_pack, self._publish)
        self._odds = (40, 20, 20, 15, 5)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def checkpoint(self) -> None:
        """Move the whole log into the database and empty it, as the last bot that shuts down does."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def play(self, count: int) -> Latencies:
        """Commit ``count`` transactions, one after the other."""
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
            (self._somebody(), "Clockwork Garden", cards_data(cards), 50, now),
        )

    def _somebody(self) -> int:
        row = int(self._chance.random() ** 2 * self._users) + 1
        return int(self._connection.execute("SELECT id FROM users WHERE rowid = ?", (row,)).fetchone()[0])

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


class OtherPlayer:
    """A process that plays on a database."""

    def __init__(self, database: Path, *, seed: int = 7) -> None:
        self._process = subprocess.Popen(
            module("sqlite.player", database, "--seed", str(seed)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def play(self, count: int) -> None:
        """Commit ``count`` transactions and wait until they are done."""
        self._send(f"play {count}")
        self._receive()

    def checkpoint(self) -> None:
        """Empty the log into the database."""
        self._send("checkpoint")
        self._receive()

    def start(self, rate: float) -> None:
        """Begin to commit ``rate`` transactions a second."""
        self._send(f"start {rate}")

    def stop(self) -> list[float]:
        """Stop, and return how long each transaction took, in ms."""
        self._send("stop")
        return self._receive().transactions

    def _send(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    def _receive(self) -> Latencies:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the player ended with {self._process.wait()}")
        return msgspec.json.decode(line, type=Latencies)


def _serve(player: Player) -> None:
    """Run the commands of standard input until it ends."""
    commands = os.fdopen(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # what waits is seen by select
    while words := commands.readline().decode().split():
        match words:
            case ["play", count]:
                answer = player.play(int(count))
            case ["start", rate]:
                answer = _play_until_stopped(player, float(rate), commands)
            case ["checkpoint"]:
                player.checkpoint()
                answer = Latencies([])
            case _:
                raise ValueError(f"unknown command: {' '.join(words)}")
        print(msgspec.json.encode(answer).decode(), flush=True)


def _play_until_stopped(player: Player, rate: float, commands: IO[bytes]) -> Latencies:
    """Commit ``rate`` transactions a second, evenly spaced, until the next command, which is "stop"."""
    seen: list[float] = []
    started = time.perf_counter()
    for number in itertools.count(1):
        wait = started + number / rate - time.perf_counter()
        if select.select([commands], [], [], max(0.0, wait))[0]:
            commands.readline()
            return Latencies(seen)
        seen += player.play(1).transactions
    raise AssertionError("counting has no end")


def main() -> None:
    """Play on the database that the arguments name."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sqlite.player", description="Play on a game's database."
    )
    parser.add_argument("database", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    with closing(Player(given.database, seed=given.seed)) as player:
        _serve(player)


if __name__ == "__main__":
    main()
