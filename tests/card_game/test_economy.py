"""Whatever players do, in whatever order: money is conserved, and every row refers to something."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from cogs.card_game import rules
from cogs.card_game.errors import GameError
from tests.card_game.storage import Storage
from tests.card_game.world import World

T = TypeVar("T")

USERS = st.integers(1, 4)
NUMBERS = st.integers(0, 12)
PRICES = st.one_of(st.integers(-1, 500), st.just(rules.PRICE_LIMIT + 1))
CARDS = st.lists(st.sampled_from(["Ember Fox", "Tide Crane", "Void Sage", "Nobody"]), max_size=3)


class Economy(RuleBasedStateMachine):
    """A few players at one table, playing anything."""

    def __init__(self, storage: Storage) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.world = World(storage)
        self.run(self.world.game.start())
        self.packs_opened = 0
        self.announced = 0

    def run(self, action: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(action)

    def attempt(self, action: Coroutine[Any, Any, object], events: int = 1) -> bool:
        """Run an action; one that is refused must leave every table as it was."""
        before = self.world.rows()
        try:
            self.run(action)
        except GameError:
            assert self.world.rows() == before
            return False
        self.announced += events
        return True

    @rule(user=USERS)
    def open_pack(self, user: int) -> None:
        self.packs_opened += self.attempt(self.world.game.open_pack(user))

    @rule(user=USERS, card=NUMBERS, price=PRICES)
    def list_card(self, user: int, card: int, price: int) -> None:
        self.attempt(self.world.game.list_card(user, card, price))

    @rule(user=USERS, price=st.integers(1, 900))
    def list_own_card(self, user: int, price: int) -> None:
        for card in self.run(self.world.game.cards_of(user))[:1]:
            self.attempt(self.world.game.list_card(user, card.card_id, price))

    @rule(user=USERS, listing=NUMBERS)
    def buy_listing(self, user: int, listing: int) -> None:
        self.attempt(self.world.game.buy_listing(user, listing))

    @rule(user=USERS, listing=NUMBERS)
    def withdraw_listing(self, user: int, listing: int) -> None:
        self.attempt(self.world.game.withdraw_listing(user, listing), events=0)

    @rule(user=USERS, cards=CARDS)
    def publish_pack(self, user: int, cards: list[str]) -> None:
        self.attempt(self.world.game.publish_pack(user, "A pack", cards))

    @rule(user=USERS, pack=NUMBERS)
    def buy_pack(self, user: int, pack: int) -> None:
        self.attempt(self.world.game.buy_pack_with_dust(user, pack))

    @invariant()
    def coins_only_leave_by_opening_packs(self) -> None:
        ((players, coins),) = self.world.query("SELECT count(*), coalesce(sum(coins), 0) FROM users")
        assert coins == players * rules.STARTING_COINS - self.packs_opened * rules.PACK_PRICE

    @invariant()
    def dust_is_the_sum_of_its_transactions(self) -> None:
        written = self.world.query(
            "SELECT user_id, sum(amount) FROM dust_transactions GROUP BY user_id ORDER BY user_id"
        )
        held = self.world.query("SELECT user_id, balance FROM user_dust ORDER BY user_id")
        assert written == held
        assert [user for user, _ in held] == [user for (user,) in self.world.query("SELECT id FROM users ORDER BY id")]

    @invariant()
    def every_row_refers_to_something(self) -> None:
        assert self.world.storage.orphans() == []

    @invariant()
    def only_the_owner_offers_a_copy(self) -> None:
        assert not self.world.query(
            """
            SELECT marketplace_listings.id FROM marketplace_listings
            JOIN user_cards ON user_cards.id = marketplace_listings.user_card_id
            WHERE status = 'open' AND seller_id <> user_cards.user_id
            """
        )

    @invariant()
    def every_action_that_worked_was_announced_once(self) -> None:
        assert len(self.world.events) == self.announced

    def teardown(self) -> None:
        self.run(self.world.game.close())
        self.runner.close()


PLAYED = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    # Every step is a real database, so shrinking takes minutes; a run of 25 steps can be read as it is.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.slow
def test_the_economy_is_sound_whatever_is_played(new_storage: Callable[[], Storage]) -> None:
    """Each game on an empty database; what holds after every action are the invariants above."""

    class Game(Economy):
        def __init__(self) -> None:
            super().__init__(new_storage())

    run_state_machine_as_test(Game, settings=PLAYED)
