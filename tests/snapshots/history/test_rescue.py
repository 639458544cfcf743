"""A rescue puts one player's rows back, touches nobody else's, and does what was shown or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.errors import PlanOutdated, QueryError, RestoreFailed
from core.snapshots.models import ConflictRule, RescueConflict, RescueOptions, RescueScope, TableRescue
from tests.worlds.past.history_world import HistoryWorld
from tests.worlds.past.rescue_world import ECONOMY, everything, rescue

ANN = RescueScope(player="1")
TAKE = RescueOptions(conflicts=ConflictRule.TAKE)
EXPLOIT = (
    "DELETE FROM listings WHERE seller_id = 1",
    "DELETE FROM user_cards WHERE user_id = 1",
    "DELETE FROM titles WHERE user_id = 1",
    "DELETE FROM log WHERE user_id = 1",
    "UPDATE users SET coins = 0 WHERE id = 1",
)
WAYS = pytest.mark.parametrize("archives", [True, False], ids=["archives", "rebuild"])


@WAYS
@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_player_gets_back_what_was_gone_and_changed(tmp_path: Path, archives: bool, mode: str) -> None:
    """Rows of every table that refers to him, while others go on playing; nobody else's row changes."""
    world = HistoryWorld(tmp_path, journal_mode=mode)
    then = world.snapshot(*ECONOMY)
    before = everything(world)
    world.commit(*EXPLOIT, "UPDATE users SET coins = 999 WHERE id = 2", "INSERT INTO log VALUES (3, 'played')")
    plan = rescue(world, then, ANN, perform=False)
    assert plan.tables == {
        "listings": TableRescue(put_back=1),
        "log": TableRescue(put_back=2),
        "titles": TableRescue(put_back=1),
        "user_cards": TableRescue(put_back=3),
        "users": TableRescue(changed=1),
    }
    assert (plan.conflicts, plan.left_out, plan.notes) == ((), (), ())
    assert rescue(world, then, ANN, agreed=plan.token, archives=archives) == plan
    after = everything(world)
    assert {name: after[name] for name in ("user_cards", "listings", "titles", "cards")} == {
        name: before[name] for name in ("user_cards", "listings", "titles", "cards")
    }
    assert after["users"] == [(1, "Ann", 100), (2, "Bo", 999), (3, "Cy", 300)]
    assert sorted(row[1:] for row in after["log"]) == [(1, "joined")] * 2 + [(2, "joined"), (3, "played")]
    assert rescue(world, then, ANN, perform=False).writes == 0
    world.commit("INSERT INTO user_cards (user_id, card_id) VALUES (2, 10)")
    assert world.rows(None, "SELECT max(id) FROM user_cards") == [(5,)]


def test_only_what_is_missing_comes_back_if_that_was_asked_for(tmp_path: Path) -> None:
    """What he has and changed stays as it is."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    world.commit("DELETE FROM user_cards WHERE id = 4", "UPDATE user_cards SET level = 9 WHERE id = 2")
    rescue(world, then, ANN, RescueOptions(only_missing=True))
    assert world.rows(None, "SELECT id, level FROM user_cards WHERE user_id = 1") == [(1, 1), (2, 9), (4, 1)]


def test_exact_removes_what_he_got_since(tmp_path: Path) -> None:
    """Deletions included, with and without keys; what others refer to is a conflict."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    before = everything(world)
    world.commit(
        "INSERT INTO user_cards (id, user_id, card_id) VALUES (50, 1, 12), (51, 1, 12)",
        "INSERT INTO log VALUES (1, 'cheated')",
        "INSERT INTO titles VALUES (1, 'the cheater')",
    )
    assert rescue(world, then, ANN).writes == 0
    plan = rescue(world, then, ANN, RescueOptions(exact=True))
    assert plan.tables == {
        "log": TableRescue(removed=1),
        "titles": TableRescue(removed=1),
        "user_cards": TableRescue(removed=2),
    }
    assert everything(world) == before


def test_a_card_that_belongs_to_somebody_else_now_is_a_conflict(tmp_path: Path) -> None:
    """It is named with its holder and left, taken if that was asked for, or stops everything."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    world.commit("UPDATE user_cards SET user_id = 2 WHERE id = 2", "DELETE FROM user_cards WHERE id = 4")
    before = everything(world)
    with pytest.raises(RestoreFailed, match="it belongs to 2 now"):
        rescue(world, then, ANN, RescueOptions(conflicts=ConflictRule.FAIL))
    assert everything(world) == before
    plan = rescue(world, then, ANN)
    assert [(each.table, each.key, each.holder, each.taken) for each in plan.conflicts] == [
        ("user_cards", {"id": 2}, "2", False)
    ]
    assert world.rows(None, "SELECT id FROM user_cards WHERE user_id = 1") == [(1,), (4,)]
    assert rescue(world, then, ANN, TAKE).conflicts[0].taken
    assert world.rows(None, "SELECT id FROM user_cards WHERE user_id = 1") == [(1,), (2,), (4,)]


def test_each_conflict_is_decided_on_its_own(tmp_path: Path) -> None:
    """One is taken by its name while the others are left; the agreement is bound to it, and no other name is taken."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    world.commit("UPDATE user_cards SET user_id = 2 WHERE user_id = 1")
    left = rescue(world, then, ANN, perform=False)
    assert [each.name for each in left.conflicts] == ["user_cards:1", "user_cards:2", "user_cards:4"]
    take = RescueOptions(take=("user_cards:2",))
    with pytest.raises(PlanOutdated):
        rescue(world, then, ANN, take, agreed=left.token)
    with pytest.raises(QueryError, match="No row user_cards:3 is in conflict"):
        rescue(world, then, ANN, RescueOptions(take=("user_cards:3",)), perform=False)
    with pytest.raises(RestoreFailed, match="2 rows in conflict, first of user_cards"):
        rescue(world, then, ANN, RescueOptions(conflicts=ConflictRule.FAIL, take=("user_cards:2",)))
    agreed = rescue(world, then, ANN, take, perform=False)
    assert [each.taken for each in agreed.conflicts] == [False, True, False]
    assert rescue(world, then, ANN, take, agreed=agreed.token) == agreed
    assert world.rows(None, "SELECT id FROM user_cards WHERE user_id = 1") == [(2,)]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ({"id": 7}, "t:7"),
        ({"a": "x-1", "b": 2.5}, "t:x-1,2.5"),
        ({"a": "x,1", "b": None}, 't:"x,1",null'),
        ({"a": ""}, 't:""'),
        ({"a": {"blob": "00"}}, 't:{"blob": "00"}'),
    ],
)
def test_the_name_of_a_conflict_tells_it_from_others(key: dict[str, object], name: str) -> None:
    """Whatever is in its key."""
    assert RescueConflict(table="t", key=key, why="").name == name


def test_what_changed_since_the_damage_is_a_conflict(tmp_path: Path) -> None:
    """With the state after the damage known, what was played since is told from what the damage did."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    damaged = world.snapshot(
        "UPDATE users SET coins = 0 WHERE id = 1", "DELETE FROM user_cards WHERE id = 2", "DELETE FROM log"
    )
    world.commit("UPDATE users SET coins = 40 WHERE id = 1", "DELETE FROM user_cards WHERE id = 4")
    plan = rescue(world, then, ANN, damaged=damaged)
    assert {(each.table, each.why) for each in plan.conflicts} == {
        ("users", "it changed since the damage"),
        ("user_cards", "it was there after the damage, and was removed since"),
    }
    assert world.rows(None, "SELECT coins FROM users WHERE id = 1") == [(40,)]
    assert world.rows(None, "SELECT id FROM user_cards WHERE user_id = 1") == [(1,), (2,)]
    assert rescue(world, then, ANN, TAKE, damaged=damaged).writes == 2
    assert world.rows(None, "SELECT coins FROM users WHERE id = 1") == [(100,)]


def test_a_unique_value_that_somebody_else_has_now_cannot_be_taken(tmp_path: Path) -> None:
    """Of a whole index and of a partial one; the other one keeps it."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    world.commit(
        "DELETE FROM listings WHERE id = 1",
        "INSERT INTO listings VALUES (9, 1, 2, NULL, 'open')",
        "UPDATE users SET name = 'Annie' WHERE id = 1",
        "UPDATE users SET name = 'Ann' WHERE id = 3",
    )
    before = everything(world)
    plan = rescue(world, then, ANN, TAKE)
    assert {(each.table, each.holder, each.taken) for each in plan.conflicts} == {
        ("listings", "2", False),
        ("users", "3", False),
    }
    assert everything(world) == before


def test_what_a_row_refers_to_is_brought_along_or_the_row_is_left_out(tmp_path: Path) -> None:
    """A card of the catalogue that is gone comes back; one that never was cannot."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY, "INSERT INTO user_cards (id, user_id, card_id) VALUES (77, 1, 99)")
    world.commit(
        "DELETE FROM user_cards", "DELETE FROM listings", "DELETE FROM cards", "DELETE FROM users WHERE id = 1"
    )
    plan = rescue(world, then, ANN)
    assert plan.tables["cards"] == TableRescue(put_back=3)
    assert plan.tables["users"] == TableRescue(put_back=1)
    assert plan.left_out == ("user_cards 77: what it refers to is gone, and was not there then either.",)
    # The listing that he bought from: its card was Bo's, which is brought along.
    assert world.rows(None, "SELECT id FROM user_cards ORDER BY id") == [(1,), (2,), (3,), (4,)]
    assert world.rows(None, "PRAGMA foreign_key_check") == []


def test_columns_that_came_and_went_are_told(tmp_path: Path) -> None:
    """New ones keep their default, dropped ones are listed, generated ones are never written."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY, "ALTER TABLE user_cards ADD COLUMN twice AS (level * 2)")
    world.commit(
        "DELETE FROM user_cards WHERE id = 2",
        "ALTER TABLE user_cards ADD COLUMN shiny INTEGER DEFAULT 7",
        "ALTER TABLE users DROP COLUMN coins",
    )
    plan = rescue(world, then, ANN)
    assert world.rows(None, "SELECT * FROM user_cards WHERE id = 2") == [(2, 1, 11, 1, 2, 7)]
    assert set(plan.notes) == {
        "user_cards has got shiny since; rows that are put back get the default.",
        "users has no column coins any more; what was in it is not put back.",
    }


def test_a_row_that_lacks_what_it_must_have_now_is_left_out(tmp_path: Path) -> None:
    """A column that is new, must have a value and has no default; and a table that is gone."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    world.commit(
        "DROP TABLE titles",
        "DROP TABLE log",
        "CREATE TABLE log (user_id INTEGER, what TEXT, at TEXT NOT NULL)",
    )
    plan = rescue(world, then, ANN)
    assert plan.writes == 0
    assert len(plan.left_out) == 3
    assert "titles is no more: 1 row cannot be put back." in plan.left_out


def test_a_plan_that_is_not_so_any_more_is_refused(tmp_path: Path) -> None:
    """Any row that would be written otherwise outdates it; what others do does not."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    world.commit("DELETE FROM user_cards WHERE user_id = 1")
    plan = rescue(world, then, ANN, perform=False)
    world.commit("UPDATE users SET coins = 1 WHERE id = 1")
    before = everything(world)
    with pytest.raises(PlanOutdated):
        rescue(world, then, ANN, agreed=plan.token)
    assert everything(world) == before
    plan = rescue(world, then, ANN, perform=False)
    world.commit("UPDATE users SET coins = 1 WHERE id = 3")
    rescue(world, then, ANN, agreed=plan.token)


def test_a_trigger_that_refuses_takes_everything_back(tmp_path: Path) -> None:
    """The game's rules hold for a rescue too: its triggers fire, and one that aborts aborts all."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    world.commit(
        "DELETE FROM user_cards WHERE user_id = 1",
        "UPDATE users SET coins = 7 WHERE id = 1",
        "CREATE TRIGGER no_more BEFORE INSERT ON user_cards WHEN new.id = 4 BEGIN SELECT RAISE(ABORT, 'full'); END",
    )
    before = everything(world)
    with pytest.raises(RestoreFailed, match="full"):
        rescue(world, then, ANN)
    assert everything(world) == before


def test_a_single_row_and_a_set_of_rows_can_be_rescued(tmp_path: Path) -> None:
    """By the key and by a condition, also in tables that are nobody's."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    world.commit("DELETE FROM cards", "DELETE FROM titles")
    rescue(world, then, RescueScope(table="cards", key=("11",)))
    assert world.rows(None, "SELECT * FROM cards") == [(11, "sun")]
    rescue(world, then, RescueScope(table="cards", where="name LIKE 'm%' OR id = 12"))
    assert world.rows(None, "SELECT id FROM cards") == [(10,), (11,), (12,)]
    rescue(world, then, RescueScope(table="titles", key=("the second", "2")))
    assert world.rows(None, "SELECT * FROM titles") == [(2, "the second")]


@pytest.mark.parametrize(
    "scope", [RescueScope(table="user_cards", key=("1",)), RescueScope(table="user_cards", where="id < 3")], ids=repr
)
def test_a_row_that_is_named_without_its_player_is_not_taken_from_another_one(
    tmp_path: Path, scope: RescueScope
) -> None:
    """It is a conflict, as in the rescue of a player, and can be taken."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    world.commit("UPDATE user_cards SET user_id = 3 WHERE id = 1", "DELETE FROM user_cards WHERE id = 2")
    plan = rescue(world, then, scope)
    assert [(each.name, each.holder) for each in plan.conflicts] == [("user_cards:1", "3")]
    assert plan.writes == (scope.where is not None)
    rescue(world, then, scope, RescueOptions(take=("user_cards:1",)))
    assert world.rows(None, "SELECT user_id FROM user_cards WHERE id = 1") == [(1,)]


@pytest.mark.parametrize(
    ("scope", "options", "sentence"),
    [
        (RescueScope(player="9"), RescueOptions(), "No row in snapshot 000000000001 belongs to a player '9'"),
        (RescueScope(player="Dee"), RescueOptions(), "There is no player 'Dee'"),
        (RescueScope(table="cards", key=("99",)), RescueOptions(), "No row in snapshot 000000000001"),
        (RescueScope(table="decks", key=("1",)), RescueOptions(), "There is no table 'decks'"),
        (RescueScope(table="cards", key=(None,)), RescueOptions(), "NULL in id"),
        (RescueScope(table="cards"), RescueOptions(), "Say which rows"),
        (RescueScope(table="cards", where="nowhere = 1"), RescueOptions(), "no such column"),
        (ANN, RescueOptions(exact=True, only_missing=True), "either of what is missing only, or exact"),
    ],
)
def test_what_cannot_be_rescued_is_a_sentence(
    tmp_path: Path, scope: RescueScope, options: RescueOptions, sentence: str
) -> None:
    """And nothing is changed."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    before = everything(world)
    for perform in (False, True):
        with pytest.raises(QueryError, match=sentence):
            rescue(world, then, scope, options, perform=perform)
    assert everything(world) == before


def test_a_rescue_is_taken_back_row_by_row(tmp_path: Path) -> None:
    """From the state before it, exactly the rows that it wrote; what changed since is a conflict."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*ECONOMY)
    world.commit(*EXPLOIT, "INSERT INTO user_cards (id, user_id, card_id) VALUES (60, 1, 10)")
    safety = world.snapshot()
    before = everything(world)
    done = rescue(world, then, ANN, RescueOptions(exact=True))
    after = world.snapshot()
    undo = RescueScope(rows=done.rows)
    rescue(world, safety, undo, damaged=after)
    assert everything(world) == before
    rescue(world, then, ANN, RescueOptions(exact=True))
    world.commit("UPDATE user_cards SET level = 5 WHERE id = 2")
    plan = rescue(world, safety, undo, damaged=after)
    assert [(each.table, each.key) for each in plan.conflicts] == [("user_cards", {"id": 2})]
