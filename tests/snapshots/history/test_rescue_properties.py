"""Whatever was played and whatever was damaged: a rescue is what its plan said, and can be taken back."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.snapshots.history.rescue.states import value_of
from core.snapshots.models import ConflictRule, RescueOptions, RescuePlan, RescueScope
from tests.worlds.past import rescue_world
from tests.worlds.past.history_world import HistoryWorld
from tests.worlds.past.rescue_world import ECONOMY, rescue

pytestmark = pytest.mark.slow

DECKS = (
    "CREATE TABLE decks (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users, slot INTEGER NOT NULL, "
    "above INTEGER REFERENCES decks, UNIQUE (user_id, slot))",
    "INSERT INTO decks VALUES (1, 1, 1, NULL), (2, 1, 2, 1), (3, 1, 3, 1), (4, 2, 1, NULL)",
)
"""Rows that exchange a unique value, of a table that refers to itself."""
TABLES = (*rescue_world.TABLES, "decks")
CONSTRAINTS = (
    "CREATE UNIQUE INDEX folded ON decks (user_id, abs(slot - 3))",
    "CREATE UNIQUE INDEX three ON decks (coalesce(above, 0), slot % 3)",
    "CREATE UNIQUE INDEX begins ON users (substr(lower(name), 1, 6))",
    "CREATE UNIQUE INDEX high ON user_cards (user_id, card_id) WHERE level > 1",
    "CREATE UNIQUE INDEX once ON log (what COLLATE NOCASE)",
)
"""What the game's schema can have got since, as far as its rows allow it."""
PLAYERS = st.integers(1, 4)
SMALL = st.integers(1, 5)
PLAY = st.one_of(
    st.tuples(st.just("UPDATE users SET coins = coins + ? WHERE id = ?"), SMALL, PLAYERS),
    st.tuples(st.just("INSERT OR IGNORE INTO users (id, name, coins) VALUES (?, 'new ' || ?, 5)"), PLAYERS, SMALL),
    st.tuples(st.just("DELETE FROM users WHERE id = ? AND ? < 3"), PLAYERS, SMALL),
    st.tuples(st.just("INSERT INTO user_cards (user_id, card_id) VALUES (?, 9 + ?)"), PLAYERS, st.integers(1, 3)),
    st.tuples(st.just("UPDATE user_cards SET user_id = ? WHERE id = ?"), PLAYERS, SMALL),
    st.tuples(st.just("UPDATE user_cards SET user_id = ? WHERE id = ?"), st.integers(2, 4), st.sampled_from([1, 2, 4])),
    st.tuples(st.just("UPDATE users SET name = 'name ' || ? WHERE id = ?"), st.integers(1, 2), PLAYERS),
    st.tuples(st.just("UPDATE user_cards SET level = level + ? WHERE id = ?"), SMALL, SMALL),
    st.tuples(st.just("DELETE FROM user_cards WHERE id = ? OR id = ?"), SMALL, SMALL),
    st.tuples(st.just("INSERT OR IGNORE INTO listings VALUES (NULL, ?, ?, NULL, 'open')"), SMALL, PLAYERS),
    st.tuples(st.just("UPDATE listings SET status = 'sold', buyer_id = ? WHERE id = ?"), PLAYERS, SMALL),
    st.tuples(st.just("DELETE FROM listings WHERE id = ? OR seller_id = ?"), SMALL, PLAYERS),
    st.tuples(st.just("INSERT INTO log VALUES (?, 'did ' || ?)"), PLAYERS, SMALL),
    st.tuples(st.just("DELETE FROM log WHERE user_id = ? AND rowid % 3 = ? % 3"), PLAYERS, SMALL),
    st.tuples(st.just("INSERT OR IGNORE INTO titles VALUES (?, 'title ' || ?)"), PLAYERS, SMALL),
    st.tuples(st.just("DELETE FROM titles WHERE user_id = ? OR title = 'title ' || ?"), PLAYERS, SMALL),
    st.tuples(st.just("UPDATE users SET name = 'name ' || ? WHERE id = ?"), SMALL, PLAYERS),
)
DECK_PLAY = st.one_of(
    st.tuples(st.just("UPDATE decks SET slot = ? WHERE id = ?"), SMALL, SMALL),
    st.tuples(st.just("UPDATE decks SET above = ? WHERE id = ?"), SMALL, SMALL),
    st.tuples(st.just("UPDATE decks SET user_id = ? WHERE id = ?"), PLAYERS, SMALL),
    st.tuples(st.just("INSERT OR IGNORE INTO decks VALUES (?, 1, ?, NULL)"), SMALL, SMALL),
    st.tuples(st.just("DELETE FROM decks WHERE id = ? AND ? < 4"), SMALL, SMALL),
)
GAMES = st.lists(st.one_of(PLAY, DECK_PLAY, DECK_PLAY), min_size=2, max_size=20)
OPTIONS = st.builds(
    RescueOptions,
    conflicts=st.sampled_from([ConflictRule.SKIP, ConflictRule.SKIP, ConflictRule.TAKE]),
    exact=st.booleans(),
) | st.just(RescueOptions(only_missing=True))
KEYS = {
    "users": ("id",),
    "cards": ("id",),
    "user_cards": ("id",),
    "listings": ("id",),
    "titles": ("title", "user_id"),
    "decks": ("id",),
}

Rows = dict[tuple[str, tuple[Any, ...]], dict[str, Any]]


def play(world: HistoryWorld, game: Sequence[tuple[Any, ...]]) -> None:
    """Commit each move that the game's constraints allow."""
    with closing(sqlite3.connect(world.database, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for sql, *values in game:
            try:
                connection.execute(sql, values)
            except sqlite3.IntegrityError:
                continue


def rows_of(world: HistoryWorld) -> Rows:
    """Return every row of the live database by table and key."""
    found: Rows = {}
    with closing(sqlite3.connect(world.database)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        for table in TABLES:
            cursor = connection.execute(
                f"SELECT rowid AS number, * FROM {table}" if table == "log" else f"SELECT * FROM {table}"
            )
            names = [each[0] for each in cursor.description]
            for row in cursor:
                record = dict(zip(names, row, strict=True))
                found[table, tuple(record[name] for name in KEYS.get(table, ("number",)))] = record
    return found


def written_by(plan: RescuePlan) -> set[tuple[str, tuple[Any, ...]]]:
    """Return the rows that a plan writes or removes."""
    return {(row.table, tuple(map(value_of, row.key))) for row in plan.rows}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    first=GAMES,
    damage=GAMES,
    since=GAMES,
    options=OPTIONS,
    known=st.booleans(),
    constraints=st.sets(st.sampled_from(CONSTRAINTS), max_size=3),
)
def test_a_rescue_does_what_its_plan_said_and_can_be_taken_back(
    first: Sequence[tuple[Any, ...]],
    damage: Sequence[tuple[Any, ...]],
    since: Sequence[tuple[Any, ...]],
    options: RescueOptions,
    known: bool,
    constraints: set[str],
) -> None:
    """Only rows of the plan change, as many as it said; what others hold is left; undo gives every row back.

    Nothing that it shows is refused.
    """
    with tempfile.TemporaryDirectory() as folder:
        world = HistoryWorld(Path(folder))
        world.commit(*ECONOMY, *DECKS)
        play(world, first)
        then = world.snapshot("INSERT INTO log VALUES (1, 'the time to go back to')")
        play(world, damage)
        damaged = world.snapshot("INSERT INTO log VALUES (2, 'after the damage')") if known else None
        play(world, [(constraint,) for constraint in sorted(constraints)])
        play(world, since)
        safety = world.snapshot("INSERT INTO log VALUES (3, 'now')")
        before = rows_of(world)
        plan = rescue(world, then, RescueScope(player="1"), options, damaged=damaged, perform=False)
        rescue(world, then, RescueScope(player="1"), options, damaged=damaged, agreed=plan.token)
        after = rows_of(world)
        changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        assert changed == written_by(plan)
        for table in TABLES:
            counts = [sum(key[0] == table for key in rows) for rows in (before, after)]
            planned = plan.tables.get(table)
            assert counts[1] - counts[0] == (planned.put_back - planned.removed if planned else 0)
        if options.conflicts is ConflictRule.SKIP:
            held = {key for key, row in before.items() if key[0] == "user_cards" and row["user_id"] != 1}
            assert held.isdisjoint(changed)
        if options.only_missing:
            assert all(key not in before for key in changed)
        rescued = world.snapshot("INSERT INTO log VALUES (4, 'rescued')")
        if plan.rows:
            rescue(world, safety, RescueScope(rows=plan.rows), damaged=rescued)
        world.commit("DELETE FROM log WHERE what = 'rescued'")
        assert rows_of(world) == before
