"""What is in a state: tables with their numbers of rows, the first rows of one, and what keys are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.errors import QueryError
from core.snapshots.history.look import inside, names
from core.snapshots.history.questions import AskNames, PlayerSettings
from tests.worlds.past.history_world import HistoryWorld

GAME = (
    "CREATE TABLE users (id INTEGER PRIMARY KEY, discord TEXT, name TEXT)",
    'CREATE TABLE "odd ""one" (a, b BLOB)',
    "INSERT INTO users VALUES (1, '77', 'Ann'), (2, '78', ''), (3, '79', 'Bo'), (4, '79', 'Cy')",
    'INSERT INTO "odd ""one" VALUES (1, x\'00ff\'), (NULL, NULL)',
)


@pytest.mark.parametrize("archives", [True, False], ids=["archives", "rebuild"])
def test_tables_are_counted_and_the_first_rows_of_one_shown(tmp_path: Path, archives: bool) -> None:
    """As they were then; whatever a table is called."""
    world = HistoryWorld(tmp_path)
    point = world.snapshot(*GAME)
    world.commit("DELETE FROM users")
    with world.past(archives=archives) as past:
        assert inside(past, point, None, 10).tables == {"users": 4, 'odd "one': 2}
        one = inside(past, point, "USERS", 2)
        assert (one.at, one.tables) == (point.snapshot, {"users": 4})
        assert [row["name"] for row in one.rows] == ["Ann", ""]
        assert inside(past, point, 'odd "one', 5).rows[0] == {"a": 1, "b": {"blob": "00ff"}}
        assert inside(past, None, None, 10).tables["users"] == 0
        with pytest.raises(QueryError, match="no table 'x; DROP'"):
            inside(past, point, "x; DROP", 1)


def test_keys_have_the_names_that_columns_say(tmp_path: Path) -> None:
    """By the table's key, or by the column that names the player; what is not there, empty or not one has none."""
    world = HistoryWorld(tmp_path)
    world.snapshot(*GAME)
    columns = ("users.name", "users.nothing", "gone.name", 'odd "one.a')
    with world.past() as past:
        assert names(past, None, AskNames(columns=columns, keys=("1", "2", "9", "x"))).names == {
            "users.name": {"1": "Ann"},
        }
        by_discord = AskNames(
            columns=("users.name",), keys=("77", "79", "1"), settings=PlayerSettings(player="users.discord")
        )
        assert names(past, None, by_discord).names == {"users.name": {"77": "Ann"}}
