"""The conditions of CHECKs, taken from the text of the schema."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.snapshots import Check
from core.snapshots.engines.sqlite.constraints import broken_checks, conditions

TABLES = {
    "CREATE TABLE t (a INT CHECK (a > 0), b INT)": ["a > 0"],
    "CREATE TABLE t (a INT, CONSTRAINT positive check((a) > (0)))": ["(a) > (0)"],
    "CREATE TABLE t (a INT CHECK (a > 0 -- not )\n), b INT)": ["a > 0 -- not )\n"],
    "CREATE TABLE t (a TEXT CHECK (a IN ('CHECK (b)', ')')))": ["a IN ('CHECK (b)', ')')"],
    'CREATE TABLE "CHECK (x)" (a INT, [check (] INT, `check ((` INT)': [],
    "CREATE TABLE t (a INT /* CHECK (a) */ CHECK /* here */ (a))": ["a"],
    "CREATE TABLE t (a INT DEFAULT 'CHECK (1)', b INT CHECK (b) CHECK (a < b))": ["b", "a < b"],
}


@pytest.mark.parametrize("sql", TABLES, ids=range(len(TABLES)))
def test_conditions_are_found_in_any_text_that_sqlite_takes(sql: str) -> None:
    """Comments, quoted names and strings that look like a CHECK are none."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(sql)
    assert conditions(sql) == TABLES[sql]


def broken(path: Path) -> list[tuple[Check, str | None, int]]:
    """Return what is found on a connection that may only read."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return [(each.check, each.table, each.count) for each in broken_checks(connection)]


def test_rows_that_break_a_condition_are_counted_as_sqlite_would(tmp_path: Path) -> None:
    """Zero breaks a condition, NULL and any other number fulfil it; a row that breaks two is one row."""
    path = tmp_path / "game.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (a INT CHECK (a > 0) CHECK (a < 9 OR a > 5), b TEXT CHECK (length(b) < 3))")
        connection.execute("CREATE TABLE fine (a INT CHECK (a))")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        rows = [(1, "x"), (None, None), (0, "xxxx"), (-1, "x"), (1, "xxxx")]
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
        connection.execute("INSERT INTO fine VALUES (7), (NULL)")
        connection.execute("PRAGMA ignore_check_constraints = OFF")
        assert connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]
    assert broken(path) == [(Check.CONSTRAINTS, "t", 3)]


def test_a_condition_that_this_sqlite_does_not_understand_is_named(tmp_path: Path) -> None:
    """A function of the host and the syntax of a newer version are left to those who have them."""
    path = tmp_path / "game.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.create_function("level", 1, abs, deterministic=True)
        connection.execute("CREATE TABLE odd (a INT CHECK (level(a) >= 0))")
        connection.execute("INSERT INTO odd VALUES (1)")
    assert broken(path) == [(Check.EXTENSION, "odd", 1)]
