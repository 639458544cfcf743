"""A card game on a real database, with everything that is not the game held still."""

from __future__ import annotations

import datetime as dt
from random import Random
from typing import Any, Self

from cogs.card_game.game import CardGame
from tests.card_game.storage import Rows, Storage

ALICE, BOB, CAROL = 101, 202, 303
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


class World:
    """One game, the events it dispatched, and a look at its database from outside."""

    def __init__(self, storage: Storage, random: Random | None = None, *, busy_timeout: float = 0.2) -> None:
        self.storage = storage
        self.seconds = 0.0
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.database = storage.database(busy_timeout=busy_timeout, monotonic=lambda: self.seconds)
        self.game = CardGame(self.database, dispatch=self.dispatch, random=random or Random(7), clock=lambda: NOON)

    async def __aenter__(self) -> Self:
        await self.game.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.game.close()

    def dispatch(self, event: str, **payload: Any) -> None:
        """Record an event, in place of ``bot.dispatch``."""
        self.events.append((event, payload))

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query from outside; ``?`` stands for a value."""
        return self.storage.query(sql, *values)

    def rows(self) -> Rows:
        """Return every row of every table."""
        return self.storage.rows()

    async def card_of(self, user_id: int) -> int:
        """Open a pack for a player, and return the card_id of its first copy."""
        return (await self.game.open_pack(user_id)).cards[0].card_id

    async def listing_of(self, user_id: int, price: int = 50) -> int:
        """List a copy for a player, and return the listing's id."""
        return (await self.game.list_card(user_id, await self.card_of(user_id), price)).id
