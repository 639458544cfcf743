"""The market: copies offered for coins. A copy is named by its ``card_id`` (``user_cards.id``)."""

from __future__ import annotations

from . import players, rules
from .database import Row, Transaction
from .errors import (
    CardAlreadyListed,
    CardNotFound,
    CardNotOwned,
    ListingClosed,
    ListingNotFound,
    ListingNotOwned,
    OwnListing,
)
from .models import Listing, Rarity, Sale

__all__ = ["buy", "offer", "open_listings", "withdraw"]

_LISTINGS = """
    SELECT marketplace_listings.id, marketplace_listings.user_card_id, marketplace_listings.seller_id,
        marketplace_listings.price, marketplace_listings.status, cards.name, cards.rarity
    FROM marketplace_listings
    JOIN user_cards ON user_cards.id = marketplace_listings.user_card_id
    JOIN cards ON cards.id = user_cards.card_id
"""


async def offer(transaction: Transaction, user_id: int, card_id: int, price: int, now: str) -> Listing:
    """Offer a copy for a price in coins.

    Raises InvalidPrice, CardNotFound, CardNotOwned or CardAlreadyListed.
    """
    rules.checked_price(price)
    await _own_card(transaction, user_id, card_id)
    listed = await transaction.fetch_one(
        """
        INSERT INTO marketplace_listings (user_card_id, seller_id, price, status, listed_at)
        VALUES (?, ?, ?, 'open', ?) ON CONFLICT DO NOTHING RETURNING id
        """,
        card_id,
        user_id,
        price,
        now,
    )
    if listed is None:
        raise CardAlreadyListed(f"Card {card_id} is on the market already.")
    # Again: if transactions run side by side, the INSERT has waited for somebody who was buying this copy.
    card = await _own_card(transaction, user_id, card_id)
    return Listing(
        id=listed["id"],
        card_id=card_id,
        name=card["name"],
        rarity=Rarity(card["rarity"]),
        seller_id=user_id,
        price=price,
    )


async def buy(transaction: Transaction, buyer_id: int, listing_id: int, now: str) -> Sale:
    """Move the copy to the buyer and its price to the seller.

    Raises ListingNotFound, OwnListing, ListingClosed or NotEnoughCoins.
    """
    listing = await _open_listing(transaction, listing_id)
    if listing.seller_id == buyer_id:
        raise OwnListing("That is your own listing.")
    await _close(transaction, listing, "sold", buyer_id, now)
    balance = await players.pay(transaction, buyer_id, listing.seller_id, listing.price)
    await transaction.execute(
        "UPDATE user_cards SET user_id = ?, obtained_at = ? WHERE id = ?", buyer_id, now, listing.card_id
    )
    return Sale(listing=listing, buyer_id=buyer_id, balance=balance)


async def withdraw(transaction: Transaction, user_id: int, listing_id: int, now: str) -> Listing:
    """Take a copy off the market. Raises ListingNotFound, ListingNotOwned or ListingClosed."""
    listing = await _open_listing(transaction, listing_id)
    if listing.seller_id != user_id:
        raise ListingNotOwned(f"Listing {listing_id} is not yours.")
    await _close(transaction, listing, "withdrawn", None, now)
    return listing


async def open_listings(transaction: Transaction) -> list[Listing]:
    """Return everything that can be bought, newest first."""
    rows = await transaction.fetch_all(
        f"{_LISTINGS} WHERE marketplace_listings.status = 'open' ORDER BY marketplace_listings.id DESC"
    )
    return [_listing(row) for row in rows]


async def _own_card(transaction: Transaction, user_id: int, card_id: int) -> Row:
    card = (
        await transaction.fetch_one(
            """
            SELECT user_cards.user_id, cards.name, cards.rarity
            FROM user_cards JOIN cards ON cards.id = user_cards.card_id
            WHERE user_cards.id = ?
            """,
            card_id,
        )
        if rules.is_row_id(card_id)
        else None
    )
    if card is None:
        raise CardNotFound(f"There is no card {card_id}.")
    if card["user_id"] != user_id:
        raise CardNotOwned(f"Card {card_id} is not yours.")
    return card


async def _open_listing(transaction: Transaction, listing_id: int) -> Listing:
    row = (
        await transaction.fetch_one(f"{_LISTINGS} WHERE marketplace_listings.id = ?", listing_id)
        if rules.is_row_id(listing_id)
        else None
    )
    if row is None:
        raise ListingNotFound(f"There is no listing {listing_id}.")
    if row["status"] != "open":
        raise ListingClosed(f"Listing {listing_id} was {row['status']}.")
    return _listing(row)


async def _close(transaction: Transaction, listing: Listing, status: str, buyer_id: int | None, now: str) -> None:
    closed = await transaction.fetch_one(
        """
        UPDATE marketplace_listings SET status = ?, buyer_id = ?, closed_at = ?
        WHERE id = ? AND status = 'open' RETURNING id
        """,
        status,
        buyer_id,
        now,
        listing.id,
    )
    if closed is None:
        # Possible if transactions run side by side: another one was faster.
        raise ListingClosed(f"Listing {listing.id} was sold or withdrawn a moment ago.")


def _listing(row: Row) -> Listing:
    return Listing(
        id=row["id"],
        card_id=row["user_card_id"],
        name=row["name"],
        rarity=Rarity(row["rarity"]),
        seller_id=row["seller_id"],
        price=row["price"],
    )
