"""The steps of a rescue are done in an order in which no constraint is broken between two of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.models import RescueOptions, RescueScope
from tests.worlds.past.history_world import HistoryWorld
from tests.worlds.past.rescue_world import rescue

ANN = RescueScope(player="1")
DECKS = (
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)",
    "CREATE TABLE decks (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users, slot {}, level INTEGER DEFAULT 0, "
    "UNIQUE (user_id, slot))",
    "INSERT INTO users VALUES (1, 'Ann'), (2, 'Bo')",
    "INSERT INTO decks (id, user_id, slot) VALUES (1, 1, 10), (2, 1, 20), (3, 1, 30), (4, 2, 10)",
)
SLOTS = "SELECT id, slot FROM decks WHERE user_id = 1 ORDER BY id"


def decks(kind: str) -> list[str]:
    """Return the schema with slots of a type."""
    return [statement.replace("{}", kind) for statement in DECKS]


def moved(*slots: int) -> list[str]:
    """Give the decks 1, 2 and 3 other slots."""
    aside = ["UPDATE decks SET slot = id + 1000 WHERE user_id = 1"]
    return aside + [f"UPDATE decks SET slot = {slot} WHERE id = {number}" for number, slot in enumerate(slots, 1)]


@pytest.mark.parametrize("kind", ["INTEGER NOT NULL", "INTEGER CHECK (slot > 0) NOT NULL", "TEXT NOT NULL", "INTEGER"])
@pytest.mark.parametrize("slots", [(20, 10, 30), (20, 30, 10), (20, 30, 40), (5, 10, 20)])
def test_rows_that_exchanged_a_unique_value_get_it_back(tmp_path: Path, kind: str, slots: tuple[int, ...]) -> None:
    """Two of them, three in a circle, and chains in either direction."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*decks(kind))
    before = world.rows(None, SLOTS)
    world.commit(*moved(*slots))
    plan = rescue(world, then, ANN)
    assert plan.conflicts == ()
    assert world.rows(None, SLOTS) == before
    assert world.rows(None, "SELECT count(*) FROM decks") == [(4,)]


def test_where_there_is_no_other_value_the_plan_says_so(tmp_path: Path) -> None:
    """A check refuses whatever a row could have for the moment between: both rows stay as they are."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*decks("INTEGER NOT NULL CHECK (slot IN (10, 20, 30) OR slot > 1000 AND slot < 1010)"))
    world.commit(*moved(20, 10, 30), "INSERT INTO decks (id, user_id, slot) VALUES (9, 2, 1009)")
    before = world.rows(None, SLOTS)
    plan = rescue(world, then, ANN)
    assert [(each.key, each.why) for each in plan.conflicts] == [
        ({"id": 1}, "it exchanged a unique value, and there is no other value for the moment between"),
        ({"id": 2}, "a value that must be unique is that of 1 now"),
    ]
    assert world.rows(None, SLOTS) == before


def test_a_value_that_a_row_of_the_plan_keeps_is_a_conflict(tmp_path: Path) -> None:
    """That the row changes in something else does not set its value free."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*decks("INTEGER"), "INSERT INTO decks VALUES (7, 2, 70, 5)")
    world.commit(
        "DELETE FROM decks WHERE id = 1",
        "INSERT INTO decks VALUES (8, 1, 10, 0)",
        "UPDATE decks SET level = 9 WHERE id = 2",
    )
    plan = rescue(world, then, ANN)
    assert [(each.key, each.holder) for each in plan.conflicts] == [({"id": 1}, "1")]
    assert world.rows(None, "SELECT level FROM decks WHERE id = 2") == [(0,)]
    assert rescue(world, then, ANN, RescueOptions(exact=True)).conflicts == ()
    assert world.rows(None, SLOTS) == [(1, 10), (2, 20), (3, 30)]


def test_of_two_rows_that_must_be_unique_now_one_comes_back(tmp_path: Path) -> None:
    """The index is newer than the rows."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)",
        "CREATE TABLE pets (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users, kind TEXT)",
        "CREATE TABLE toys (id INTEGER PRIMARY KEY, pet_id INTEGER REFERENCES pets, user_id INTEGER)",
        "INSERT INTO users VALUES (1, 'Ann')",
        "INSERT INTO pets VALUES (1, 1, 'cat'), (2, 1, 'cat'), (3, 1, 'dog')",
        "INSERT INTO toys VALUES (1, 1, 1), (2, 2, 1), (3, 3, 1)",
    )
    world.commit("DELETE FROM toys", "DELETE FROM pets", "CREATE UNIQUE INDEX one_of_a_kind ON pets (user_id, kind)")
    plan = rescue(world, then, ANN)
    assert [(each.table, each.key) for each in plan.conflicts] == [("pets", {"id": 2})]
    assert world.rows(None, "SELECT id FROM pets") == [(1,), (3,)]
    assert world.rows(None, "SELECT id FROM toys") == [(1,), (3,)]
    assert plan.left_out == ("toys 2: what it refers to is gone, and cannot be put back.",)
