"""Estimates of the space that a snapshot and a restore need."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from core.snapshots.models import Snapshot
from core.snapshots.policies.space import free_space_lasts, needed_for_restore, needed_for_snapshot
from tests.worlds.snapshots import NOON, make_snapshot

GIB, MIB = 1 << 30, 1 << 20


def snapshot(sequence: int, size: int, database_size: int, base: str | None = None) -> Snapshot:
    return make_snapshot(sequence, size=size, database_size=database_size, base=base)


def test_a_first_snapshot_is_given_room_for_the_image_and_most_of_it_again() -> None:
    """With no ratio known yet the estimate errs on the safe side."""
    assert 1.5 * GIB < needed_for_snapshot(GIB, []) < 2 * GIB


def test_the_ratio_of_the_newest_full_decides() -> None:
    """What the last archive weighed against its database is the best guess there is."""
    fulls = [snapshot(1, 90 * MIB, 100 * MIB), snapshot(2, 20 * MIB, 100 * MIB)]
    for order in (fulls, fulls[::-1]):
        needed = needed_for_snapshot(GIB, order)
        assert GIB * 1.2 < needed < GIB * 1.25


def test_an_incremental_and_an_empty_database_give_no_ratio() -> None:
    """The little that an incremental weighs says nothing about a full; nothing is divided by zero."""
    known = [snapshot(1, 50 * MIB, 100 * MIB), snapshot(2, MIB, 100 * MIB, base="1"), snapshot(3, 900, 0)]
    assert needed_for_snapshot(GIB, known) == needed_for_snapshot(GIB, known[:1])
    assert needed_for_snapshot(GIB, known[1:]) == needed_for_snapshot(GIB, [])


@given(size=st.integers(0, 1 << 40), archive=st.integers(1, 1 << 30))
def test_there_is_always_room_for_the_image_and_an_archive_in_the_known_ratio(size: int, archive: int) -> None:
    """Both are on the disk at once while the archive is written."""
    known = [snapshot(1, archive, 1 << 30)]
    assert needed_for_snapshot(size, known) >= size + size * archive // (1 << 30)


@given(restored=st.integers(0, 1 << 40), present=st.integers(0, 1 << 40))
def test_a_restore_needs_the_rebuilt_image_its_proof_and_a_safety_snapshot(restored: int, present: int) -> None:
    """A restore must not begin what the disk cannot finish."""
    assert needed_for_restore(restored, present, []) >= 2 * restored + needed_for_snapshot(present, [])


def test_an_engine_that_works_elsewhere_needs_no_image_here() -> None:
    """A server rebuilds on its own disk: here there is only the archive, and before a restore the safety snapshot's."""
    archive = needed_for_snapshot(10**9, ())
    assert needed_for_snapshot(10**9, (), elsewhere=True) == archive - 10**9
    assert needed_for_restore(10**10, 10**9, (), elsewhere=True) == archive - 10**9


def test_free_space_lasts_as_long_as_the_last_days_pace_says() -> None:
    """Nothing is said before there is a whole day to judge by, and nothing where the day wrote nothing."""
    day = dt.timedelta(days=1)
    taken = [make_snapshot(1, at=NOON - 2 * day), *(make_snapshot(n, at=NOON - day / n, size=MIB) for n in (2, 4))]
    assert free_space_lasts(20 * MIB, taken, NOON) == 10 * day.total_seconds()
    assert free_space_lasts(20 * MIB, taken[1:], NOON) is None
    assert free_space_lasts(20 * MIB, taken[:1], NOON) is None
    assert free_space_lasts(20 * MIB, [], NOON) is None
