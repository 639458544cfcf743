"""The history of a card game, day by day, the same for the same seed.

The tables are the reference game's own. They are filled as a game fills them: day after day, all tables in turn, the
indexes there from the beginning, a few players doing most of what is done. So pages of different tables lie between
each other and the indexes have the gaps that they get in life.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from cogs.card_game import rules
from cogs.card_game.models import Rarity

__all__ = ["BEGINNING", "MEGABYTE", "SEED", "Book", "History", "cards_data"]

MEGABYTE = 1_000_000
SEED = 20261123
BEGINNING = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
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


class Book(Protocol):
    """The part of a SQLite connection that a history is written through."""

    def execute(self, sql: str, /) -> Any:
        """Run a query, whose rows ``fetchall`` returns."""

    def executemany(self, sql: str, rows: Iterable[Any], /) -> Any:
        """Run ``INSERT INTO table (columns) VALUES (…)`` for every row."""


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
        """Add a day: new players join, and everybody plays."""
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
        """Return ``count`` moments of the day in order, in the format that the game stores."""
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
        listed = sorted(self._chance.sample(range(len(owned)), count))
        for index, at in zip(listed, self._times(count), strict=True):
            card, owner, price = self._cards + index + 1, owned[index][0], self._chance.randrange(1, 3000)
            if self._chance.random() < _STILL_OPEN:
                yield card, owner, None, price, "open", at, None
            else:
                yield card, self._somebody(), owner, price, "sold", at, at

    def _pack(self, at: str) -> tuple[object, ...]:
        cards = self._chance.sample(self._catalogue, self._chance.randrange(1, 10))
        price = sum(rules.DUPLICATE_DUST[Rarity(rarity)] * 5 for _, _, rarity in cards)
        return self._somebody(), " ".join(self._chance.sample(_PACK_WORDS, 3)), cards_data(cards), price, at


def cards_data(cards: Iterable[Sequence[object]]) -> str:
    """Return a creator's pack of cards, each (id, name, rarity), in the format that the game stores."""
    return json.dumps([{"card_id": card[0], "name": card[1], "rarity": card[2]} for card in cards])
