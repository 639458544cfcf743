"""The game lets go of its database for a restore, and takes it up again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from cogs.card_game.errors import GamePaused, GameUnavailable
from cogs.card_game.game import PAUSE_LIMIT
from tests.card_game.storage import Storage
from tests.card_game.world import ALICE, BOB, World


async def test_a_paused_game_refuses_actions_and_queries(world: World) -> None:
    """Players read that a restore is running; nothing changes and nothing is announced."""
    await world.game.open_pack(ALICE)
    rows, events = world.rows(), list(world.events)
    await world.game.pause()
    with pytest.raises(GamePaused, match="restore"):
        await world.game.open_pack(ALICE)
    with pytest.raises(GamePaused):
        await world.game.balance(ALICE)
    assert (world.rows(), world.events) == (rows, events)


async def test_a_paused_game_has_no_connection_and_connects_again(world: World) -> None:
    """A restore that exchanges the database needs every connection gone."""
    assert world.storage.is_held()
    await world.game.pause()
    assert world.storage.is_free()
    await world.game.resume()
    await world.game.open_pack(ALICE)
    assert world.storage.is_held()


async def test_a_pause_waits_for_the_transactions_that_are_running(world: World) -> None:
    """What players began is finished; what queued behind it is refused."""
    go_on = asyncio.Event()
    inside: list[int] = []

    async def slow_action(card: int) -> None:
        async with world.database.transaction() as transaction:
            inside.append(card)
            await go_on.wait()
            await transaction.execute("UPDATE cards SET name = ? WHERE id = ?", f"Patient {card}", card)

    cards = range(1, world.database.concurrency + 1)
    running = [asyncio.create_task(slow_action(card)) for card in cards]
    while len(inside) < len(running):
        await asyncio.sleep(0.001)
    queued = asyncio.create_task(world.game.open_pack(BOB))
    await asyncio.sleep(0)
    pausing = asyncio.create_task(world.game.pause())
    await asyncio.sleep(0)
    assert not pausing.done()
    go_on.set()
    await asyncio.gather(*running, pausing)
    with pytest.raises(GamePaused):
        await queued
    assert world.query("SELECT count(*) FROM cards WHERE name LIKE 'Patient%'") == [(len(cards),)]
    assert world.storage.is_free()


async def test_a_pause_that_nobody_ends_ends_by_itself_after_two_minutes(world: World) -> None:
    """A backup cog that died in the middle does not stop the game for ever."""
    await world.game.pause()
    world.seconds = PAUSE_LIMIT - 0.001
    with pytest.raises(GamePaused):
        await world.game.open_pack(ALICE)
    world.seconds = PAUSE_LIMIT
    await world.game.open_pack(ALICE)
    assert PAUSE_LIMIT == 120


async def test_after_a_restore_the_game_plays_on_from_the_restored_state(
    world: World, new_storage: Callable[[], Storage]
) -> None:
    """Nothing of the database as it was is remembered."""
    async with World(new_storage()) as earlier:
        await earlier.game.register(ALICE, "Alice")
    await world.game.open_pack(ALICE)
    await world.game.pause()
    world.storage.become(earlier.storage)
    await world.game.resume()
    assert await world.game.cards_of(ALICE) == []
    assert (await world.game.open_pack(ALICE)).cards[0].card_id == 1


async def test_a_missing_database_is_not_replaced_by_an_empty_one(world: World) -> None:
    """A failed restore must not be hidden behind a new game; once the database is back, so is the game."""
    opened = await world.game.open_pack(ALICE)
    await world.game.pause()
    world.storage.hide()
    with pytest.raises(GameUnavailable):
        await world.game.resume()
    with pytest.raises(GameUnavailable):
        await world.game.open_pack(ALICE)
    world.storage.show()
    assert len(await world.game.cards_of(ALICE)) == len(opened.cards)


async def test_a_closed_game_stays_closed(world: World) -> None:
    """An event that comes late does not open a database that nobody will close."""
    await world.game.close()
    with pytest.raises(GameUnavailable):
        await world.game.resume()
    with pytest.raises(GameUnavailable):
        await world.game.open_pack(ALICE)
    assert world.storage.is_free()
