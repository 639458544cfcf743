"""What only a server can do to a game: end its connections, refuse them, or be replaced behind its back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import pytest

from cogs.card_game.errors import GameBusy, GameUnavailable
from cogs.card_game.postgres import PostgresDatabase, _numbered
from tests.card_game.storage import PostgresStorage, Storage
from tests.card_game.world import ALICE, World

pytestmark = pytest.mark.server


@pytest.fixture
def engine() -> str:
    """One engine only."""
    return "postgresql"


def storage_of(world: World) -> PostgresStorage:
    """Return the world's storage, which is on a server."""
    assert isinstance(world.storage, PostgresStorage)
    return world.storage


async def fill_the_pool(world: World) -> None:
    """Leave as many idle connections as there can be."""
    inside = asyncio.Barrier(world.database.concurrency)

    async def read() -> None:
        async with world.database.reading():
            await inside.wait()

    await asyncio.gather(*[read() for _ in range(world.database.concurrency)])
    assert len(storage_of(world).sessions()) == world.database.concurrency


async def test_a_game_goes_on_when_its_idle_connections_are_ended(world: World) -> None:
    """No player meets an error because the server ended what nobody was using."""
    await fill_the_pool(world)
    storage_of(world).end_sessions()
    await world.game.open_pack(ALICE)
    await fill_the_pool(world)
    storage_of(world).end_sessions()
    await asyncio.gather(*[world.game.register(number, "Somebody") for number in range(1, 9)])
    assert world.query("SELECT count(*) FROM users WHERE name = 'Somebody'") == [(8,)]


async def test_a_game_goes_on_in_a_database_that_was_replaced_without_a_word(
    world: World, new_storage: Callable[[], Storage]
) -> None:
    """Another process restored: this one heard of no pause, and its connections were ended."""
    async with World(new_storage()) as earlier:
        await earlier.game.register(ALICE, "Alice")
    await world.game.open_pack(ALICE)
    await fill_the_pool(world)
    world.storage.become(earlier.storage)
    assert await world.game.cards_of(ALICE) == []
    assert (await world.game.open_pack(ALICE)).cards[0].card_id == 1


async def test_an_action_whose_connection_is_ended_changes_nothing(world: World) -> None:
    """It is not begun again by itself: whether the commit was done cannot be known. The player reads a sentence."""
    rows = world.rows()

    async def lose_the_connection() -> None:
        async with world.database.transaction() as transaction:
            await transaction.execute("UPDATE cards SET name = 'Lost Fox' WHERE id = 1")
            storage_of(world).end_sessions()
            await transaction.execute("UPDATE cards SET name = 'Lost Crane' WHERE id = 2")

    with pytest.raises(GameUnavailable):
        await lose_the_connection()
    assert world.rows() == rows
    await world.game.open_pack(ALICE)


async def test_a_database_that_takes_no_connections_is_unavailable_until_it_does(world: World) -> None:
    """As during the moment in which a restore exchanges two databases."""
    storage = storage_of(world)
    storage.server.query("postgres", f'ALTER DATABASE "{storage.name}" ALLOW_CONNECTIONS false')
    storage.end_sessions()
    with pytest.raises(GameUnavailable):
        await world.game.open_pack(ALICE)
    storage.server.query("postgres", f'ALTER DATABASE "{storage.name}" ALLOW_CONNECTIONS true')
    await world.game.open_pack(ALICE)


async def test_tables_that_were_replaced_in_place_are_met_by_the_next_action(world: World) -> None:
    """A restore without the right to create databases drops and makes them again, under a pool that knows the old."""
    await world.game.open_pack(ALICE)
    assert await world.game.balance(ALICE)
    world.query("ALTER TABLE users ALTER COLUMN coins TYPE integer")
    with pytest.raises(GameBusy):
        await world.game.balance(ALICE)
    assert (await world.game.balance(ALICE)).coins == 900


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    """At once, and in a sentence."""
    database = PostgresDatabase("postgresql://nobody@127.0.0.1:1/game")
    with pytest.raises(GameUnavailable, match="cannot reach its data"):
        await database.open()


async def test_a_refused_password_is_told_to_whoever_starts_the_game(world: World) -> None:
    """It is a mistake in a setting, not something to wait for; the message does not show the password."""
    storage = storage_of(world)
    storage.server.query("postgres", "CREATE ROLE stranger LOGIN PASSWORD 'right'")
    port = storage.url.rpartition("port=")[2]
    database = PostgresDatabase(f"postgresql://stranger:secret@127.0.0.1:{port}/{storage.name}")
    with pytest.raises(asyncpg.InvalidPasswordError) as refused:
        await database.open()
    assert "secret" not in str(refused.value)


async def test_a_transaction_that_the_server_gave_up_is_not_taken_for_committed(world: World) -> None:
    """PostgreSQL answers COMMIT with ROLLBACK where a statement failed, and calls it no error."""

    async def swallow_an_error() -> None:
        async with world.database.transaction() as transaction:
            transaction.after_commit(pytest.fail, "announced what was rolled back")
            with pytest.raises(asyncpg.UndefinedTableError):
                await transaction.execute("SELECT 1 FROM nowhere")

    with pytest.raises(RuntimeError, match="not committed"):
        await swallow_an_error()
    await world.game.open_pack(ALICE)


def test_values_are_numbered_as_the_server_wants_them() -> None:
    """``?`` is written once for every engine."""
    assert _numbered("SELECT ? WHERE ? = ?") == "SELECT $1 WHERE $2 = $3"
