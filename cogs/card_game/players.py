"""Players and their balances: every change of coins and dust is made here."""

from __future__ import annotations

from . import rules
from .database import Transaction
from .errors import NotEnoughCoins, NotEnoughDust, PlayerNotFound
from .models import Balance, Player

__all__ = ["change_coins", "change_dust", "ensure", "pay", "player"]


async def ensure(transaction: Transaction, user_id: int, name: str | None, now: str) -> None:
    """Create a player who has not played yet, with the starting balance; rename one who has, if there is a name."""
    stored = rules.player_name(name or "") or f"Player {user_id}"
    created = await transaction.fetch_one(
        "INSERT INTO users (id, name, coins, joined_at) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING RETURNING id",
        user_id,
        stored,
        rules.STARTING_COINS,
        now,
    )
    if created is not None:
        await transaction.execute("INSERT INTO user_dust (user_id, balance) VALUES (?, 0)", user_id)
        await change_dust(transaction, user_id, rules.STARTING_DUST, "starting balance", now)
    elif name:
        await transaction.execute("UPDATE users SET name = ? WHERE id = ? AND name <> ?", stored, user_id, stored)


async def player(transaction: Transaction, user_id: int) -> Player:
    """Return a player. Raises PlayerNotFound for somebody who has never played."""
    row = await transaction.fetch_one(
        """
        SELECT users.name, users.coins, user_dust.balance
        FROM users JOIN user_dust ON user_dust.user_id = users.id
        WHERE users.id = ?
        """,
        user_id,
    )
    if row is None:
        raise PlayerNotFound("You have not played yet: open a pack to begin.")
    return Player(user_id=user_id, name=row["name"], coins=row["coins"], dust=row["balance"])


async def change_coins(transaction: Transaction, user_id: int, amount: int) -> Balance:
    """Add coins, or take them if the amount is negative. Raises NotEnoughCoins instead of going below zero."""
    changed = await transaction.fetch_one(
        "UPDATE users SET coins = coins + ? WHERE id = ? AND coins + ? >= 0 RETURNING coins", amount, user_id, amount
    )
    found = await player(transaction, user_id)
    if changed is None:
        raise NotEnoughCoins(need=-amount, have=found.coins)
    return Balance(coins=found.coins, dust=found.dust)


async def pay(transaction: Transaction, payer_id: int, payee_id: int, price: int) -> Balance:
    """Move coins from one player to another and return the payer's balance. Raises NotEnoughCoins."""
    # In the order of their ids: otherwise two players who buy from each other could deadlock.
    changes = {payer_id: -price, payee_id: price}
    balances = {user_id: await change_coins(transaction, user_id, changes[user_id]) for user_id in sorted(changes)}
    return balances[payer_id]


async def change_dust(transaction: Transaction, user_id: int, amount: int, reason: str, now: str) -> Balance:
    """Add or take dust and record that. Raises NotEnoughDust instead of going below zero.

    A player's dust is the sum of their ``dust_transactions``.
    """
    changed = await transaction.fetch_one(
        "UPDATE user_dust SET balance = balance + ? WHERE user_id = ? AND balance + ? >= 0 RETURNING balance",
        amount,
        user_id,
        amount,
    )
    found = await player(transaction, user_id)
    if changed is None:
        raise NotEnoughDust(need=-amount, have=found.dust)
    await transaction.execute(
        "INSERT INTO dust_transactions (user_id, amount, reason, made_at) VALUES (?, ?, ?, ?)",
        user_id,
        amount,
        reason,
        now,
    )
    return Balance(coins=found.coins, dust=found.dust)
