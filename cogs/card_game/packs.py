"""Packs: drawn at random for coins, or published by a player and bought with dust."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random

from . import collection, players, rules
from .database import Row, Transaction
from .errors import CardNotFound, PackNotFound, PackUnreadable
from .models import Card, OpenedPack, Pack, PackDraft, PackPurchase, Rarity

__all__ = ["buy", "draft", "open_random", "publish", "published"]


async def open_random(transaction: Transaction, random: Random, user_id: int, now: str) -> OpenedPack:
    """Charge for a pack, draw its cards, and give dust for duplicates. Raises NotEnoughCoins."""
    balance = await players.change_coins(transaction, user_id, -rules.PACK_PRICE)
    owned = await collection.owned_ids(transaction, user_id)
    drawn = rules.draw(random, await collection.catalogue(transaction), rules.PACK_CARDS)
    gained = 0
    for card in drawn:
        if card.id in owned:
            gained += rules.DUPLICATE_DUST[card.rarity]
        owned.add(card.id)
    if gained:
        balance = await players.change_dust(transaction, user_id, gained, "duplicates", now)
    cards = await collection.give(transaction, user_id, drawn, now)
    return OpenedPack(user_id=user_id, cards=cards, dust_gained=gained, balance=balance)


async def draft(transaction: Transaction, name: str, names: Sequence[str]) -> PackDraft:
    """Check a pack before it is published. Raises InvalidPack, or CardNotFound for a card not in the catalogue."""
    checked = rules.checked_pack_name(name)
    wanted = rules.checked_card_names(names)
    known = {card.name.lower(): card for card in await collection.catalogue(transaction)}
    for card_name in wanted:
        if card_name.lower() not in known:
            raise CardNotFound(f'There is no card named "{card_name[: rules.PACK_NAME_LIMIT]}".')
    cards = tuple(known[card_name.lower()] for card_name in wanted)
    return PackDraft(name=checked, cards=cards, price=rules.dust_price(cards))


async def publish(transaction: Transaction, creator_id: int, name: str, names: Sequence[str], now: str) -> Pack:
    """Store a pack for others to buy. Raises as ``draft`` does."""
    checked = await draft(transaction, name, names)
    contents = [{"card_id": card.id, "name": card.name, "rarity": card.rarity.value} for card in checked.cards]
    pack_id = await transaction.insert(
        """
        INSERT INTO creator_packs (creator_id, name, cards_data, price, published_at)
        VALUES (?, ?, ?, ?, ?) RETURNING id
        """,
        creator_id,
        checked.name,
        json.dumps(contents, ensure_ascii=False),
        checked.price,
        now,
    )
    return Pack(id=pack_id, creator_id=creator_id, name=checked.name, cards=checked.cards, price=checked.price)


async def published(transaction: Transaction) -> list[Pack]:
    """Return every published pack, newest first. Raises PackUnreadable if one is damaged."""
    rows = await transaction.fetch_all(
        "SELECT id, creator_id, name, cards_data, price FROM creator_packs ORDER BY id DESC"
    )
    return [_pack(row) for row in rows]


async def buy(transaction: Transaction, user_id: int, pack_id: int, now: str) -> PackPurchase:
    """Charge the price in dust and give a copy of each card of the pack.

    The dust is spent, not paid to the creator: otherwise creators would get their own packs for nothing. Raises
    PackNotFound, PackUnreadable or NotEnoughDust.
    """
    row = (
        await transaction.fetch_one(
            "SELECT id, creator_id, name, cards_data, price FROM creator_packs WHERE id = ?", pack_id
        )
        if rules.is_row_id(pack_id)
        else None
    )
    if row is None:
        raise PackNotFound(f"There is no pack {pack_id}.")
    pack = _pack(row)
    balance = await players.change_dust(transaction, user_id, -pack.price, f"pack {pack.id}", now)
    cards = await collection.give(transaction, user_id, pack.cards, now)
    return PackPurchase(user_id=user_id, pack=pack, cards=cards, balance=balance)


def _pack(row: Row) -> Pack:
    try:
        cards = tuple(
            Card(id=card["card_id"], name=card["name"], rarity=Rarity(card["rarity"]))
            for card in json.loads(row["cards_data"])
        )
    except (ValueError, TypeError, KeyError) as error:
        raise PackUnreadable(
            f"The contents of pack {row['id']} cannot be read. Please tell the bot's owner."
        ) from error
    return Pack(id=row["id"], creator_id=row["creator_id"], name=row["name"], cards=cards, price=row["price"])
