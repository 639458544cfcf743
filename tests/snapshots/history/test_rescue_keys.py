"""Rows are told by their keys also where those hold NULL, which tells nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.errors import QueryError
from core.snapshots.history.query import find_change
from core.snapshots.models import RescueOptions, RescueScope
from tests.worlds.past.history_world import HistoryWorld
from tests.worlds.past.rescue_world import rescue

ANN = RescueScope(player="1")
ROWS = "SELECT * FROM pets ORDER BY 1, 2, 3, 4"


def pets(folder: Path, key: str = "PRIMARY KEY (kind, number)") -> HistoryWorld:
    """A player with rows of which some have no whole key, two of them the same."""
    world = HistoryWorld(folder)
    world.snapshot(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)",
        f"CREATE TABLE pets (user_id INTEGER REFERENCES users, kind TEXT, number INT, level INT, {key})",
        "INSERT INTO users VALUES (1, 'Ann'), (2, 'Bo')",
        "INSERT INTO pets VALUES (1, 'cat', 1, 5), (1, NULL, 1, 5), (1, NULL, 1, 5), (1, 'dog', NULL, 5), "
        "(2, NULL, 1, 5), (2, 'cat', 2, 5)",
    )
    return world


def test_a_row_with_null_in_its_key_comes_back_as_often_as_it_was_there(tmp_path: Path) -> None:
    """And not once more if it is still there; what was put back can be taken away again."""
    world = pets(tmp_path)
    then = world.points[0]
    assert rescue(world, then, ANN, perform=False).writes == 0
    world.commit("DELETE FROM pets WHERE rowid IN (1, 3, 4)")
    damaged = world.rows(None, ROWS)
    safety = world.snapshot()
    done = rescue(world, then, ANN)
    assert done.tables["pets"].put_back == 3
    assert world.rows(None, ROWS) == world.rows(then, ROWS)
    assert rescue(world, then, ANN, perform=False).writes == 0
    rescue(world, safety, RescueScope(rows=done.rows), damaged=world.snapshot())
    assert world.rows(None, ROWS) == damaged


def test_exact_takes_the_rows_with_null_in_their_key_that_came_since(tmp_path: Path) -> None:
    """As many as there are more; nobody else's."""
    world = pets(tmp_path)
    then = world.points[0]
    world.commit("INSERT INTO pets VALUES (1, NULL, 1, 5), (1, NULL, NULL, 9), (2, NULL, NULL, 9)")
    plan = rescue(world, then, ANN, RescueOptions(exact=True))
    assert (plan.tables["pets"].removed, plan.conflicts) == (2, ())

    assert world.rows(None, "SELECT count(*) FROM pets WHERE user_id = 1") == [(4,)]
    assert world.rows(None, "SELECT count(*) FROM pets WHERE user_id = 2") == [(3,)]


@pytest.mark.parametrize("where", ["level = 5 -- all", "level = 5) ; SELECT 1, (2", "level = 5); DELETE FROM pets; --"])
def test_a_condition_is_one_condition(tmp_path: Path, where: str) -> None:
    """A comment at its end is one; more than a condition is refused, in each state."""
    world = pets(tmp_path)
    then = world.points[0]
    world.commit("DELETE FROM pets")
    scope = RescueScope(table="pets", where=where)
    if where.endswith("all"):
        assert rescue(world, then, scope).tables["pets"].put_back == 6
        return
    with pytest.raises(QueryError, match=r"One query at a time|one statement at a time"):
        rescue(world, then, scope)
    assert world.rows(None, "SELECT count(*) FROM pets") == [(0,)]


@pytest.mark.parametrize(
    "condition",
    [
        "(SELECT count(*) FROM pets) < 6",
        "count(*) < 6 FROM pets",
        "count(*) < 6 AND 'not from here' <> '(' FROM pets -- from the past",
        "/* how many? */ SELECT count(*) < 6 FROM pets",
        "-- how many?\nSELECT count(*) < 6 FROM pets",
        "EXISTS (SELECT 1 FROM users) AND (SELECT count(*) FROM pets) < 6",
    ],
)
def test_a_condition_is_read_as_it_is_written(tmp_path: Path, condition: str) -> None:
    """FROM in parentheses, quotes or comments does not end it; a query can begin with a comment."""
    world = pets(tmp_path)
    world.commit("DELETE FROM pets WHERE rowid = 1")
    with world.past() as past:
        found = find_change(past, condition)
    assert found.first is not None
    assert found.first.snapshot == "now"


@pytest.mark.parametrize("given", ["1_0", "\uff11", "0x1", "1e0", "--1", "1 0", ""])
def test_a_name_is_no_number_because_python_takes_it_for_one(tmp_path: Path, given: str) -> None:
    """A player can be called so, and nobody else is looked at then."""
    world = pets(tmp_path)
    with pytest.raises(QueryError, match="There is no player"):
        rescue(world, world.points[0], RescueScope(player=given))
