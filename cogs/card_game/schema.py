"""The game's tables, in SQL that both SQLite and PostgreSQL accept.

Only ``{identity}`` differs between the engines: a primary key that numbers its rows. Times are ISO 8601 text in UTC.
``cards_data`` is a JSON list of objects with ``card_id`` (``cards.id``), ``name`` and ``rarity``.
"""

from __future__ import annotations

from .cards import STARTING_CARDS
from .database import Transaction
from .models import Rarity

__all__ = ["TABLES", "create", "seed"]

_RARITIES = ", ".join(f"'{rarity}'" for rarity in Rarity)

_STATEMENTS = (
    """
    CREATE TABLE IF NOT EXISTS users (
        id BIGINT PRIMARY KEY,
        name TEXT NOT NULL,
        coins BIGINT NOT NULL CHECK (coins >= 0),
        joined_at TEXT NOT NULL
    )
    """,
    f"""
    CREATE TABLE IF NOT EXISTS cards (
        id {{identity}},
        name TEXT NOT NULL UNIQUE,
        rarity TEXT NOT NULL CHECK (rarity IN ({_RARITIES}))
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS creator_packs (
        id {identity},
        creator_id BIGINT NOT NULL REFERENCES users (id),
        name TEXT NOT NULL,
        cards_data TEXT NOT NULL,
        price BIGINT NOT NULL CHECK (price > 0),
        published_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS user_cards (
        id {identity},
        user_id BIGINT NOT NULL REFERENCES users (id),
        card_id BIGINT NOT NULL REFERENCES cards (id),
        obtained_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS marketplace_listings (
        id {identity},
        user_card_id BIGINT NOT NULL REFERENCES user_cards (id),
        seller_id BIGINT NOT NULL REFERENCES users (id),
        buyer_id BIGINT REFERENCES users (id),
        price BIGINT NOT NULL CHECK (price > 0),
        status TEXT NOT NULL CHECK (status IN ('open', 'sold', 'withdrawn')),
        listed_at TEXT NOT NULL,
        closed_at TEXT,
        CHECK ((status = 'sold') = (buyer_id IS NOT NULL)),
        CHECK ((status = 'open') = (closed_at IS NULL))
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS user_dust (
        user_id BIGINT PRIMARY KEY REFERENCES users (id),
        balance BIGINT NOT NULL CHECK (balance >= 0)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS dust_transactions (
        id {identity},
        user_id BIGINT NOT NULL REFERENCES users (id),
        amount BIGINT NOT NULL CHECK (amount <> 0),
        reason TEXT NOT NULL,
        made_at TEXT NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS user_cards_of_user ON user_cards (user_id)",
    "CREATE INDEX IF NOT EXISTS dust_transactions_of_user ON dust_transactions (user_id)",
    # A copy has at most one open listing, whatever the code does.
    """
    CREATE UNIQUE INDEX IF NOT EXISTS one_open_listing
    ON marketplace_listings (user_card_id) WHERE status = 'open'
    """,
)

TABLES = (
    "users",
    "cards",
    "creator_packs",
    "user_cards",
    "marketplace_listings",
    "user_dust",
    "dust_transactions",
)
"""Every table of the game, each after the tables that it refers to."""


async def create(transaction: Transaction, identity: str) -> None:
    """Create missing tables and indexes; ``identity`` is the engine's SQL for a primary key that numbers its rows."""
    for statement in _STATEMENTS:
        await transaction.execute(statement.format(identity=identity))


async def seed(transaction: Transaction) -> None:
    """Fill the catalogue if it is empty."""
    if await transaction.fetch_one("SELECT id FROM cards LIMIT 1") is None:
        await transaction.execute_many("INSERT INTO cards (name, rarity) VALUES (?, ?)", STARTING_CARDS)
