"""Everything that the game refuses changes nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from cogs.card_game import errors, rules
from cogs.card_game.game import CardGame
from tests.card_game.world import ALICE, BOB, CAROL, World

FOX = ["Ember Fox"]


@dataclass(frozen=True)
class Table:
    """What is on the table before the refused action: Bob is spent, Carol has never played."""

    listed_card: int
    free_card: int
    open_listing: int
    dear_listing: int
    sold_listing: int
    withdrawn_listing: int
    pack: int
    dear_pack: int


@pytest.fixture
async def table(world: World) -> Table:
    """Alice has everything to offer; Bob has fewer coins than a pack costs and no dust for one."""
    game = world.game
    cards = [card.card_id for card in (await game.open_pack(ALICE)).cards]
    sold = await game.list_card(ALICE, cards[0], rules.STARTING_COINS - 1)
    await game.buy_listing(BOB, sold.id)
    withdrawn = await game.list_card(ALICE, cards[1], 5)
    await game.withdraw_listing(ALICE, withdrawn.id)
    pack = await game.publish_pack(ALICE, "Foxes", FOX)
    dear_pack = await game.publish_pack(ALICE, "Stars", ["Void Sage"])
    return Table(
        listed_card=cards[2],
        free_card=cards[3],
        open_listing=(await game.list_card(ALICE, cards[2], 1)).id,
        dear_listing=(await game.list_card(ALICE, cards[4], 50)).id,
        sold_listing=sold.id,
        withdrawn_listing=withdrawn.id,
        pack=pack.id,
        dear_pack=dear_pack.id,
    )


Refused = Callable[[CardGame, Table], Awaitable[object]]

REFUSALS: dict[str, tuple[type[errors.GameError], Refused]] = {
    "a pack without the coins": (errors.NotEnoughCoins, lambda game, _: game.open_pack(BOB, "Renamed")),
    "a listing without the coins": (
        errors.NotEnoughCoins,
        lambda game, table: game.buy_listing(BOB, table.dear_listing),
    ),
    "a pack without the dust": (
        errors.NotEnoughDust,
        lambda game, table: game.buy_pack_with_dust(CAROL, table.dear_pack),
    ),
    "an own listing": (errors.OwnListing, lambda game, table: game.buy_listing(ALICE, table.open_listing)),
    "a sold listing": (errors.ListingClosed, lambda game, table: game.buy_listing(CAROL, table.sold_listing)),
    "a withdrawn listing": (errors.ListingClosed, lambda game, table: game.buy_listing(CAROL, table.withdrawn_listing)),
    "an unknown listing": (errors.ListingNotFound, lambda game, _: game.buy_listing(CAROL, 999)),
    "a listing beyond the database": (errors.ListingNotFound, lambda game, _: game.buy_listing(CAROL, 2**70)),
    "an unknown pack": (errors.PackNotFound, lambda game, _: game.buy_pack_with_dust(CAROL, 999)),
    "a pack beyond the database": (errors.PackNotFound, lambda game, _: game.buy_pack_with_dust(CAROL, -(2**70))),
    "an unknown card": (errors.CardNotFound, lambda game, _: game.list_card(CAROL, 999, 5)),
    "a card beyond the database": (errors.CardNotFound, lambda game, _: game.list_card(CAROL, 2**70, 5)),
    "somebody else's card": (errors.CardNotOwned, lambda game, table: game.list_card(CAROL, table.free_card, 5)),
    "a card listed already": (
        errors.CardAlreadyListed,
        lambda game, table: game.list_card(ALICE, table.listed_card, 5),
    ),
    "a price of nothing": (errors.InvalidPrice, lambda game, table: game.list_card(ALICE, table.free_card, 0)),
    "a negative price": (errors.InvalidPrice, lambda game, table: game.list_card(ALICE, table.free_card, -5)),
    "an absurd price": (errors.InvalidPrice, lambda game, table: game.list_card(ALICE, table.free_card, 10**30)),
    "a pack without a name": (errors.InvalidPack, lambda game, _: game.publish_pack(CAROL, " ", FOX)),
    "a pack with a long name": (errors.InvalidPack, lambda game, _: game.publish_pack(CAROL, "x" * 51, FOX)),
    "a pack without cards": (errors.InvalidPack, lambda game, _: game.publish_pack(CAROL, "Empty", [])),
    "a pack with a made-up card": (errors.CardNotFound, lambda game, _: game.publish_pack(CAROL, "Odd", ["Ember Dog"])),
    "a pack with too many cards": (
        errors.InvalidPack,
        lambda game, _: game.publish_pack(CAROL, "Many", [f"Card {number}" for number in range(11)]),
    ),
    "withdrawing somebody else's listing": (
        errors.ListingNotOwned,
        lambda game, table: game.withdraw_listing(BOB, table.open_listing),
    ),
    "withdrawing a sold listing": (
        errors.ListingClosed,
        lambda game, table: game.withdraw_listing(ALICE, table.sold_listing),
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_refused_action_changes_nothing_and_announces_nothing(world: World, table: Table, case: str) -> None:
    """Every table is as it was, down to the player who would have been created, and the answer is a sentence."""
    expected, action = REFUSALS[case]
    rows, events = world.rows(), list(world.events)
    with pytest.raises(expected) as refused:
        await action(world.game, table)
    assert type(refused.value) is expected
    assert str(refused.value).endswith(".")
    assert (world.rows(), world.events) == (rows, events)


def test_every_kind_of_refusal_is_tried() -> None:
    """An error that is added to the tree needs a case here, or a test of its own as these have."""
    tried_elsewhere = {"PlayerNotFound", "PackUnreadable", "GamePaused", "GameBusy"}
    leaves = {name for name in errors.__all__ if not getattr(errors, name).__subclasses__()}
    assert leaves == {expected.__name__ for expected, _ in REFUSALS.values()} | tried_elsewhere
