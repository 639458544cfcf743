"""Free questions read and do nothing else, within limits; a condition is found where it first holds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.snapshots import history
from core.snapshots.errors import QueryError
from core.snapshots.history.query import find_change, query
from tests.worlds.past.history_world import HistoryWorld

WAYS = pytest.mark.parametrize("archives", [True, False], ids=["archives", "rebuild"])
TABLE = "CREATE TABLE t (a INTEGER PRIMARY KEY, b)"


@WAYS
def test_two_queries_are_refused_in_the_same_words(tmp_path: Path, archives: bool) -> None:
    """Whichever library reads."""
    world = HistoryWorld(tmp_path)
    point = world.snapshot(TABLE)
    with world.past(archives=archives) as past:
        for each in (point, None):
            with pytest.raises(QueryError, match=r"^One query at a time, please\.$"):
                query(past, each, "SELECT 1; SELECT 2")


def test_where_apsw_cannot_be_loaded_a_snapshot_is_rebuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is installed, for another libc."""
    world = HistoryWorld(tmp_path)
    point = world.snapshot(TABLE, "INSERT INTO t VALUES (1, 'one')")
    monkeypatch.delitem(sys.modules, "core.snapshots.history.vfs", raising=False)
    monkeypatch.delattr(history, "vfs", raising=False)
    monkeypatch.setitem(sys.modules, "apsw", None)
    with world.past(archives=None) as past:
        assert query(past, point, "SELECT b FROM t").rows == (("one",),)
        assert past.by == "rebuild"


@WAYS
@pytest.mark.parametrize("now", [False, True])
def test_a_query_gives_its_columns_and_rows(tmp_path: Path, archives: bool, now: bool) -> None:
    """No more rows than are wanted, columns also without a row, and values as answers hold them."""
    world = HistoryWorld(tmp_path)
    point = world.snapshot(TABLE, "INSERT INTO t VALUES (1, 'one'), (2, x'00ff'), (3, 9e999)")
    asked = None if now else point
    with world.past(archives=archives) as past:
        found = query(past, asked, "SELECT a AS number, b FROM t ORDER BY a", most=2)
        assert (found.columns, found.rows, found.truncated) == (
            ("number", "b"),
            ((1, "one"), (2, {"blob": "00ff"})),
            True,
        )
        empty = query(past, asked, "WITH x AS (SELECT 1) SELECT a FROM t WHERE a > 5")
        assert (empty.columns, empty.rows, empty.truncated) == (("a",), (), False)
        assert query(past, asked, "VALUES (1), (2);").rows == ((1,), (2,))


@WAYS
@pytest.mark.parametrize("now", [False, True])
@pytest.mark.parametrize(
    ("module", "condition"), [("fts5(a)", "v MATCH '7'"), ("fts4(a)", "v MATCH '7'"), ("rtree(a, b, c)", "a = 7")]
)
def test_virtual_tables_can_be_asked(tmp_path: Path, archives: bool, now: bool, module: str, condition: str) -> None:
    """What their modules ask and prepare of their own is no writing."""
    world = HistoryWorld(tmp_path)
    point = world.snapshot(f"CREATE VIRTUAL TABLE v USING {module}", "INSERT INTO v (a) VALUES (7)")
    with world.past(archives=archives) as past:
        assert query(past, None if now else point, f"SELECT count(*) FROM v WHERE {condition}").rows == ((1,),)


@WAYS
@pytest.mark.parametrize("now", [False, True])
@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM t",
        "INSERT INTO t VALUES (5, 5)",
        "WITH x AS (SELECT 1) DELETE FROM t",
        "PRAGMA journal_mode = DELETE",
        "ATTACH 'FOLDER/x' AS x",
        "VACUUM INTO 'FOLDER/x'",
        "SELECT load_extension('x')",
        "SELECT * FROM nothing",
        "SELECT 1; SELECT 2",
        "SELECT 1; DELETE FROM t",
        "SELECT",
        "",
    ],
)
def test_anything_but_one_query_is_refused(tmp_path: Path, archives: bool, now: bool, sql: str) -> None:
    """At a snapshot and now; the database stays as it is."""
    world = HistoryWorld(tmp_path)
    point = world.snapshot(TABLE, "INSERT INTO t VALUES (1, 'one')")
    with world.past(archives=archives) as past, pytest.raises(QueryError):
        query(past, None if now else point, sql.replace("FOLDER", str(tmp_path)))
    assert world.rows(None, "SELECT * FROM t") == [(1, "one")]
    assert not (tmp_path / "x").exists()


@WAYS
def test_a_query_without_an_end_is_ended(tmp_path: Path, archives: bool) -> None:
    """After so many steps of SQLite, whatever the clock says."""
    world = HistoryWorld(tmp_path)
    point = world.snapshot(TABLE)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with world.past(archives=archives) as past:
        with pytest.raises(QueryError, match="too many steps"):
            query(past, point, endless, steps=1_000_000)
        with pytest.raises(QueryError, match="too many steps"):
            find_change(past, f"1 FROM ({endless})", steps=1_000_000)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(holds=st.lists(st.booleans(), min_size=1, max_size=24))
def test_a_condition_that_changes_once_is_found_exactly(
    tmp_path_factory: pytest.TempPathFactory, holds: list[bool]
) -> None:
    """By bisection if it is monotone, else by all points where the evenly spaced ones show that it is not."""
    world = HistoryWorld(tmp_path_factory.mktemp("world"))
    world.commit(TABLE, "INSERT INTO t VALUES (1, 0)")
    for number, value in enumerate(holds):
        world.snapshot(f"UPDATE t SET b = {int(value)}", f"INSERT INTO t VALUES ({number + 10}, NULL)")
    with world.past() as past:
        found = find_change(past, "b = 1 FROM t WHERE a = 1", now=False)
    first = holds.index(True) if True in holds else None
    if holds == sorted(holds) or found.by == "all":
        assert (found.first.snapshot if found.first else None) == (
            None if first is None else world.points[first].snapshot
        )
        assert (found.before is None) == (first in (None, 0))
    elif found.first is not None:  # a change back between two of the points that were asked
        place = [point.snapshot for point in world.points].index(found.first.snapshot)
        assert holds[place]
        assert place == 0 or not holds[place - 1]
    assert found.read <= len(holds)


def test_a_condition_is_found_with_few_questions(tmp_path: Path) -> None:
    """Of forty points less than half are read."""
    world = HistoryWorld(tmp_path)
    world.commit(TABLE)
    for number in range(40):
        world.snapshot(f"INSERT INTO t VALUES ({number}, 1)")
    with world.past() as past:
        found = find_change(past, "count(*) > 29 FROM t")
    assert found.first is not None
    assert (found.first.snapshot, found.by) == (world.points[29].snapshot, "bisection")
    assert found.read < 16


def test_where_a_condition_cannot_be_asked_it_does_not_hold(tmp_path: Path) -> None:
    """A table that is not there yet; one that never was is a sentence."""
    world = HistoryWorld(tmp_path)
    world.snapshot("CREATE TABLE old (a)")
    second = world.snapshot(TABLE, "INSERT INTO t VALUES (1, 1)")
    with world.past() as past:
        found = find_change(past, "count(*) = 1 FROM t")
        assert found.first is not None
        assert found.first.snapshot == second.snapshot
        with pytest.raises(QueryError, match="no such table: u"):
            find_change(past, "count(*) = 1 FROM u")
