"""The game lets go of its database for a restore, and takes it up again."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest

from cogs.card_game.errors import GamePaused, GameUnavailable
from cogs.card_game.game import PAUSE_LIMIT
from tests.card_game.world import ALICE, BOB, World


def is_held(world: World) -> bool:
    """Tell whether anybody has the file open: SQLite leaves the write-ahead log only for the last connection."""
    with closing(sqlite3.connect(world.path, timeout=0)) as connection:
        try:
            ((mode,),) = connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        except sqlite3.OperationalError:
            return True
        return bool(mode != "delete")


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


async def test_a_paused_game_has_the_file_closed_and_opens_it_again(world: World) -> None:
    """A restore that exchanges the file needs every connection gone."""
    assert is_held(world)
    await world.game.pause()
    assert not is_held(world)
    await world.game.resume()
    await world.game.open_pack(ALICE)
    assert is_held(world)


async def test_a_pause_waits_for_the_transaction_that_is_running(world: World) -> None:
    """What a player began is finished; what queued behind it is refused."""
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def slow_action() -> None:
        async with world.database.transaction() as transaction:
            inside.set()
            await go_on.wait()
            await transaction.execute("UPDATE cards SET name = 'Patient Fox' WHERE id = 1")

    running = asyncio.create_task(slow_action())
    await inside.wait()
    queued = asyncio.create_task(world.game.open_pack(BOB))
    await asyncio.sleep(0)
    pausing = asyncio.create_task(world.game.pause())
    await asyncio.sleep(0)
    assert not pausing.done()
    go_on.set()
    await running
    await pausing
    with pytest.raises(GamePaused):
        await queued
    assert world.query("SELECT name FROM cards WHERE id = 1") == [("Patient Fox",)]
    assert not is_held(world)


async def test_a_pause_that_nobody_ends_ends_by_itself_after_two_minutes(world: World) -> None:
    """A backup cog that died in the middle does not stop the game for ever."""
    await world.game.pause()
    world.seconds = PAUSE_LIMIT - 0.001
    with pytest.raises(GamePaused):
        await world.game.open_pack(ALICE)
    world.seconds = PAUSE_LIMIT
    await world.game.open_pack(ALICE)
    assert PAUSE_LIMIT == 120


async def test_after_a_restore_the_game_plays_on_from_the_restored_state(world: World) -> None:
    """Nothing of the database as it was is remembered."""
    await world.game.register(ALICE, "Alice")
    earlier = world.path.with_name("earlier.db")
    with closing(sqlite3.connect(world.path)) as live, closing(sqlite3.connect(earlier)) as copy:
        live.backup(copy)
    await world.game.open_pack(ALICE)
    await world.game.pause()
    for leftover in ("-wal", "-shm"):
        world.path.with_name(world.path.name + leftover).unlink(missing_ok=True)
    earlier.replace(world.path)
    await world.game.resume()
    assert await world.game.cards_of(ALICE) == []
    assert (await world.game.open_pack(ALICE)).cards[0].card_id == 1


async def test_a_missing_file_is_not_replaced_by_an_empty_one(world: World) -> None:
    """A failed restore must not be hidden behind a new game; once the file is back, so is the game."""
    await world.game.open_pack(ALICE)
    await world.game.pause()
    away = world.path.rename(world.path.with_name("away.db"))
    with pytest.raises(GameUnavailable):
        await world.game.resume()
    with pytest.raises(GameUnavailable):
        await world.game.open_pack(ALICE)
    assert not world.path.exists()
    away.rename(world.path)
    await world.game.open_pack(ALICE)


async def test_a_closed_game_stays_closed(world: World) -> None:
    """An event that comes late does not open a database that nobody will close."""
    await world.game.close()
    with pytest.raises(GameUnavailable):
        await world.game.resume()
    with pytest.raises(GameUnavailable):
        await world.game.open_pack(ALICE)
    assert not is_held(world)
