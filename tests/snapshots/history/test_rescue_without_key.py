"""Rows of tables without a key, as many bots have them: one for each player, or any number."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.history.questions import AskRescue, PlayerSettings
from core.snapshots.history.rescue.apply import perform_rescue
from core.snapshots.models import Point, RescueOptions, RescuePlan, RescueScope
from tests.worlds.past.history_world import HistoryWorld

BANK = (
    "CREATE TABLE bank (user_id INTEGER, wallet INTEGER, note TEXT)",
    "INSERT INTO bank VALUES (1, 100, NULL), (2, 200, 'two'), (3, 300, NULL)",
    "CREATE TABLE levels (user_id INTEGER, guild_id INTEGER, xp INTEGER)",
    "INSERT INTO levels VALUES (1, 10, 5), (1, 20, 6), (2, 10, 7), (2, 20, 8)",
    "CREATE TABLE cards (user_id INTEGER, card TEXT)",
    "INSERT INTO cards VALUES (1, 'moon'), (1, 'sun'), (2, 'star'), (3, 'star')",
)
ONE = RescueScope(player="1")


def rescued(
    world: HistoryWorld, then: Point, scope: RescueScope = ONE, options: RescueOptions | None = None
) -> RescuePlan:
    """Carry out a rescue of the player of the bank."""
    question = AskRescue(
        scope=scope,
        options=options or RescueOptions(),
        settings=PlayerSettings(player="bank.user_id"),
        perform=True,
        agreed=None,
    )
    with world.past(then) as past:
        return perform_rescue(past, question)


def tables(world: HistoryWorld) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows with their numbers."""
    return {name: world.rows(None, f"SELECT rowid, * FROM {name}") for name in ("bank", "levels", "cards")}


def test_a_balance_without_a_key_is_changed_back_and_not_doubled(tmp_path: Path) -> None:
    """Alone or in a guild: the columns that name the player and the guild tell all rows apart. Undone row for row."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*BANK)
    before = tables(world)
    damaged = world.snapshot(
        "UPDATE bank SET wallet = 0, note = 'robbed' WHERE user_id = 1",
        "UPDATE levels SET xp = 0 WHERE user_id = 1 AND guild_id = 20",
    )
    robbed = tables(world)
    plan = rescued(world, then)
    assert {name: (each.put_back, each.changed) for name, each in plan.tables.items()} == {
        "bank": (0, 1),
        "levels": (0, 1),
    }
    assert tables(world) == before
    rescued(world, damaged, RescueScope(rows=plan.rows))
    assert tables(world) == robbed


@pytest.mark.parametrize("exact", [False, True])
def test_cards_without_a_key_stay_different_cards(tmp_path: Path, exact: bool) -> None:
    """He lost one and won another under its number: that is no change of the first one."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*BANK)
    world.commit("UPDATE cards SET card = 'comet' WHERE card = 'moon'")
    rescued(world, then, options=RescueOptions(exact=exact))
    cards = [card for _, user, card in tables(world)["cards"] if user == 1]
    assert sorted(map(str, cards)) == (["moon", "sun"] if exact else ["comet", "moon", "sun"])


def test_a_new_row_in_the_place_of_the_old_one_is_a_conflict(tmp_path: Path) -> None:
    """The bot removed his row and made another one: it is his only one, and is left unless it is taken."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*BANK)
    world.commit("DELETE FROM bank WHERE user_id = 1", "INSERT INTO bank VALUES (1, 5, 'new')")
    plan = rescued(world, then)
    assert [(each.name, each.why) for each in plan.conflicts] == [("bank:4", "he has another row there now")]
    assert plan.writes == 0
    rescued(world, then, options=RescueOptions(take=("bank:4",)))
    assert [row[1:] for row in tables(world)["bank"]] == [(2, 200, "two"), (3, 300, None), (1, 100, None)]
