"""A diff by pages reads little and misses nothing, also where a page says nothing of what happened to it."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from core.snapshots.history.chains.btree import View
from core.snapshots.history.diff import diff
from core.snapshots.history.page_diff import PageDiff
from core.snapshots.history.past import Past
from core.snapshots.models import DiffMethod, Point
from tests.worlds.past.history_world import HistoryWorld

NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
ROWS = "INSERT INTO t " + NUMBERS.format(9000) + "SELECT i, 'row ' || i FROM n"
BLOBS = "INSERT INTO t " + NUMBERS.format(300) + "SELECT i, zeroblob(i * 40) FROM n"
LEAVE_FREED_PAGES = "PRAGMA secure_delete = OFF"


def by_number(
    world: HistoryWorld, first: Point, second: Point | None, sql: str = "SELECT a, * FROM t"
) -> tuple[int, ...]:
    """Count what was added, removed and changed in full rebuilds, rows being told by their first column."""
    before, after = ({row[0]: row for row in world.rows(point, sql)} for point in (first, second))
    changed = [key for key in before.keys() & after.keys() if before[key] != after[key]]
    return len(after.keys() - before.keys()), len(before.keys() - after.keys()), len(changed)


def counts(past: Past, first: Point, second: Point | None, table: str = "t") -> tuple[Any, ...]:
    """Return what a diff counts in a table, and how it was made."""
    found = diff(past, first, second)
    if table not in found.tables:
        return 0, 0, 0, found.by
    counted = found.tables[table]
    return counted.added, counted.removed, counted.changed, counted.by


def test_leaves_that_were_given_up_unwritten_are_read(tmp_path: Path) -> None:
    """A page whose rows are all deleted goes to the freelist as it was: only the pages above it differ."""
    world = HistoryWorld(tmp_path)
    world.snapshot("CREATE TABLE t (a INTEGER PRIMARY KEY, b)", ROWS)
    world.snapshot(LEAVE_FREED_PAGES, "DELETE FROM t WHERE a BETWEEN 2000 AND 4000")
    world.snapshot(LEAVE_FREED_PAGES, "DELETE FROM t")
    with world.past() as past:
        for first, second in combinations(world.points, 2):
            differ = past.changed(first, second)
            assert differ is not None
            assert len(differ) < 10
            assert counts(past, first, second) == (*by_number(world, first, second), DiffMethod.PAGES)
        assert by_number(world, world.points[0], world.points[1]) == (0, 2001, 0)


def test_an_overflow_page_that_was_rewritten_alone_is_traced_to_its_row(tmp_path: Path) -> None:
    """SQLite leaves the leaf as it is where only the end of a long row changed."""
    world = HistoryWorld(tmp_path)
    world.snapshot("CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)", BLOBS)
    longer = "UPDATE t SET b = CAST(substr(b, 1, length(b) - 1) || x'07' AS BLOB) WHERE a = {}"
    world.snapshot(longer.format(250))
    world.snapshot(longer.format(120), longer.format(121))
    with world.past() as past:
        for first, second in combinations(world.points, 2):
            differ = past.changed(first, second)
            assert differ is not None
            views = [View(past.pages(point), point.position) for point in (first, second)]
            assert all(view.first_rowid(number) is None for view in views for number in differ - {1})
            assert counts(past, first, second) == (*by_number(world, first, second), DiffMethod.PAGES)


def test_free_pages_that_differ_do_not_make_every_leaf_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page on the freelist holds belongs to no row."""
    world = HistoryWorld(tmp_path)
    world.snapshot(
        LEAVE_FREED_PAGES, "CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)", BLOBS, "DELETE FROM t WHERE a > 280"
    )
    world.snapshot(LEAVE_FREED_PAGES, "INSERT INTO t VALUES (500, randomblob(9000))", "DELETE FROM t WHERE a = 500")
    monkeypatch.setattr(PageDiff, "_owners", None)
    with world.past() as past:
        first, second = world.points
        assert counts(past, first, second) == (0, 0, 0, DiffMethod.PAGES)


def test_a_vacuum_is_compared_row_by_row_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It moves every page, so that reading all rows is less work."""
    monkeypatch.setattr("core.snapshots.history.diff._ALWAYS_WORTH_IT", 10)
    world = HistoryWorld(tmp_path)
    world.snapshot("CREATE TABLE t (a INTEGER PRIMARY KEY, b)", "CREATE TABLE u (a)", ROWS, "INSERT INTO u VALUES (1)")
    world.snapshot("DELETE FROM t WHERE a < 5000")
    world.snapshot("UPDATE t SET b = 'new' WHERE a = 8000", "VACUUM")
    with world.past() as past:
        first, second, third = world.points
        assert counts(past, second, third) == (0, 0, 1, DiffMethod.COMPARISON)
        assert counts(past, first, third) == (*by_number(world, first, third), DiffMethod.COMPARISON)


def test_two_fulls_are_compared_by_their_pages(tmp_path: Path) -> None:
    """And incrementals of two chains, in both directions."""
    world = HistoryWorld(tmp_path)
    world.snapshot("CREATE TABLE t (a INTEGER PRIMARY KEY, b)", ROWS)
    world.snapshot("UPDATE t SET b = 'one' WHERE a = 17")
    world.snapshot("UPDATE t SET b = 'two' WHERE a IN (18, 7000)", full=True)
    world.snapshot("DELETE FROM t WHERE a = 17")
    assert len(world.chains) == 2
    with world.past() as past:
        for one, other in combinations(world.points, 2):
            for first, second in ((one, other), (other, one)):
                assert counts(past, first, second) == (*by_number(world, first, second), DiffMethod.PAGES)


@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("archives", [True, False], ids=["archives", "rebuild"])
def test_now_is_compared_by_the_pages_that_changed_since_the_newest_snapshot(
    tmp_path: Path, mode: str, archives: bool
) -> None:
    """Also if nobody wrote since, and with points of an earlier chain; the files are read once."""
    world = HistoryWorld(tmp_path, journal_mode=mode)
    first = world.snapshot("CREATE TABLE t (a INTEGER PRIMARY KEY, b)", ROWS)
    second = world.snapshot("UPDATE t SET b = 'new' WHERE a = 2", full=True)
    with world.past(archives=archives) as past:
        assert counts(past, second, None) == (0, 0, 0, DiffMethod.PAGES)
    world.commit(
        "INSERT INTO t VALUES (-1, 'x')", "DELETE FROM t WHERE a IN (5, 9000)", "UPDATE t SET b = 1 WHERE a = 7"
    )
    with world.past(archives=archives) as past:
        assert counts(past, second, None) == (1, 2, 1, DiffMethod.PAGES)
        world.commit("DELETE FROM t WHERE a = 1")
        found = diff(past, first, None)
        assert (found.until, found.tables["t"].changed, found.tables["t"].removed) == ("now", 2, 2)


def test_now_is_compared_row_by_row_where_the_pages_cannot_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an index, or if most pages changed; and damage of a snapshot that nobody asks about does not count."""
    world = HistoryWorld(tmp_path)
    first = world.snapshot("CREATE TABLE t (a INTEGER PRIMARY KEY, b)", ROWS)
    second = world.snapshot("UPDATE t SET b = 'new' WHERE a = 2")
    world.commit("DELETE FROM t WHERE a = 5")
    with monkeypatch.context() as patch, world.past() as past:
        patch.setattr("core.snapshots.history.present._ALWAYS", 0)
        patch.setattr("core.snapshots.history.present._MOST", 0)
        assert counts(past, first, None) == (0, 1, 1, DiffMethod.COMPARISON)
    world.file(second).unlink()
    with world.past(first) as past:
        assert counts(past, first, None) == (0, 1, 1, DiffMethod.COMPARISON)
    world.taken.index.unlink()
    with world.past(first) as past:
        assert counts(past, first, None) == (0, 1, 1, DiffMethod.COMPARISON)


def test_rows_without_a_number_are_compared_only_if_their_pages_differ(tmp_path: Path) -> None:
    """A table WITHOUT ROWID that nobody touched costs its inner pages."""
    world = HistoryWorld(tmp_path)
    world.snapshot(
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b)",
        "CREATE TABLE w (k TEXT PRIMARY KEY, v) WITHOUT ROWID",
        ROWS,
        "INSERT INTO w SELECT b, a FROM t",
    )
    world.snapshot("UPDATE t SET b = 'other' WHERE a = 1")
    world.snapshot("UPDATE w SET v = -1 WHERE k = 'row 77'", "DELETE FROM w WHERE k = 'row 78'")
    with world.past() as past:
        first, second, third = world.points
        assert diff(past, first, second).by is DiffMethod.PAGES
        assert set(diff(past, first, second).tables) == {"t"}
        found = diff(past, second, third, shown=5).tables["w"]
        assert (found.added, found.removed, found.changed, found.by) == (0, 1, 1, DiffMethod.COMPARISON)
        assert found.rows_changed == (({"k": "row 77", "v": 77}, {"k": "row 77", "v": -1}),)


def test_rows_are_told_by_their_key_and_not_by_where_they_are(tmp_path: Path) -> None:
    """A row that was deleted and put back is not one that was added; NULL keys do not run together."""
    world = HistoryWorld(tmp_path)
    world.snapshot(
        "CREATE TABLE t (a TEXT PRIMARY KEY, b)", "INSERT INTO t VALUES ('x', 1), ('y', 2), (NULL, 3), (NULL, 4)"
    )
    world.snapshot("DELETE FROM t WHERE a = 'x'", "INSERT INTO t VALUES ('z', 9), ('x', 1)")
    world.snapshot("UPDATE t SET b = 5 WHERE a IS NULL AND b = 4")
    first, second, third = world.points
    for archives in (True, False):
        with world.past(archives=archives) as past:
            assert counts(past, first, second)[:3] == (1, 0, 0)
            assert counts(past, second, third)[:3] == (0, 0, 1)
            assert counts(past, second, None)[:3] == (0, 0, 1)


def test_tables_and_columns_that_only_one_state_has_are_told(tmp_path: Path) -> None:
    """An added column is listed, and does not make every row a changed one."""
    world = HistoryWorld(tmp_path)
    world.snapshot(
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b)", "CREATE TABLE old (c)", "INSERT INTO old VALUES (1), (2)"
    )
    world.snapshot(
        "INSERT INTO t VALUES (1, 'one')",
        "ALTER TABLE t ADD COLUMN d DEFAULT 7",
        "DROP TABLE old",
        "CREATE TABLE fresh (e)",
        "INSERT INTO fresh VALUES (3)",
    )
    world.snapshot("ALTER TABLE t DROP COLUMN b")
    first, second, third = world.points
    with world.past() as past:
        found = diff(past, first, second, shown=1).tables
        assert (found["old"].removed, found["fresh"].added, found["t"].added) == (2, 1, 1)
        assert found["old"].rows_removed == ({"c": 1},)
        assert (found["t"].columns_added, found["t"].rows_added) == (("d",), ({"a": 1, "b": "one", "d": 7},))
        last = diff(past, second, third).tables["t"]
        assert (last.changed, last.columns_removed) == (0, ("b",))


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_the_present_is_read_through_sqlite_and_left_alone(tmp_path: Path, mode: str) -> None:
    """What is only in the log counts, and nothing of the database's files changes."""
    world = HistoryWorld(tmp_path, journal_mode=mode)
    point = world.snapshot("CREATE TABLE t (a INTEGER PRIMARY KEY, b)", "INSERT INTO t VALUES (1, 'one')")
    world.commit("INSERT INTO t VALUES (2, 'two')")
    before = world.database.read_bytes()
    for archives in (True, False):
        with world.past(archives=archives) as past:
            assert counts(past, point, None)[:3] == (1, 0, 0)
    assert world.database.read_bytes() == before
