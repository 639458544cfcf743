"""What the actions do, what they announce, and when."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from random import Random
from typing import Any

import asyncpg
import pytest

from cogs.card_game import players, rules
from cogs.card_game.database import Transaction
from cogs.card_game.errors import GameBusy, ListingClosed, PackUnreadable, PlayerNotFound
from cogs.card_game.models import Balance, Rarity
from tests.card_game.storage import Storage
from tests.card_game.world import ALICE, BOB, CAROL, World


async def test_a_player_begins_with_coins_and_dust_at_the_first_action(world: World) -> None:
    """Nobody has to sign up, and the starting dust is written down."""
    with pytest.raises(PlayerNotFound):
        await world.game.balance(ALICE)
    player = await world.game.register(ALICE, "Alice")
    assert (player.name, player.coins, player.dust) == ("Alice", rules.STARTING_COINS, rules.STARTING_DUST)
    assert world.query("SELECT user_id, amount, reason FROM dust_transactions") == [
        (ALICE, rules.STARTING_DUST, "starting balance")
    ]


async def test_registering_again_only_changes_the_name(world: World) -> None:
    """A renamed player keeps everything."""
    await world.game.open_pack(ALICE, "Alice")
    before = await world.game.balance(ALICE)
    await world.game.register(ALICE, "Alicia\0\n the Second")
    assert world.query("SELECT name FROM users") == [("Alicia the Second",)]
    assert await world.game.balance(ALICE) == before


async def test_a_pack_costs_coins_and_gives_five_cards(world: World) -> None:
    """The answer, the database and the event say the same."""
    opened = await world.game.open_pack(ALICE)
    assert len(opened.cards) == rules.PACK_CARDS
    assert tuple(await world.game.cards_of(ALICE)) == opened.cards
    assert (await world.game.balance(ALICE)) == opened.balance
    assert opened.balance.coins == rules.STARTING_COINS - rules.PACK_PRICE
    assert world.events == [("pack_opened", {"user_id": ALICE, "rarities": [card.rarity for card in opened.cards]})]
    assert {type(rarity) for rarity in world.events[0][1]["rarities"]} == {str}


async def test_a_card_drawn_again_gives_dust(world: World) -> None:
    """A duplicate is kept and pays by its rarity."""

    class SameCard(Random):
        def choices(self, population: Any, *_: Any, k: int = 1, **__: Any) -> list[Any]:
            return [population[0]] * k

    async with World(world.storage, SameCard()) as lucky:
        opened = await lucky.game.open_pack(ALICE)
    assert opened.dust_gained == (rules.PACK_CARDS - 1) * rules.DUPLICATE_DUST[Rarity.COMMON]
    assert opened.balance.dust == rules.STARTING_DUST + opened.dust_gained


async def test_a_sale_moves_the_copy_one_way_and_the_coins_the_other(world: World) -> None:
    """What the buyer pays is what the seller gets, and both events name the copy."""
    card_id = await world.card_of(ALICE)
    await world.game.register(BOB, "Bob")
    listing = await world.game.list_card(ALICE, card_id, 70)
    assert [card.card_id for card in await world.game.cards_of(ALICE) if card.listed] == [card_id]
    before = await world.game.balance(ALICE)
    sale = await world.game.buy_listing(BOB, listing.id)
    assert sale.listing == listing
    assert [card.card_id for card in await world.game.cards_of(BOB)] == [card_id]
    assert card_id not in [card.card_id for card in await world.game.cards_of(ALICE)]
    assert (await world.game.balance(ALICE)).coins == before.coins + 70
    assert sale.balance == Balance(coins=rules.STARTING_COINS - 70, dust=rules.STARTING_DUST)
    assert await world.game.open_listings() == []
    assert world.events[1:] == [
        ("marketplace_listed", {"card_id": card_id}),
        ("marketplace_sold", {"card_id": card_id}),
    ]


async def test_a_bought_copy_can_be_listed_again(world: World) -> None:
    """A closed listing does not stand in the way of the next one, withdrawn or sold."""
    card_id = await world.card_of(ALICE)
    withdrawn = await world.game.list_card(ALICE, card_id, 10)
    await world.game.withdraw_listing(ALICE, withdrawn.id)
    first = await world.game.list_card(ALICE, card_id, 20)
    await world.game.buy_listing(BOB, first.id)
    second = await world.game.list_card(BOB, card_id, 30)
    assert await world.game.open_listings() == [second]
    await world.game.buy_listing(ALICE, second.id)
    assert world.query("SELECT status FROM marketplace_listings ORDER BY id") == [("withdrawn",), ("sold",), ("sold",)]


async def test_of_two_buyers_at_once_exactly_one_wins(world: World) -> None:
    """The other one is told, and keeps the coins."""
    listing_id = await world.listing_of(ALICE, 300)
    outcomes = await asyncio.gather(
        world.game.buy_listing(BOB, listing_id), world.game.buy_listing(CAROL, listing_id), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ListingClosed", "Sale"]
    assert sum(coins for (coins,) in world.query("SELECT coins FROM users WHERE id <> ?", ALICE)) in (
        2 * rules.STARTING_COINS - 300,
        rules.STARTING_COINS - 300,  # the loser was never created: nothing of a refused action stays
    )


async def test_of_two_processes_that_sell_the_same_listing_exactly_one_does(world: World) -> None:
    """A second connection is as good as a second bot: the database decides, not a lock in memory."""
    listing_id = await world.listing_of(ALICE, 300)
    async with World(world.storage) as other:
        outcomes = await asyncio.gather(
            world.game.buy_listing(BOB, listing_id), other.game.buy_listing(CAROL, listing_id), return_exceptions=True
        )
    refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert len(refused) == 1
    assert isinstance(refused[0], ListingClosed)
    assert len(world.query("SELECT id FROM marketplace_listings WHERE status = 'sold'")) == 1


async def test_a_published_pack_is_stored_as_a_json_list(world: World) -> None:
    """cards_data names each card, whatever case it was typed in, and the price follows from the rarities."""
    pack = await world.game.publish_pack(ALICE, "  Foxes   & “friends” ", ["ember fox", "VOID SAGE"])
    assert pack.name == "Foxes & “friends”"
    assert pack.price == 505
    assert await world.game.published_packs() == [pack]
    ((stored,),) = world.query("SELECT cards_data FROM creator_packs")
    assert [card["name"] for card in json.loads(stored)] == ["Ember Fox", "Void Sage"]
    assert world.events == [("pack_published", {"pack_id": pack.id})]


async def test_a_draft_is_what_would_be_published_and_changes_nothing(world: World) -> None:
    """The preview neither promises something else nor leaves a trace."""
    before = world.rows()
    draft = await world.game.draft_pack("Foxes", ["Ember Fox"])
    assert world.rows() == before
    pack = await world.game.publish_pack(ALICE, "Foxes", ["Ember Fox"])
    assert (draft.name, draft.cards, draft.price) == (pack.name, pack.cards, pack.price)


async def test_a_pack_bought_with_dust_gives_its_cards(world: World) -> None:
    """The dust is spent and written down; nothing was drawn, so no pack was opened."""
    pack = await world.game.publish_pack(ALICE, "Foxes", ["Ember Fox", "Tide Crane"])
    bought = await world.game.buy_pack_with_dust(BOB, pack.id)
    assert [card.name for card in await world.game.cards_of(BOB)] == ["Ember Fox", "Tide Crane"]
    assert bought.balance.dust == rules.STARTING_DUST - pack.price
    assert world.query("SELECT amount, reason FROM dust_transactions WHERE user_id = ? ORDER BY id", BOB)[-1] == (
        -pack.price,
        f"pack {pack.id}",
    )
    assert world.events[1:] == [("pack_purchased", {"pack_id": pack.id})]


@pytest.mark.parametrize("contents", ["[{", '{"a": 1}', "[1]", '[{"card_id": 1, "name": "x", "rarity": "blue"}]'])
async def test_a_pack_with_damaged_contents_is_not_sold(world: World, contents: str) -> None:
    """A player is told whom to tell, and keeps the dust."""
    pack = await world.game.publish_pack(ALICE, "Foxes", ["Ember Fox"])
    async with world.database.transaction() as transaction:
        await transaction.execute("UPDATE creator_packs SET cards_data = ? WHERE id = ?", contents, pack.id)
    before = world.rows()
    with pytest.raises(PackUnreadable):
        await world.game.buy_pack_with_dust(ALICE, pack.id)
    assert world.rows() == before


async def test_a_listener_with_its_own_connection_sees_what_the_event_is_about(storage: Storage) -> None:
    """Every event is dispatched after the commit, when a snapshot taken at once would hold the row."""
    seen: dict[str, list[tuple[Any, ...]]] = {}

    class Watched(World):
        def dispatch(self, event: str, **payload: Any) -> None:
            sql = {
                "pack_opened": "SELECT count(*) FROM user_cards",
                "marketplace_listed": "SELECT status FROM marketplace_listings",
                "marketplace_sold": "SELECT status, buyer_id FROM marketplace_listings",
                "pack_published": "SELECT name FROM creator_packs",
                "pack_purchased": "SELECT amount FROM dust_transactions WHERE amount < 0",
            }[event]
            seen[event] = self.query(sql)

    async with Watched(storage) as world:
        listing_id = await world.listing_of(ALICE)
        await world.game.buy_listing(BOB, listing_id)
        pack = await world.game.publish_pack(ALICE, "Foxes", ["Ember Fox"])
        await world.game.buy_pack_with_dust(BOB, pack.id)
    assert seen == {
        "pack_opened": [(5,)],
        "marketplace_listed": [("open",)],
        "marketplace_sold": [("sold", BOB)],
        "pack_published": [("Foxes",)],
        "pack_purchased": [(-5,)],
    }


@pytest.mark.parametrize("times", [1, 2])
async def test_an_action_cancelled_while_it_commits_still_announces_what_it_did(
    world: World, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """What is in the database was announced, and nothing else, however often the player's command is cancelled."""
    action = asyncio.create_task(world.game.open_pack(ALICE))
    commit = Transaction.commit

    async def cancelled_commit(transaction: Transaction) -> None:
        for _ in range(times):
            action.cancel()
            await asyncio.sleep(0.01)  # the cancellation arrives
        await commit(transaction)

    monkeypatch.setattr(Transaction, "commit", cancelled_commit)
    with pytest.raises(asyncio.CancelledError):
        await action
    assert len(world.query("SELECT id FROM user_cards")) == rules.PACK_CARDS
    assert [event for event, _ in world.events] == ["pack_opened"]


async def test_an_action_cancelled_before_it_commits_leaves_nothing(storage: Storage) -> None:
    """It is rolled back, announces nothing, and does not stand in the way of the next one."""

    class Cancelling(Random):
        once = True

        def choices(self, *values: Any, **named: Any) -> list[Any]:
            task = asyncio.current_task()
            if Cancelling.once and task is not None:
                Cancelling.once = False
                task.cancel()
            return super().choices(*values, **named)

    async with World(storage, Cancelling(3)) as world:
        before = world.rows()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(world.game.open_pack(ALICE))
        assert (world.rows(), world.events) == (before, [])
        await world.game.open_pack(ALICE)
        assert len(world.events) == 1


async def test_a_database_that_somebody_else_holds_is_busy_and_not_broken(world: World) -> None:
    """After the time-out the player is asked to try again, and it works once the lock is gone."""
    async with World(world.storage) as other:
        async with other.database.transaction() as transaction:
            await players.ensure(transaction, ALICE, "Alice", "now")
            with pytest.raises(GameBusy):
                await world.game.open_pack(ALICE)
        assert world.events == []
        await world.game.open_pack(ALICE)


async def test_a_game_that_starts_again_keeps_its_data_and_its_catalogue(world: World) -> None:
    """Creating and seeding happen once."""
    await world.game.open_pack(ALICE)
    before = world.rows()
    await world.game.close()
    async with World(world.storage) as again:
        pass
    assert again.rows() == before
    assert len(before["cards"]) == 60


async def test_the_database_itself_refuses_a_row_that_refers_to_nothing(world: World) -> None:
    """Also on a connection that was taken up again."""
    await world.game.pause()
    await world.game.resume()
    with pytest.raises((sqlite3.IntegrityError, asyncpg.ForeignKeyViolationError)):
        async with world.database.transaction() as transaction:
            await transaction.execute("INSERT INTO user_cards (user_id, card_id, obtained_at) VALUES (1, 1, 'never')")
    assert world.query("SELECT id FROM user_cards") == []


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_a_sqlite_file_is_in_wal_mode(world: World) -> None:
    """Readers, a backup among them, do not keep the game from writing."""
    assert world.query("PRAGMA journal_mode") == [("wal",)]
