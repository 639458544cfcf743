"""The plan of a rescue foresees every constraint of the live database: what it shows can be done, and is."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from core.snapshots.models import RescueOptions, RescuePlan, RescueScope, TableRescue
from tests.worlds.past.history_world import HistoryWorld
from tests.worlds.past.rescue_world import rescue

ANN = RescueScope(player="1")
GAME = (
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT UNIQUE, code TEXT)",
    "CREATE TABLE pets (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users, name TEXT, level INTEGER)",
    "INSERT INTO users VALUES (1, 'Ann', 'a'), (2, 'Bo', 'b')",
    "INSERT INTO pets VALUES (1, 1, 'Rex', 5), (2, 1, 'Tom', NULL), (3, 2, 'Ivy', 7)",
)
GONE = "DELETE FROM pets WHERE user_id = 1"
BOS = "INSERT INTO pets VALUES (9, 2, 'REX', 5)"
TAKEN = [("pets", 1, "a value that must be unique is that of 2 now", "2")]
PETS = "id INTEGER PRIMARY KEY, user_id INTEGER, name TEXT, level INTEGER"


class Case(NamedTuple):
    """What happens after the snapshot, and what the plan says of it then."""

    commits: Sequence[str]
    conflicts: Sequence[tuple[str, int, str, str | None]] = ()
    left_out: Sequence[str] = ()
    pets: Sequence[int | str] = (1, 2, 3)
    """Which pets there are after the rescue."""


def remade(columns: str, options: str = "") -> list[str]:
    """Return what gives the table of pets other columns, without Ann's."""
    return [f"CREATE TABLE new ({columns}){options}", "DROP TABLE pets", "ALTER TABLE new RENAME TO pets"]


def said_of(plan: RescuePlan) -> list[tuple[str, int, str, str | None]]:
    """Return the conflicts of a plan."""
    return [(each.table, *each.key.values(), each.why, each.holder) for each in plan.conflicts]


CASES = {
    "expression": Case([GONE, BOS, "CREATE UNIQUE INDEX i ON pets (lower(name))"], TAKEN, pets=(2, 3, 9)),
    "expression and column": Case(
        [GONE, BOS, "CREATE UNIQUE INDEX i ON pets (level, substr(lower(name), 1, 2) DESC)"], TAKEN, pets=(2, 3, 9)
    ),
    "expression, other value": Case(
        [GONE, BOS, "CREATE UNIQUE INDEX i ON pets (lower(name), level + id)"], pets=(1, 2, 3, 9)
    ),
    "collation": Case([GONE, BOS, "CREATE UNIQUE INDEX i ON pets (name COLLATE NOCASE)"], TAKEN, pets=(2, 3, 9)),
    "trailing spaces": Case(
        [GONE, "INSERT INTO pets VALUES (9, 2, 'Rex  ', 5)", "CREATE UNIQUE INDEX i ON pets (name COLLATE RTRIM)"],
        TAKEN,
        pets=(2, 3, 9),
    ),
    "generated": Case(
        [GONE, BOS, "ALTER TABLE pets ADD COLUMN small AS (lower(name))", "CREATE UNIQUE INDEX i ON pets (small)"],
        TAKEN,
        pets=(2, 3, 9),
    ),
    "partial, under it": Case(
        [GONE, BOS, 'CREATE UNIQUE INDEX i ON pets (lower("name") /* ) */ ) -- small\n/* WHERE */ WHERE level > 4'],
        TAKEN,
        pets=(2, 3, 9),
    ),
    "partial, beside it": Case(
        [GONE, BOS, "CREATE UNIQUE INDEX i ON pets (lower(name)) WHERE level > 5"], pets=(1, 2, 3, 9)
    ),
    "two of the plan": Case(
        [GONE, "CREATE UNIQUE INDEX i ON pets (length(name), user_id)"],
        [("pets", 2, "a value that must be unique is that of 1 now", "1")],
        pets=(1, 3),
    ),
    "check": Case(
        remade(f"{PETS}, CONSTRAINT small CHECK (level < 5)"),
        left_out=["pets 1: a check of today forbids it (small)."],
        pets=(2,),
    ),
    "never null": Case(
        remade(f"{PETS} NOT NULL DEFAULT 1"),
        left_out=["pets 2: level must have a value, and there was none then."],
        pets=(1,),
    ),
    "never null, changed": Case(
        [
            *remade(f"{PETS} NOT NULL"),
            "INSERT INTO pets VALUES (1, 1, 'Rex', 0), (2, 1, 'Tom', 0)",
        ],
        left_out=["pets 2: level must have a value, and there was none then."],
        pets=(1, 2),
    ),
    "type": Case(
        remade("id INTEGER PRIMARY KEY, user_id INTEGER, name INTEGER, level INTEGER", " STRICT"),
        left_out=[
            f"pets {key}: the database does not take it today (cannot store TEXT value in INTEGER column pets.name)."
            for key in (1, 2)
        ],
        pets=(),
    ),
    "type of the key": Case(
        remade("id TEXT PRIMARY KEY, user_id INTEGER, name TEXT, level TEXT"),
        pets=("1", "2"),
    ),
    "type of the key, changed": Case(
        [
            *remade("id TEXT PRIMARY KEY, user_id INTEGER, name TEXT, level TEXT"),
            "INSERT INTO pets VALUES ('1', 1, 'Rex', '0'), ('2', 1, 'Tom', NULL)",
        ],
        pets=("1", "2"),
    ),
    "generated check": Case(
        remade(
            "id INTEGER PRIMARY KEY, user_id INTEGER, name TEXT, level INTEGER, twice AS (level * 2) CHECK (twice < 9)"
        ),
        left_out=["pets 1: a check of today forbids it (twice < 9)."],
        pets=(2,),
    ),
    "new column, default refused": Case(
        remade(
            "id INTEGER PRIMARY KEY, user_id INTEGER, name TEXT, level INTEGER, age INTEGER DEFAULT 0 CHECK (age > 0)"
        ),
        left_out=[f"pets {key}: a check of today forbids it (age > 0)." for key in (1, 2)],
        pets=(),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_the_live_database_would_refuse_is_foreseen(tmp_path: Path, case: Case) -> None:
    """A unique value names its holder, a row that today's table refuses is left out; all else is put back."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*GAME)
    world.commit(*case.commits)
    plan = rescue(world, then, ANN, perform=False)
    assert said_of(plan) == list(case.conflicts)
    assert list(plan.left_out) == list(case.left_out)
    assert rescue(world, then, ANN, agreed=plan.token) == plan
    assert world.rows(None, "SELECT id FROM pets ORDER BY id") == [(key,) for key in case.pets]
    assert rescue(world, then, ANN, perform=False).writes == 0


@pytest.mark.parametrize("rule", ["REPLACE", "IGNORE"])
def test_a_constraint_that_settles_conflicts_by_itself_takes_nothing_from_others(tmp_path: Path, rule: str) -> None:
    """SQLite can be told to remove the other row: a rescue never lets it."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*GAME)
    columns = (
        f"id INTEGER PRIMARY KEY, user_id INTEGER, name TEXT COLLATE NOCASE UNIQUE ON CONFLICT {rule}, level INTEGER"
    )
    world.commit(*remade(columns), BOS)
    plan = rescue(world, then, ANN)
    assert said_of(plan) == TAKEN
    assert world.rows(None, "SELECT id, user_id FROM pets ORDER BY id") == [(2, 1), (9, 2)]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE UNIQUE INDEX i ON pets (of_game(name))", "no such function: of_game"),
        ("CREATE INDEX i ON pets (name COLLATE of_game)", "no such collation sequence: of_game"),
    ],
)
def test_what_only_the_game_can_compute_is_foreseen(tmp_path: Path, statement: str, said: str) -> None:
    """A table that needs a function of the game cannot be written without it: its rows are left out, others are not."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(*GAME)
    world.commit(GONE, "UPDATE users SET code = 'z' WHERE id = 1")
    with closing(sqlite3.connect(world.database)) as connection:
        connection.create_function("of_game", 1, str, deterministic=True)
        connection.create_collation("of_game", lambda one, other: (one > other) - (one < other))
        connection.execute(statement)
    plan = rescue(world, then, ANN)
    assert list(plan.left_out) == [f"pets {key}: the database does not take it today ({said})." for key in (1, 2)]
    assert world.rows(None, "SELECT code FROM users WHERE id = 1") == [("a",)]


def test_a_key_that_is_written_otherwise_now_is_the_same_row(tmp_path: Path) -> None:
    """It is in nobody's way: not of itself, and not of another row that takes its place."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(
        *GAME,
        "CREATE TABLE tags (tag TEXT COLLATE NOCASE PRIMARY KEY, user_id INTEGER, level INTEGER UNIQUE)",
        "INSERT INTO tags VALUES ('Ann', 1, 1), ('Bo', 1, 2)",
    )
    before = world.rows(None, "SELECT * FROM tags")
    world.commit(
        "UPDATE tags SET level = -level",
        "UPDATE tags SET tag = upper(tag), level = 3 + level",
    )
    assert rescue(world, then, ANN).conflicts == ()
    assert world.rows(None, "SELECT * FROM tags") == before


def test_values_are_compared_as_the_columns_hold_them_today(tmp_path: Path) -> None:
    """A row without a key is not put back beside itself; of two rows with one key today one comes back."""
    world = HistoryWorld(tmp_path)
    then = world.snapshot(
        *GAME,
        "CREATE TABLE bags (user_id INTEGER, size TEXT)",
        "CREATE TABLE tags (tag TEXT PRIMARY KEY, user_id INTEGER)",
        "INSERT INTO bags VALUES (1, '5.0'), (1, '7')",
        "INSERT INTO tags VALUES ('2', 1), ('2.0', 1)",
    )
    damaged = world.snapshot(
        "CREATE TABLE new (user_id INTEGER, size INTEGER)",
        "INSERT INTO new SELECT * FROM bags",
        "DROP TABLE bags",
        "ALTER TABLE new RENAME TO bags",
        "DROP TABLE tags",
        "CREATE TABLE tags (tag INTEGER PRIMARY KEY, user_id INTEGER)",
    )
    plan = rescue(world, then, ANN, RescueOptions(exact=True), damaged=damaged)
    assert plan.tables == {"tags": TableRescue(put_back=1)}
    assert plan.left_out == ("tags 2: its key is that of another row today.",)
    assert rescue(world, then, ANN).writes == 0
    assert world.rows(None, "SELECT * FROM bags") == [(1, 5), (1, 7)]
