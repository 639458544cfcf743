"""The numbers of the game and the decisions that need nothing else. Pure: no clock, no database.

Random packs and listings are paid in coins, published packs in dust.
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
    """Draw cards: a rarity by its odds, then any card of that rarity with equal odds.

    The share of a rarity without cards goes to the others. Raises CardNotFound if the catalogue is empty.
    """
    if not catalogue:
        raise CardNotFound("There are no cards to draw yet.")
    sizes = Counter(card.rarity for card in catalogue)
    return random.choices(catalogue, weights=[_ODDS[card.rarity] / sizes[card.rarity] for card in catalogue], k=count)


def dust_price(cards: Iterable[Card]) -> int:
    """Return the price in dust of a pack with these cards."""
    return sum(_DUST_PRICE[card.rarity] for card in cards)


def checked_price(price: int) -> int:
    """Return the price, in coins, if the market accepts it. Raises InvalidPrice otherwise."""
    if not 1 <= price <= PRICE_LIMIT:
        raise InvalidPrice(f"A price is between 1 and {PRICE_LIMIT:,} coins.")
    return price


def checked_pack_name(name: str) -> str:
    """Return a pack's name with single spaces. Raises InvalidPack if it is empty, too long or not text."""
    cleaned = _single_spaced(name)
    if not cleaned:
        raise InvalidPack("A pack needs a name.")
    if len(cleaned) > PACK_NAME_LIMIT:
        raise InvalidPack(f"A pack's name has at most {PACK_NAME_LIMIT} characters; this one has {len(cleaned)}.")
    if not _is_text(cleaned):
        raise InvalidPack("A pack's name cannot hold control characters.")
    return cleaned


def checked_card_names(names: Sequence[str]) -> list[str]:
    """Return the names of cards with single spaces. Raises InvalidPack for none, too many, or the same one twice."""
    cleaned = [_single_spaced(name) for name in names]
    if not any(cleaned):
        raise InvalidPack("A pack needs at least one card.")
    if len(cleaned) > PUBLISHED_CARDS_LIMIT:
        raise InvalidPack(f"A pack has at most {PUBLISHED_CARDS_LIMIT} cards; this one has {len(cleaned)}.")
    if len({name.lower() for name in cleaned}) < len(cleaned):
        raise InvalidPack("A pack holds each card only once.")
    return cleaned


def card_names(text: str) -> list[str]:
    """Split a text like "Ember Fox, Tide Crane" into names."""
    return [name.strip() for name in text.split(",") if name.strip()]


def player_name(name: str) -> str:
    """Return a player's name as it is stored: one line, no control characters, at most 100 characters."""
    text = "".join(character for character in name if character.isspace() or _is_text(character))
    return _single_spaced(text)[:_PLAYER_NAME_LIMIT]


def is_row_id(number: int) -> bool:
    """Return True if the number can be the id of a row; databases refuse to look up larger ones."""
    return 1 <= number < 2**63


def _single_spaced(text: str) -> str:
    return " ".join(text.split())


def _is_text(text: str) -> bool:
    # Cc: control characters, among them the NUL that PostgreSQL refuses. Cs: lone surrogates, which UTF-8 cannot hold.
    return all(unicodedata.category(character) not in ("Cc", "Cs") for character in text)
