"""The catalogue of cards, and the copies that players own."""

from __future__ import annotations

from collections.abc import Sequence

from .database import Transaction
from .models import Card, CardCopy, Rarity

__all__ = ["catalogue", "copies", "give", "owned_ids"]


async def catalogue(transaction: Transaction) -> list[Card]:
    """Return every card, by id."""
    rows = await transaction.fetch_all("SELECT id, name, rarity FROM cards ORDER BY id")
    return [Card(id=row["id"], name=row["name"], rarity=Rarity(row["rarity"])) for row in rows]


async def copies(transaction: Transaction, user_id: int) -> list[CardCopy]:
    """Return the copies of a player, oldest first."""
    rows = await transaction.fetch_all(
        """
        SELECT user_cards.id, cards.name, cards.rarity, marketplace_listings.id AS listing_id
        FROM user_cards
        JOIN cards ON cards.id = user_cards.card_id
        LEFT JOIN marketplace_listings
            ON marketplace_listings.user_card_id = user_cards.id AND marketplace_listings.status = 'open'
        WHERE user_cards.user_id = ?
        ORDER BY user_cards.id
        """,
        user_id,
    )
    return [
        CardCopy(
            card_id=row["id"],
            name=row["name"],
            rarity=Rarity(row["rarity"]),
            listed=row["listing_id"] is not None,
        )
        for row in rows
    ]


async def owned_ids(transaction: Transaction, user_id: int) -> set[int]:
    """Return the catalogue ids of the cards of which a player owns a copy."""
    rows = await transaction.fetch_all("SELECT DISTINCT card_id FROM user_cards WHERE user_id = ?", user_id)
    return {row["card_id"] for row in rows}


async def give(transaction: Transaction, user_id: int, cards: Sequence[Card], now: str) -> tuple[CardCopy, ...]:
    """Give a player a new copy of each card and return the copies."""
    return tuple(
        [
            CardCopy(
                card_id=await transaction.insert(
                    "INSERT INTO user_cards (user_id, card_id, obtained_at) VALUES (?, ?, ?) RETURNING id",
                    user_id,
                    card.id,
                    now,
                ),
                name=card.name,
                rarity=card.rarity,
            )
            for card in cards
        ]
    )
