"""Random histories of a database, and what plain comparisons of full rebuilds say about them.

Import it as ``from tests.worlds.past.random_past import STEPS, play``. The tables are of every kind that SQLite stores
differently: with and without row numbers, with keys of one and of two columns and of none, with rows that overflow.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from hypothesis import strategies as st

from core.snapshots.models import Point
from tests.worlds.past.history_world import HistoryWorld

Record = dict[str, Any]

SCHEMA = (
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, coins INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE dust (user_id BIGINT PRIMARY KEY REFERENCES users (id), balance)",
    "CREATE TABLE inventory (user_id INTEGER, item TEXT, amount INTEGER, PRIMARY KEY (user_id, item))",
    "CREATE TABLE titles (user_id INTEGER, title TEXT, since REAL, PRIMARY KEY (title, user_id)) WITHOUT ROWID",
    "CREATE TABLE log (user_id INTEGER, what)",
    "CREATE TABLE stories (id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER, text, tail BLOB)",
    "CREATE INDEX log_of_user ON log (user_id)",
    "CREATE INDEX stories_by_text ON stories (text)",
)
KEYS: dict[str, tuple[str, ...]] = {
    "users": ("id",),
    "dust": ("user_id",),
    "inventory": ("user_id", "item"),
    "titles": ("title", "user_id"),
    "log": (),
    "stories": ("id",),
    "extra": ("id",),
}
"""By table what its rows are told by; () is their number."""

ACTIONS = (
    "insert", "insert", "insert many", "update", "update", "delete", "delete many", "delete run", "clear", "overwrite",
    "grow", "vacuum",
    "add column", "create", "drop", "reuse", "undo", "index", "same", "recreate",
)  # fmt: skip
STEPS = st.lists(
    st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 1 << 30)), min_size=1, max_size=6),
    min_size=3,
    max_size=7,
)


def play(world: HistoryWorld, steps: Sequence[Sequence[tuple[str, int]]], *, full_every: int = 4) -> None:
    """Commit each group of steps and take a snapshot after it; every so often one that stands alone."""
    world.snapshot(*SCHEMA, *_filling())
    for number, group in enumerate(steps, 1):
        with closing(sqlite3.connect(world.database, isolation_level=None)) as connection:
            # ON overwrites what becomes free with zeros, as some distributions do; OFF leaves it as it was.
            connection.execute(f"PRAGMA secure_delete = {('OFF', 'ON')[number % 2]}")
            for action, seed in group:
                _act(connection, action, random.Random(seed))
        world.taken.take(incremental=number % full_every != 0)


def _filling() -> list[str]:
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
    return [
        "INSERT INTO users (id, name, coins) " + numbers.format(300) + "SELECT i, 'player ' || i, i * 7 FROM n",
        "INSERT INTO dust " + numbers.format(200) + "SELECT i, i FROM n",
        "INSERT INTO inventory " + numbers.format(250) + "SELECT i % 50, 'item ' || (i / 50), i FROM n",
        "INSERT INTO titles " + numbers.format(120) + "SELECT i % 40, 'title ' || (i / 40), i / 2.0 FROM n",
        "INSERT INTO log " + numbers.format(200) + "SELECT i % 30, 'event ' || i FROM n",
        "INSERT INTO stories (user_id, text, tail) "
        + numbers.format(30)
        + "SELECT i, 'story ' || i, zeroblob(i * 200) FROM n",
    ]  # fmt: skip


def _act(connection: sqlite3.Connection, action: str, dice: random.Random) -> None:
    who, run = dice.randrange(320), connection.execute
    actions: dict[str, Callable[[], object]] = {
        "insert": lambda: [
            run("INSERT INTO users (name, coins) VALUES (?, ?)", (f"new {who}", who)),
            run("INSERT OR REPLACE INTO inventory VALUES (?, ?, ?)", (who % 60, f"item {who % 7}", who)),
            run("INSERT OR IGNORE INTO titles VALUES (?, ?, ?)", (who % 50, f"title {who % 9}", who / 4)),
            run("INSERT INTO log VALUES (?, ?)", (who % 30, dice.choice([None, 1.5, "x", b"\0\xff", 1 << 60]))),
        ],
        "insert many": lambda: [
            run("INSERT INTO log VALUES (?, ?)", (who % 30, dice.randbytes(30).hex())) for _ in range(60)
        ],
        "update": lambda: [
            run("UPDATE users SET coins = coins + 1, name = ? WHERE id = ?", (f"renamed {who}", who)),
            run("UPDATE dust SET balance = ? WHERE user_id = ?", (dice.choice([None, 2.5, "much", 7]), who)),
            run("UPDATE titles SET since = since + 1 WHERE user_id = ?", (who % 40,)),
        ],
        "delete": lambda: [
            run("DELETE FROM users WHERE id = ?", (who,)),
            run("DELETE FROM inventory WHERE user_id = ?", (who % 50,)),
            run("DELETE FROM titles WHERE title = ? AND user_id = ?", (f"title {who % 3}", who % 40)),
        ],
        "delete many": lambda: run("DELETE FROM log WHERE rowid % 3 = ?", (who % 3,)),
        # Leaves that empty are given up as they were, not written once more.
        "delete run": lambda: [
            run("DELETE FROM users WHERE id BETWEEN ? AND ?", (who, who + 90)),
            run("DELETE FROM log WHERE rowid BETWEEN ? AND ?", (who, who + 70)),
        ],
        "clear": lambda: run("DELETE FROM log"),
        # The same length, and only its end is another: SQLite rewrites the overflow page alone.
        "overwrite": lambda: run(
            "UPDATE stories SET tail = CAST(substr(tail, 1, length(tail) - 1) || ? AS BLOB) WHERE id = ?",
            (bytes([dice.randrange(256)]), 1 + who % 30),
        ),
        "grow": lambda: run(
            "INSERT INTO stories (user_id, text, tail) VALUES (?, ?, ?)",
            (who, "new " * dice.randrange(400), dice.randbytes(who * 9)),
        ),
        "vacuum": lambda: run("VACUUM"),
        "add column": lambda: run(f"ALTER TABLE users ADD COLUMN c{_columns_of_users(connection)} DEFAULT {who}"),
        "create": lambda: [
            run("CREATE TABLE IF NOT EXISTS extra (id INTEGER PRIMARY KEY, note)"),
            run("INSERT INTO extra (note) VALUES (?)", (who,)),
        ],
        "drop": lambda: run("DROP TABLE IF EXISTS extra"),
        "reuse": lambda: [
            run("DELETE FROM users WHERE id = (SELECT max(id) FROM users)"),
            run("INSERT INTO users (name, coins) VALUES ('heir', ?)", (who,)),
        ],
        "undo": lambda: [run("BEGIN"), run("UPDATE users SET coins = 0"), run("ROLLBACK")],
        "index": lambda: run(f"CREATE INDEX IF NOT EXISTS by_{who % 3} ON users (coins, name)"),
        "same": lambda: run("UPDATE users SET coins = coins WHERE id = ?", (who,)),
        "recreate": lambda: [
            run("CREATE TABLE IF NOT EXISTS extra (id INTEGER PRIMARY KEY, note)"),
            run("DROP TABLE extra"),
            run("CREATE TABLE extra (note, id INTEGER PRIMARY KEY)"),
            run("INSERT INTO extra (id, note) VALUES (1, ?)", (who % 3,)),
        ],
    }  # fmt: skip
    actions[action]()


def _columns_of_users(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute("SELECT count(*) FROM pragma_table_info('users')").fetchone()
    return int(count)


def state(world: HistoryWorld, point: Point | None) -> dict[str, dict[tuple[Any, ...], Record]]:
    """Return every row of every table of a rebuilt point (None: the live database), by what tells it."""
    path = world.database if point is None else world.image(point)
    found: dict[str, dict[tuple[Any, ...], Record]] = {}
    with closing(sqlite3.connect(path)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            if name in KEYS:
                number = "rowid, " if not KEYS[name] else ""
                cursor = connection.execute(f"SELECT {number}* FROM {name}")
                columns = [each[0] for each in cursor.description]
                records = [dict(zip(columns, row, strict=True)) for row in cursor]
                key = KEYS[name] or ("rowid",)
                found[name] = {tuple(record[each] for each in key): record for record in records}
    return found


def plain_diff(world: HistoryWorld, first: Point, second: Point | None) -> dict[str, dict[str, Any]]:
    """Return by table the keys of the rows that were added, removed and changed, comparing everything."""
    before, after = state(world, first), state(world, second)
    found = {}
    for name in before.keys() | after.keys():
        old, new = before.get(name, {}), after.get(name, {})
        changed = {key for key in old.keys() & new.keys() if not alike(old[key], new[key])}
        found[name] = {"added": new.keys() - old.keys(), "removed": old.keys() - new.keys(), "changed": changed}
    return {name: each for name, each in found.items() if any(each.values())}


def alike(before: Record | None, after: Record | None) -> bool:
    """Return True if two rows are the same in the columns that both have."""
    if before is None or after is None:
        return before is after
    return all(before[name] == after[name] for name in before.keys() & after.keys())
