"""Many players and several processes at once: nothing is spent twice, whichever engine decides."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable

import pytest

from cogs.card_game import players, rules
from cogs.card_game.database import Transaction
from cogs.card_game.errors import CardNotOwned
from cogs.card_game.models import Balance
from tests.card_game.storage import Storage
from tests.card_game.world import ALICE, BOB, World

PATIENT = 20.0
"""Seconds to wait for a lock, so that a slow machine is not taken for a busy game."""


async def outcomes(actions: Iterable[Awaitable[object]]) -> Counter[str]:
    """Run all at once, and count the outcomes."""
    done = await asyncio.gather(*actions, return_exceptions=True)
    return Counter(type(one).__name__ for one in done)


async def test_coins_are_not_spent_twice(storage: Storage) -> None:
    """Of thirty packs opened at once from two processes, a player gets the ten they can pay."""
    async with World(storage, busy_timeout=PATIENT) as one, World(storage, busy_timeout=PATIENT) as other:
        found = await outcomes(world.game.open_pack(ALICE) for _ in range(15) for world in (one, other))
    affordable = rules.STARTING_COINS // rules.PACK_PRICE
    assert found == {"OpenedPack": affordable, "NotEnoughCoins": 30 - affordable}
    assert storage.query("SELECT coins FROM users") == [(0,)]
    assert storage.query("SELECT count(*) FROM user_cards") == [(affordable * rules.PACK_CARDS,)]
    assert len(one.events + other.events) == affordable


async def test_dust_is_not_spent_twice(storage: Storage) -> None:
    """What is left is what the transactions say."""
    async with World(storage, busy_timeout=PATIENT) as one, World(storage, busy_timeout=PATIENT) as other:
        pack = await one.game.publish_pack(BOB, "Dear", ["Star Serpent"])
        assert rules.STARTING_DUST // pack.price == 2
        found = await outcomes(
            world.game.buy_pack_with_dust(ALICE, pack.id) for _ in range(5) for world in (one, other)
        )
    assert found == {"PackPurchase": 2, "NotEnoughDust": 8}
    ((balance, written),) = storage.query(
        "SELECT balance, (SELECT sum(amount) FROM dust_transactions WHERE user_id = user_dust.user_id) "
        "FROM user_dust WHERE user_id = ?",
        ALICE,
    )
    assert balance == written == rules.STARTING_DUST - 2 * pack.price


async def test_two_players_who_buy_from_each_other_do_not_wait_for_one_another(storage: Storage) -> None:
    """Each pays the other; coins change hands in one order, so there is no deadlock."""
    async with World(storage, busy_timeout=PATIENT) as world:
        for _ in range(5):
            of_alice, of_bob = await world.listing_of(ALICE, 10), await world.listing_of(BOB, 10)
            found = await outcomes([world.game.buy_listing(BOB, of_alice), world.game.buy_listing(ALICE, of_bob)])
            assert found == {"Sale": 2}
    assert storage.query("SELECT DISTINCT coins FROM users") == [(rules.STARTING_COINS - 5 * rules.PACK_PRICE,)]


async def test_a_card_that_is_being_sold_is_not_listed_again_by_its_old_owner(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes second sees what the first one did, and a card has one owner who offers it."""
    closed, go_on, pay = asyncio.Event(), asyncio.Event(), players.pay

    async def pay_slowly(transaction: Transaction, *values: int) -> Balance:
        closed.set()
        await go_on.wait()
        return await pay(transaction, *values)

    monkeypatch.setattr(players, "pay", pay_slowly)
    async with World(storage, busy_timeout=PATIENT) as world, World(storage, busy_timeout=PATIENT) as other:
        card_id = await world.card_of(ALICE)
        listing = await world.game.list_card(ALICE, card_id, 10)
        sale = asyncio.create_task(other.game.buy_listing(BOB, listing.id))
        await closed.wait()
        listed_again = asyncio.create_task(world.game.list_card(ALICE, card_id, 900))
        await asyncio.sleep(0.2)
        assert not listed_again.done()
        go_on.set()
        await sale
        with pytest.raises(CardNotOwned):
            await listed_again
    assert storage.query("SELECT seller_id, status FROM marketplace_listings") == [(ALICE, "sold")]


async def test_a_reading_sees_one_committed_state(storage: Storage) -> None:
    """Somebody else's commit between two queries of a reading does not show in the second."""
    async with World(storage) as world, World(storage) as other:
        async with world.database.reading() as transaction:
            before = await transaction.fetch_all("SELECT id FROM users")
            await other.game.register(ALICE, "Alice")
            after = await transaction.fetch_all("SELECT id FROM users")
        assert (before, after) == ([], [])
        assert (await world.game.balance(ALICE)).coins == rules.STARTING_COINS


async def test_processes_that_start_at_once_make_one_game(storage: Storage) -> None:
    """Of the shards of a new bot, one creates the tables and fills the catalogue."""
    worlds = [World(storage, busy_timeout=PATIENT) for _ in range(4)]
    found = await outcomes(world.game.start() for world in worlds)
    for world in worlds:
        await world.game.close()
    assert found == {"NoneType": 4}
    assert storage.query("SELECT count(*) FROM cards") == [(60,)]
