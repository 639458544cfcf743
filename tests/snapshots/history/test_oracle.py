"""Every answer about the past is what a full rebuild of each point and a plain comparison give."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.snapshots.history.diff import diff
from core.snapshots.history.look import look
from core.snapshots.history.past import Past, can_read_archives
from core.snapshots.history.row_history import row_history
from core.snapshots.history.tables import json_record
from core.snapshots.models import DiffMethod, Point
from tests.worlds.past.history_world import HistoryWorld
from tests.worlds.past.random_past import KEYS, STEPS, Record, alike, plain_diff, play, state

pytestmark = pytest.mark.slow

SOME = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WAYS = pytest.mark.parametrize("archives", [True, False], ids=["archives", "rebuild"])
PAGE_SIZES = st.sampled_from([512, 1024, 4096])
MODES = st.sampled_from(["wal", "delete"])


@contextmanager
def played(steps: Sequence[Sequence[tuple[str, int]]], page_size: int, mode: str) -> Iterator[HistoryWorld]:
    """A world in a folder of its own: hypothesis uses one folder for all examples."""
    with tempfile.TemporaryDirectory() as folder:
        world = HistoryWorld(Path(folder), page_size=page_size, journal_mode=mode)
        play(world, steps)
        yield world


def as_asked(key: Sequence[Any]) -> tuple[str, ...]:
    """Return a key as a person writes it."""
    return tuple(map(str, key))


def test_apsw_is_there() -> None:
    """Without it half of these tests would compare the slow way with itself."""
    assert can_read_archives()


@WAYS
@SOME
@given(steps=STEPS, page_size=PAGE_SIZES, mode=MODES, dice=st.randoms(use_true_random=False))
def test_a_look_is_what_a_rebuild_holds(
    archives: bool, steps: Sequence[Sequence[tuple[str, int]]], page_size: int, mode: str, dice: Any
) -> None:
    """Some rows of every table at every point and now, and a row that is not there."""
    with played(steps, page_size, mode) as world, world.past(archives=archives) as past:
        for point in (*world.points, None):
            for name, rows in state(world, point).items():
                for key in dice.sample(sorted(rows, key=repr), min(4, len(rows))):
                    wanted = {each: value for each, value in rows[key].items() if each != "rowid"}
                    found = look(past, point, name, as_asked(key))
                    assert found.tables == {name: [json_record(wanted)]}
                missing = tuple(999_999 if not isinstance(part, str) else "nobody" for part in next(iter(rows), ()))
                if missing:
                    assert look(past, point, name, as_asked(missing)).tables == {name: []}


@WAYS
@SOME
@given(steps=STEPS, page_size=PAGE_SIZES, mode=MODES, dice=st.randoms(use_true_random=False))
def test_a_history_is_what_all_rebuilds_show(
    archives: bool, steps: Sequence[Sequence[tuple[str, int]]], page_size: int, mode: str, dice: Any
) -> None:
    """Changes, births and deaths of rows of every table, with the points between which they happened."""
    with played(steps, page_size, mode) as world, world.past(archives=archives) as past:
        points: list[Point | None] = [*world.points, None]
        states = [state(world, point) for point in points]
        for name in KEYS:
            keys = sorted({key for each in states for key in each.get(name, {})}, key=repr)
            for key in dice.sample(keys, min(4, len(keys))):
                rows = [each.get(name, {}).get(key) for each in states]
                found = row_history(past, name, as_asked(key))
                assert [
                    (change.snapshot, change.since, change.before, change.after) for change in found.changes
                ] == plain_changes(points, rows)
                assert found.points == len(points)


def plain_changes(points: Sequence[Point | None], rows: Sequence[Record | None]) -> list[tuple[Any, ...]]:
    """Return the changes of a row that a plain comparison of neighbours finds."""
    names = ["now" if point is None else point.snapshot for point in points]
    shown = [None if row is None else json_record({k: v for k, v in row.items() if k != "rowid"}) for row in rows]
    changes: list[tuple[Any, ...]] = [] if shown[0] is None else [(names[0], None, None, shown[0])]
    for at, (before, after) in enumerate(pairwise(rows)):
        if not alike(before, after):
            changes.append((names[at + 1], names[at], shown[at], shown[at + 1]))
    return changes


@WAYS
@SOME
@given(steps=STEPS, page_size=PAGE_SIZES, mode=MODES)
def test_a_diff_is_what_a_plain_comparison_gives(
    archives: bool, steps: Sequence[Sequence[tuple[str, int]]], page_size: int, mode: str
) -> None:
    """Of every two points, within a chain and across, and of points and now."""
    with played(steps, page_size, mode) as world, world.past(archives=archives) as past:
        for first, second in [*combinations(world.points, 2), (world.points[0], None), (world.points[-1], None)]:
            assert_diff(world, past, first, second)


def assert_diff(world: HistoryWorld, past: Past, first: Point, second: Point | None) -> DiffMethod:
    """See that a diff counts and shows the rows that differ, and return how it was made."""
    found = diff(past, first, second, shown=10_000)
    wanted = plain_diff(world, first, second)
    before, after = state(world, first), state(world, second)
    for name, table in found.tables.items():
        rows = wanted.pop(name, {"added": set(), "removed": set(), "changed": set()})
        assert (table.added, table.removed, table.changed) == tuple(map(len, rows.values())), name
        if KEYS[name]:
            assert shown(table.rows_added) == shown(after[name][key] for key in rows["added"])
            assert shown(table.rows_removed) == shown(before[name][key] for key in rows["removed"])
            pairs = ((before[name][key], after[name][key]) for key in rows["changed"])
            assert sorted(map(repr, table.rows_changed)) == sorted(
                repr((json_record(one), json_record(other))) for one, other in pairs
            )
    assert wanted == {}
    return found.by


def shown(rows: Any) -> list[str]:
    """Return rows in an order of their own, as answers hold them."""
    return sorted(repr(json_record(row)) for row in rows)
