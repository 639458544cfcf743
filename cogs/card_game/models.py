"""The values that the game returns: frozen, and independent of Discord and of the database.

``card_id`` is always the id of one concrete copy (``user_cards.id``): a player owns, lists, sells and buys copies.
Coins and dust are whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "Balance",
    "Card",
    "CardCopy",
    "Listing",
    "OpenedPack",
    "Pack",
    "PackDraft",
    "PackPurchase",
    "Player",
    "Rarity",
    "Sale",
]


class Rarity(StrEnum):
    """How rarely a card is drawn, from the most common to the rarest."""

    COMMON = "common"
    UNCOMMON = "uncommon"
    RARE = "rare"
    EPIC = "epic"
    LEGENDARY = "legendary"
    MYTHIC = "mythic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """Somebody who has played, and what they can spend."""

    user_id: int
    name: str
    coins: int
    dust: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What a player can spend."""

    coins: int
    dust: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card of the catalogue (``cards.id``), of which players own copies."""

    id: int
    name: str
    rarity: Rarity


@dataclass(frozen=True, slots=True, kw_only=True)
class CardCopy:
    """One copy that a player owns; ``listed`` while it is offered on the market."""

    card_id: int
    name: str
    rarity: Rarity
    listed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedPack:
    """The copies from a pack, the dust for duplicates, and the player's balance after it."""

    user_id: int
    cards: tuple[CardCopy, ...]
    dust_gained: int
    balance: Balance

    @property
    def rarities(self) -> tuple[str, ...]:
        """The rarity of each card drawn, in the order of the draw."""
        return tuple(card.rarity.value for card in self.cards)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackDraft:
    """A pack as it would be published: checked, with its price in dust."""

    name: str
    cards: tuple[Card, ...]
    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A published pack; ``price`` is in dust."""

    id: int
    creator_id: int
    name: str
    cards: tuple[Card, ...]
    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackPurchase:
    """A pack bought with dust, the copies from it, and the buyer's balance after it."""

    user_id: int
    pack: Pack
    cards: tuple[CardCopy, ...]
    balance: Balance


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A copy offered on the market; ``price`` is in coins."""

    id: int
    card_id: int
    name: str
    rarity: Rarity
    seller_id: int
    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """A listing that was bought, its buyer, and the buyer's balance after it."""

    listing: Listing
    buyer_id: int
    balance: Balance
