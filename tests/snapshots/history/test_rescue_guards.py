"""What keeps a rescue from harm, one guard a test: taken out of the code, its test fails.

``test_rescue`` has those that a rescue meets every day, ``test_rescue_properties`` plays at random.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from core.snapshots.errors import PlanOutdated, QueryError, RestoreFailed
from core.snapshots.models import RescuedRow, RescueOptions, RescueScope, TableRescue
from tests.worlds.past.history_world import HistoryWorld
from tests.worlds.past.rescue_world import ECONOMY, everything, rescue

ANN = RescueScope(player="1")
EXACT = RescueOptions(exact=True)


def test_exact_removes_nothing_that_was_another_players_then(tmp_path: Path) -> None:
    """A card that he took from another one existed then, so it is not what he got from nothing."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY, "DELETE FROM listings WHERE id = 2")
    world.commit("UPDATE user_cards SET user_id = 1 WHERE id = 3")
    before = everything(world)
    assert rescue(world, then, ANN, EXACT).writes == 0
    assert everything(world) == before


def test_a_row_without_a_key_comes_back_beside_the_one_that_has_its_number_now(tmp_path: Path) -> None:
    """SQLite gives numbers of rows that are gone to new ones."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    world.commit("DELETE FROM log", "INSERT INTO log (rowid, user_id, what) VALUES (1, 3, 'played')")
    rescue(world, then, ANN)
    assert sorted(row[1:] for row in everything(world)["log"]) == [(1, "joined"), (1, "joined"), (3, "played")]


def test_a_unique_value_that_the_plan_itself_sets_free_is_no_conflict(tmp_path: Path) -> None:
    """His own listing has the card of his other one; both become what they were."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(
        *ECONOMY,
        "UPDATE listings SET user_card_id = 2 WHERE id = 1",
        "INSERT INTO listings VALUES (5, 1, 1, NULL, 'open')",
    )
    before = everything(world)
    world.commit("DELETE FROM listings WHERE id = 5", "UPDATE listings SET user_card_id = 1 WHERE id = 1")
    assert rescue(world, then, ANN).conflicts == ()
    assert everything(world) == before


def test_a_row_that_a_partial_index_does_not_hold_is_in_nobodys_way(tmp_path: Path) -> None:
    """A sold listing comes back although another one sells the same card now."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    world.commit("DELETE FROM listings WHERE id = 2", "INSERT INTO listings VALUES (9, 3, 3, NULL, 'open')")
    plan = rescue(world, then, ANN)
    assert (plan.tables, plan.conflicts) == ({"listings": TableRescue(put_back=1)}, ())


def test_a_row_that_others_of_the_plan_still_refer_to_is_not_removed(tmp_path: Path) -> None:
    """A listing that is changed back goes on referring to a card that was not there then."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY, "UPDATE listings SET user_card_id = 50 WHERE id = 1")
    world.commit(
        "INSERT INTO user_cards (id, user_id, card_id) VALUES (50, 1, 10)",
        "UPDATE listings SET status = 'sold' WHERE id = 1",
    )
    plan = rescue(world, then, ANN, EXACT)
    assert [(each.table, each.why) for each in plan.conflicts] == [("user_cards", "rows of listings refer to it")]
    assert world.rows(None, "SELECT status FROM listings WHERE id = 1") == [("open",)]
    assert world.rows(None, "SELECT id FROM user_cards WHERE id = 50") == [(50,)]


@pytest.mark.parametrize(
    ("trigger", "error", "sentence"),
    [
        (
            "BEFORE INSERT ON titles BEGIN SELECT RAISE(IGNORE); END",
            PlanOutdated,
            "titles is not as the plan said",
        ),
        (
            "AFTER INSERT ON titles BEGIN DELETE FROM cards WHERE id = 12; END",
            RestoreFailed,
            "user_cards would refer to rows of cards that are not there",
        ),
    ],
)
def test_what_the_games_triggers_make_of_a_rescue_is_seen_before_it_is_kept(
    tmp_path: Path, trigger: str, error: type[Exception], sentence: str
) -> None:
    """A row that was not written, and a reference that broke, take everything back."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    world.commit(
        "DELETE FROM titles WHERE user_id = 1",
        "DELETE FROM user_cards WHERE id = 4",
        f"CREATE TRIGGER meddles {trigger}",
    )
    before = everything(world)
    with pytest.raises(error, match=sentence):
        rescue(world, then, ANN)
    assert everything(world) == before


def test_references_that_were_broken_before_stand_in_nobodys_way(tmp_path: Path) -> None:
    """Only what the rescue itself would break is refused."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    world.commit("DELETE FROM user_cards WHERE id = 4", "INSERT INTO user_cards (user_id, card_id) VALUES (2, 99)")
    assert rescue(world, then, ANN).tables == {"user_cards": TableRescue(put_back=1)}


def test_a_row_whose_parent_cannot_come_back_is_left_out(tmp_path: Path) -> None:
    """The parent's unique value is another's now, so it is a conflict, and what refers to it is named."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY, "INSERT INTO user_cards (id, user_id, card_id) VALUES (60, 1, 10)")
    world.commit(
        "CREATE UNIQUE INDEX one_name ON cards (name)",
        "DELETE FROM user_cards WHERE id = 60 OR card_id = 10",
        "DELETE FROM cards WHERE id = 10",
        "INSERT INTO cards VALUES (70, 'moon')",
        "DELETE FROM listings",
    )
    plan = rescue(world, then, ANN)
    assert plan.tables["cards"] == TableRescue(conflicts=plan.tables["cards"].conflicts)
    assert any(each.startswith("user_cards 60: what it refers to is gone") for each in plan.left_out)
    assert world.rows(None, "SELECT id FROM user_cards WHERE card_id = 10") == []


def test_what_goes_is_removed_before_what_comes_back_is_written(tmp_path: Path) -> None:
    """As when a rescue is taken back: of two listings of one card the later one goes and the earlier one returns."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    world.commit("DELETE FROM listings WHERE id = 1", "INSERT INTO listings VALUES (7, 1, 1, NULL, 'open')")
    rows = tuple(RescuedRow(table="listings", key=(key,)) for key in (7, 1))
    assert rescue(world, then, RescueScope(rows=rows)).tables == {"listings": TableRescue(put_back=1, removed=1)}
    assert world.rows(None, "SELECT id FROM listings WHERE status = 'open'") == [(1,)]


@pytest.mark.parametrize("triggers", [True, False])
def test_the_games_triggers_fire_unless_they_must_not(tmp_path: Path, triggers: bool) -> None:
    """Where this Python cannot keep them from firing, that is a sentence, and nothing is changed."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    world.commit(
        "DELETE FROM titles WHERE user_id = 1",
        "CREATE TRIGGER notes AFTER INSERT ON titles BEGIN INSERT INTO log VALUES (3, 'title'); END",
    )
    before = everything(world)
    options = RescueOptions(triggers=triggers)
    if not triggers and not hasattr(sqlite3.Connection, "setconfig"):
        with pytest.raises(QueryError, match=r"Python 3\.12"):
            rescue(world, then, ANN, options)
        assert everything(world) == before
        return
    rescue(world, then, ANN, options)
    assert len(everything(world)["log"]) == len(before["log"]) + triggers


def test_a_unique_constraint_tells_rows_where_there_is_no_primary_key(tmp_path: Path) -> None:
    """So a row that changed is changed back, and is no conflict with itself."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(
        *ECONOMY,
        "CREATE TABLE purse (user_id INTEGER NOT NULL UNIQUE REFERENCES users (id), gold INTEGER, tag TEXT UNIQUE)",
        "INSERT INTO purse VALUES (1, 50, NULL), (2, 60, 'b')",
    )
    world.commit("UPDATE purse SET gold = 0 WHERE user_id = 1")
    assert rescue(world, then, ANN).tables == {"purse": TableRescue(changed=1)}
    assert world.rows(None, "SELECT * FROM purse ORDER BY 1") == [(1, 50, None), (2, 60, "b")]
