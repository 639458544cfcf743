"""The history of a row reads only the points that can have changed it."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.errors import QueryError
from core.snapshots.history.row_history import row_history
from tests.worlds.past.history_world import HistoryWorld

NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
ROWS = "INSERT INTO t " + NUMBERS.format(3000) + "SELECT i, 'row ' || i FROM n"


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_points_whose_changes_are_elsewhere_are_not_read(tmp_path: Path, mode: str) -> None:
    """Also where every commit writes page 1, as it does in rollback mode, and where the file grows."""
    world = HistoryWorld(tmp_path, journal_mode=mode)
    world.snapshot("CREATE TABLE t (a INTEGER PRIMARY KEY, b)", "CREATE TABLE log (what)", ROWS)
    for number in range(12):
        world.snapshot(
            f"UPDATE t SET b = 'changed' WHERE a = {2900 - number}", "INSERT INTO log VALUES (zeroblob(900))"
        )
    changed = world.snapshot("UPDATE t SET b = 'mine' WHERE a = 5")
    world.snapshot("UPDATE t SET b = 'changed' WHERE a = 2000")
    assert len(world.chains) == 1
    with world.past() as past:
        found = row_history(past, "t", ("5",))
    assert [change.snapshot for change in found.changes] == [world.points[0].snapshot, changed.snapshot]
    assert found.changes[1].reasons == changed.reasons
    assert (found.points, found.read) == (16, 3)


def test_a_schema_change_makes_a_point_be_read(tmp_path: Path) -> None:
    """The pages of the schema are among those that were read."""
    world = HistoryWorld(tmp_path)
    world.snapshot("CREATE TABLE t (a INTEGER PRIMARY KEY, b)", "INSERT INTO t VALUES (1, 'one')")
    world.snapshot("ALTER TABLE t RENAME COLUMN b TO c")
    world.snapshot("DROP TABLE t")
    with world.past() as past:
        found = row_history(past, "t", ("1",), now=False)
    assert [(change.before, change.after) for change in found.changes] == [
        (None, {"a": 1, "b": "one"}),
        ({"a": 1, "c": "one"}, None),
    ]


def test_one_column_can_be_followed(tmp_path: Path) -> None:
    """Changes of other columns do not count; that the row is gone does."""
    world = HistoryWorld(tmp_path)
    world.snapshot("CREATE TABLE t (a INTEGER PRIMARY KEY, b, c)", "INSERT INTO t VALUES (1, 2, 3)")
    world.snapshot("UPDATE t SET b = 20")
    world.snapshot("UPDATE t SET c = 30")
    world.commit("DELETE FROM t")
    with world.past() as past:
        found = row_history(past, "T", ("1",), "C")
        assert [(change.before, change.after) for change in found.changes] == [
            (None, {"c": 3}),
            ({"c": 3}, {"c": 30}),
            ({"c": 30}, None),
        ]
        assert found.changes[-1].snapshot == "now"
        with pytest.raises(QueryError, match="no column 'd'"):
            row_history(past, "t", ("1",), "d")
        with pytest.raises(QueryError, match="no table 'u'"):
            row_history(past, "u", ("1",))


def test_a_column_that_is_gone_is_told_by_its_name_of_then(tmp_path: Path) -> None:
    """That it went is a change of the table, not of the row."""
    world = HistoryWorld(tmp_path)
    world.snapshot("CREATE TABLE t (a INTEGER PRIMARY KEY, Gold)", "INSERT INTO t VALUES (1, 10)")
    world.snapshot("UPDATE t SET gold = 20")
    world.snapshot("ALTER TABLE t DROP COLUMN gold")
    with world.past() as past:
        found = row_history(past, "t", ("1",), column="gold")
        assert [change.after for change in found.changes] == [{"Gold": 10}, {"Gold": 20}]
        with pytest.raises(QueryError, match=r"t has no column 'silver'\. Its columns: a\."):
            row_history(past, "t", ("1",), column="silver")
