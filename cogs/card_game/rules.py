"""The numbers of the game and the decisions that need nothing else: pure, no clock, no database.

Prices of packs drawn at random and of listings are in coins, prices of published packs in dust.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random

from .errors import CardNotFound, InvalidPack, InvalidPrice
from .models import Card, Rarity

__all__ = [
    "DUPLICATE_DUST",
    "PACK_CARDS",
    "PACK_NAME_LIMIT",
    "PACK_PRICE",
    "PRICE_LIMIT",
    "PUBLISHED_CARDS_LIMIT",
    "STARTING_COINS",
    "STARTING_DUST",
    "card_names",
    "checked_card_names",
    "checked_pack_name",
    "checked_price",
    "draw",
    "dust_price",
    "is_row_id",
    "player_name",
]

STARTING_COINS = 1_000
STARTING_DUST = 200
PACK_PRICE = 100
PACK_CARDS = 5
PRICE_LIMIT = 1_000_000
PACK_NAME_LIMIT = 50
PUBLISHED_CARDS_LIMIT = 10
_PLAYER_NAME_LIMIT = 100

_ODDS = {
    Rarity.COMMON: 600,
    Rarity.UNCOMMON: 250,
    Rarity.RARE: 100,
    Rarity.EPIC: 35,
    Rarity.LEGENDARY: 12,
    Rarity.MYTHIC: 3,
}
_DUST_PRICE = {
    Rarity.COMMON: 5,
    Rarity.UNCOMMON: 10,
    Rarity.RARE: 25,
    Rarity.EPIC: 75,
    Rarity.LEGENDARY: 200,
    Rarity.MYTHIC: 500,
}
DUPLICATE_DUST = {
    Rarity.COMMON: 1,
    Rarity.UNCOMMON: 2,
    Rarity.RARE: 5,
    Rarity.EPIC: 15,
    Rarity.LEGENDARY: 40,
    Rarity.MYTHIC: 100,
}


def draw(random: Random, catalogue: Sequence[Card], count: int) -> list[Card]:
    """Draw cards, each by its rarity's odds and then evenly among the cards of that rarity.

    A rarity without cards leaves its share to the others. Raises CardNotFound where there is nothing to draw.
    """
    if not catalogue:
        raise CardNotFound("There are no cards to draw yet.")
    sizes = Counter(card.rarity for card in catalogue)
    return random.choices(catalogue, weights=[_ODDS[card.rarity] / sizes[card.rarity] for card in catalogue], k=count)


def dust_price(cards: Iterable[Card]) -> int:
    """Give the price in dust of a pack with these cards."""
    return sum(_DUST_PRICE[card.rarity] for card in cards)


def checked_price(price: int) -> int:
    """Give back a price in coins that the market takes; raise InvalidPrice for any other."""
    if not 1 <= price <= PRICE_LIMIT:
        raise InvalidPrice(f"A price is between 1 and {PRICE_LIMIT:,} coins.")
    return price


def checked_pack_name(name: str) -> str:
    """Give a pack's name with its spaces tidied; raise InvalidPack where it is empty, too long or not text."""
    tidied = _tidied(name)
    if not tidied:
        raise InvalidPack("A pack needs a name.")
    if len(tidied) > PACK_NAME_LIMIT:
        raise InvalidPack(f"A pack's name has at most {PACK_NAME_LIMIT} characters; this one has {len(tidied)}.")
    if not _is_text(tidied):
        raise InvalidPack("A pack's name cannot hold control characters.")
    return tidied


def checked_card_names(names: Sequence[str]) -> list[str]:
    """Give the cards of a pack with their spaces tidied; raise InvalidPack for none, too many or the same twice."""
    tidied = [_tidied(name) for name in names]
    if not any(tidied):
        raise InvalidPack("A pack needs at least one card.")
    if len(tidied) > PUBLISHED_CARDS_LIMIT:
        raise InvalidPack(f"A pack has at most {PUBLISHED_CARDS_LIMIT} cards; this one has {len(tidied)}.")
    if len({name.lower() for name in tidied}) < len(tidied):
        raise InvalidPack("A pack holds each card only once.")
    return tidied


def card_names(text: str) -> list[str]:
    """Read "Ember Fox, Tide Crane" as two names."""
    return [name.strip() for name in text.split(",") if name.strip()]


def player_name(name: str) -> str:
    """Give a player's name as it is stored: one line, no control characters, at most 100 characters."""
    return _tidied("".join(character for character in name if character.isspace() or _is_text(character)))[
        :_PLAYER_NAME_LIMIT
    ]


def is_row_id(number: int) -> bool:
    """Tell whether a number can be the id of a row at all: databases refuse to look up larger ones."""
    return 1 <= number < 2**63


def _tidied(text: str) -> str:
    return " ".join(text.split())


def _is_text(text: str) -> bool:
    # Cc: control characters, among them the NUL that PostgreSQL refuses. Cs: lone surrogates, which UTF-8 cannot hold.
    return all(unicodedata.category(character) not in ("Cc", "Cs") for character in text)
