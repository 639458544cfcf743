"""In PostgreSQL each statement is checked at once: the steps of a rescue are done in an order in which all can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.models import RescueOptions, RescueScope
from tests.worlds.past.postgres_past import PostgresPastWorld

pytestmark = pytest.mark.server

ANN = RescueScope(player="1")
SCHEMA = """
CREATE TABLE users (id integer PRIMARY KEY, name text, best integer);
CREATE TABLE decks (id integer PRIMARY KEY, user_id integer NOT NULL REFERENCES users,
                    slot integer NOT NULL CHECK (slot > 0), name text NOT NULL UNIQUE, UNIQUE (user_id, slot));
CREATE TABLE cards (id integer PRIMARY KEY, user_id integer NOT NULL REFERENCES users, deck integer REFERENCES decks,
                    fused_from integer REFERENCES cards);
ALTER TABLE users ADD FOREIGN KEY (best) REFERENCES cards;
INSERT INTO users VALUES (1, 'Ann'), (2, 'Bo');
INSERT INTO decks VALUES (1, 1, 1, 'one'), (2, 1, 2, 'two'), (3, 1, 3, 'three'), (4, 2, 1, 'other');
INSERT INTO cards VALUES (9, 1, 3, NULL), (5, 1, 3, 9), (7, 1, 1, 5), (8, 2, 4, NULL);
UPDATE users SET best = 7 WHERE id = 1;
"""


def test_rows_that_refer_to_each_other_come_back_and_values_are_exchanged(tmp_path: Path) -> None:
    """A table that refers to itself, a row that refers to one that comes back, and a circle of unique values."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(SCHEMA)
    before = world.everything()
    world.commit(
        "UPDATE users SET best = NULL",
        "UPDATE cards SET deck = 2, fused_from = NULL WHERE id = 7",
        "DELETE FROM cards WHERE id IN (5, 9)",
        "DELETE FROM decks WHERE id = 3",
        "UPDATE decks SET slot = slot + 10, name = name || '!' WHERE user_id = 1",
        "UPDATE decks SET slot = 3 - id, name = CASE id WHEN 1 THEN 'two' ELSE 'one' END WHERE user_id = 1",
    )
    damaged = world.everything()
    safety = world.snapshot()
    done = world.rescue(then, ANN)
    assert done.conflicts == ()
    assert world.everything() == before
    world.rescue(safety, RescueScope(rows=done.rows), damaged=world.snapshot())
    assert world.everything() == damaged


def test_a_balance_without_a_key_is_changed_back_and_not_doubled(tmp_path: Path) -> None:
    """One row for each player and guild, told by these alone: it is the same row with another balance."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(
        "CREATE TABLE users (id integer PRIMARY KEY);"
        "CREATE TABLE bank (user_id integer REFERENCES users, guild_id integer, wallet integer, seen timestamptz);"
        "INSERT INTO users VALUES (1), (2);"
        "INSERT INTO bank VALUES (1, 10, 100, now()), (1, 20, 200, NULL), (2, 10, 300, now())"
    )
    world.commit("ALTER TABLE bank ADD COLUMN gems integer DEFAULT 3", "UPDATE bank SET gems = 9 WHERE user_id = 1")
    world.commit("UPDATE bank SET wallet = 0 WHERE user_id = 1 AND guild_id = 10")
    damaged = world.everything()
    safety = world.snapshot()
    done = world.rescue(then, ANN)
    banked = world.rows("SELECT user_id, guild_id, wallet, gems FROM bank ORDER BY 1, 2")
    assert banked == [(1, 10, 100, 9), (1, 20, 200, 9), (2, 10, 300, 3)]
    world.rescue(safety, RescueScope(rows=done.rows), damaged=world.snapshot())
    assert world.everything() == damaged


def test_references_that_follow_a_value_are_no_reason_to_remove_too_early(tmp_path: Path) -> None:
    """The player's name and what refers to it change back in a circle; a fan leaves the club before that is removed."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(
        "CREATE TABLE users (id integer PRIMARY KEY, name text UNIQUE)",
        "CREATE TABLE clubs (id integer PRIMARY KEY, user_id integer)",
        "CREATE TABLE fans (id integer PRIMARY KEY, user_id integer, name text REFERENCES users (name) "
        "ON UPDATE CASCADE, club integer REFERENCES clubs ON DELETE CASCADE)",
        "INSERT INTO users VALUES (1, 'Ann')",
        "INSERT INTO fans VALUES (1, 1, 'Ann', NULL)",
    )
    before = world.everything()
    world.commit("UPDATE users SET name = 'Eve'", "INSERT INTO clubs VALUES (1, 1)", "UPDATE fans SET club = 1")
    assert world.rescue(then, ANN, RescueOptions(exact=True)).conflicts == ()
    assert world.everything() == before


def test_what_would_follow_a_row_that_goes_holds_it(tmp_path: Path) -> None:
    """Another row with its value comes back too late: the server would have removed what refers to it."""
    world = PostgresPastWorld(tmp_path)
    then = world.snapshot(
        "CREATE TABLE users (id integer PRIMARY KEY, name text)",
        "CREATE TABLE clubs (id integer PRIMARY KEY, user_id integer, code text UNIQUE)",
        "CREATE TABLE fans (id integer PRIMARY KEY, club text REFERENCES clubs (code) ON DELETE CASCADE)",
        "INSERT INTO users VALUES (1, 'Ann')",
        "INSERT INTO clubs VALUES (1, 1, 'a')",
    )
    world.commit("DELETE FROM clubs", "INSERT INTO clubs VALUES (2, 1, 'a')", "INSERT INTO fans VALUES (7, 'a')")
    before = world.everything()
    plan = world.rescue(then, ANN, RescueOptions(exact=True))
    assert [(each.key, each.why, each.holder) for each in plan.conflicts] == [
        ({"id": 2}, "rows of fans refer to it: 7", "7"),
        ({"id": 1}, "a value that must be unique is that of 1 now", "1"),
    ]
    assert world.everything() == before
