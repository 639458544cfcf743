"""The card game without Discord: one method per action, each exactly one transaction.

    action                  event, dispatched after the commit
    open_pack               pack_opened(user_id, rarities)
    list_card               marketplace_listed(card_id)
    buy_listing             marketplace_sold(card_id)
    publish_pack            pack_published(pack_id)
    buy_pack_with_dust      pack_purchased(pack_id)
    register, withdraw_listing, and every query: none

``card_id`` is the id of one concrete copy (``user_cards.id``), in events and in arguments. ``rarities`` is a list with
the rarity of each card drawn, in lower case. Nothing is drawn from a bought pack, so it is not a ``pack_opened``.

Every action creates a player who has not played yet, with the starting balance, and stores the player's name if the
caller passes it. An action that raises a GameError has changed nothing and dispatched nothing. Besides the errors that
its docstring lists, each action can raise GameUnavailable (GamePaused, GameBusy).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from random import Random

from . import collection, market, packs, players, schema
from .database import Database
from .models import Balance, Card, CardCopy, Listing, OpenedPack, Pack, PackDraft, PackPurchase, Player, Sale

__all__ = ["PAUSE_LIMIT", "CardGame"]

PAUSE_LIMIT = 120.0
"""How many seconds the game waits for the end of a restore before it resumes by itself."""


class CardGame:
    """The game in one database.

    ``dispatch(event, **payload)`` announces what was committed, on the event loop (``bot.dispatch``). ``random`` draws
    the packs. ``clock`` returns the time as an aware datetime in UTC.
    """

    def __init__(
        self,
        database: Database,
        *,
        dispatch: Callable[..., object],
        random: Random,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._database = database
        self._dispatch = dispatch
        self._random = random
        self._clock = clock

    async def start(self) -> None:
        """Open the database, create missing tables, and fill an empty catalogue."""
        await self._database.open()
        try:
            async with self._database.creating() as transaction:
                await schema.create(transaction, self._database.identity)
                await schema.seed(transaction)
        except BaseException:
            # An open connection has a thread that keeps the process from ending.
            await self._database.close()
            raise

    async def close(self) -> None:
        """Close the database after the running actions; later ones raise GameUnavailable."""
        await self._database.close()

    async def pause(self) -> None:
        """Refuse actions with GamePaused and release the database, for two minutes at most."""
        await self._database.pause(PAUSE_LIMIT)

    async def resume(self) -> None:
        """End a pause. Raises GameUnavailable if the database cannot be opened yet; the next action tries again."""
        await self._database.resume()

    async def register(self, user_id: int, name: str) -> Player:
        """Create a player, or rename one who has played."""
        async with self._database.transaction() as transaction:
            await players.ensure(transaction, user_id, name, self._now())
            return await players.player(transaction, user_id)

    async def open_pack(self, user_id: int, name: str | None = None) -> OpenedPack:
        """Buy a pack of five random cards for 100 coins. Raises NotEnoughCoins."""
        async with self._database.transaction() as transaction:
            now = self._now()
            await players.ensure(transaction, user_id, name, now)
            opened = await packs.open_random(transaction, self._random, user_id, now)
            transaction.after_commit(self._dispatch, "pack_opened", user_id=user_id, rarities=list(opened.rarities))
        return opened

    async def publish_pack(
        self, user_id: int, pack_name: str, card_names: Sequence[str], name: str | None = None
    ) -> Pack:
        """Publish a pack of one to ten different cards of the catalogue, by name in any case.

        Its price in dust follows from the cards. Raises InvalidPack or CardNotFound.
        """
        async with self._database.transaction() as transaction:
            now = self._now()
            await players.ensure(transaction, user_id, name, now)
            pack = await packs.publish(transaction, user_id, pack_name, card_names, now)
            transaction.after_commit(self._dispatch, "pack_published", pack_id=pack.id)
        return pack

    async def list_card(self, user_id: int, card_id: int, price: int, name: str | None = None) -> Listing:
        """Offer a copy on the market for 1 to 1,000,000 coins.

        Raises InvalidPrice, CardNotFound, CardNotOwned or CardAlreadyListed.
        """
        async with self._database.transaction() as transaction:
            now = self._now()
            await players.ensure(transaction, user_id, name, now)
            listing = await market.offer(transaction, user_id, card_id, price, now)
            transaction.after_commit(self._dispatch, "marketplace_listed", card_id=listing.card_id)
        return listing

    async def withdraw_listing(self, user_id: int, listing_id: int, name: str | None = None) -> Listing:
        """Take a copy of the player's own off the market. Raises ListingNotFound, ListingNotOwned or ListingClosed."""
        async with self._database.transaction() as transaction:
            now = self._now()
            await players.ensure(transaction, user_id, name, now)
            return await market.withdraw(transaction, user_id, listing_id, now)

    async def buy_listing(self, user_id: int, listing_id: int, name: str | None = None) -> Sale:
        """Buy a listed copy from another player.

        Raises ListingNotFound, OwnListing, ListingClosed or NotEnoughCoins.
        """
        async with self._database.transaction() as transaction:
            now = self._now()
            await players.ensure(transaction, user_id, name, now)
            sale = await market.buy(transaction, user_id, listing_id, now)
            transaction.after_commit(self._dispatch, "marketplace_sold", card_id=sale.listing.card_id)
        return sale

    async def buy_pack_with_dust(self, user_id: int, pack_id: int, name: str | None = None) -> PackPurchase:
        """Buy a published pack with dust and get a copy of each of its cards.

        Raises PackNotFound, PackUnreadable or NotEnoughDust.
        """
        async with self._database.transaction() as transaction:
            now = self._now()
            await players.ensure(transaction, user_id, name, now)
            purchase = await packs.buy(transaction, user_id, pack_id, now)
            transaction.after_commit(self._dispatch, "pack_purchased", pack_id=pack_id)
        return purchase

    async def draft_pack(self, pack_name: str, card_names: Sequence[str]) -> PackDraft:
        """Return the pack that ``publish_pack`` would publish; raises as it does, and changes nothing."""
        async with self._database.reading() as transaction:
            return await packs.draft(transaction, pack_name, card_names)

    async def balance(self, user_id: int) -> Balance:
        """Return a player's coins and dust. Raises PlayerNotFound for somebody who has never played."""
        async with self._database.reading() as transaction:
            found = await players.player(transaction, user_id)
        return Balance(coins=found.coins, dust=found.dust)

    async def cards_of(self, user_id: int) -> list[CardCopy]:
        """Return a player's copies, oldest first; none for somebody who has never played."""
        async with self._database.reading() as transaction:
            return await collection.copies(transaction, user_id)

    async def open_listings(self) -> list[Listing]:
        """Return everything on the market, newest first."""
        async with self._database.reading() as transaction:
            return await market.open_listings(transaction)

    async def published_packs(self) -> list[Pack]:
        """Return the published packs, newest first. Raises PackUnreadable if one is damaged."""
        async with self._database.reading() as transaction:
            return await packs.published(transaction)

    async def catalogue(self) -> list[Card]:
        """Return every card of the catalogue, by id."""
        async with self._database.reading() as transaction:
            return await collection.catalogue(transaction)

    def _now(self) -> str:
        return self._clock().isoformat(timespec="milliseconds")
