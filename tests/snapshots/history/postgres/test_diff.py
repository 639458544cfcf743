"""A diff finds the rows that differ among the lines that COPY writes, or, where most differ, in the stored rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.history.postgres import diff
from core.snapshots.history.postgres.diff import unmatched
from core.snapshots.models import RescueScope
from core.snapshots.progress import Watch
from tests.worlds.past.postgres_past import ECONOMY, PostgresPastWorld


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [
        ("abc", "abc", ("", "")),
        ("abcd", "bcda", ("", "")),
        ("aab", "ab", ("a", "")),
        ("", "aa", ("", "aa")),
        ("abca", "xbcaa", ("", "x")),
        ("ab", "ccc", ("ab", "ccc")),
    ],
)
def test_lines_are_matched_wherever_they_are(first: str, second: str, left: tuple[str, str]) -> None:
    """As often as they are there."""
    one, other = ([letter.encode() for letter in text] for text in (first, second))
    found = unmatched(one, other, 1000, Watch())
    assert found is not None
    assert tuple(b"".join(lines).decode() for lines in found) == left
    assert unmatched([b"a"] * 9, [b"b"] * 9, 1000, Watch()) is None


@pytest.mark.server
def test_both_ways_find_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of partitions whose columns are in another order, and of rows that are there several times."""
    world = PostgresPastWorld(tmp_path)
    first = world.snapshot(
        ECONOMY,
        "CREATE TABLE parts (id integer, name text, level integer) PARTITION BY RANGE (id)",
        "CREATE TABLE one (level integer, gone text, name text, id integer); ALTER TABLE one DROP gone",
        "ALTER TABLE parts ATTACH PARTITION one FOR VALUES FROM (0) TO (9)",
        "CREATE TABLE two PARTITION OF parts DEFAULT",
        "CREATE TABLE computed (name text, low text GENERATED ALWAYS AS (lower(name)) STORED PRIMARY KEY, v integer)",
        "INSERT INTO computed (name, v) VALUES ('Ann', 1), ('Bo', 2)",
        "CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES",
        "INSERT INTO parts SELECT i, E'tab\\t' || i, NULL FROM generate_series(1, 20) i",
    )
    second = world.snapshot(
        "UPDATE parts SET level = id WHERE id IN (3, 15)",
        "INSERT INTO log VALUES (1, 'joined'), (2, NULL)",
        "DELETE FROM listings",
        "UPDATE computed SET v = 3 WHERE name = 'Bo'",
        "INSERT INTO nothing DEFAULT VALUES",
        "UPDATE users SET coins = coins + 1 WHERE id = 2",
    )
    assert {
        name: (each.added, each.removed, each.changed) for name, each in world.diff(first, second).tables.items()
    } == {
        "parts": (2, 2, 0),
        "log": (2, 0, 0),
        "listings": (0, 2, 0),
        "computed": (1, 1, 0),  # no dump has the values of its key
        "nothing": (1, 0, 0),
        "users": (0, 0, 1),
    }
    world.commit("DELETE FROM computed")
    assert world.rescue(first, RescueScope(table="computed", where="low = 'ann'")).writes == 1
    found = [world.diff(first, point).tables for point in (second, None)]
    monkeypatch.setattr(diff, "_MOST_UNMATCHED", -1)
    assert [world.diff(first, point).tables for point in (second, None)] == found
