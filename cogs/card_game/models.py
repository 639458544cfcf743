"""The values that the game gives back: frozen, and free of both Discord and the database.

``card_id`` is everywhere the id of one concrete copy (``user_cards.id``): a player owns, lists, sells and buys copies.
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
    """How seldom a card is drawn, from the most ordinary to the rarest."""

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
    """The copies that a pack gave, the dust for those the player had before, and what is left to spend."""

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
    """A pack bought with dust, the copies it gave, and what is left to spend."""

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
    """A listing that was bought, by whom, and what the buyer has left to spend."""

    listing: Listing
    buyer_id: int
    balance: Balance
