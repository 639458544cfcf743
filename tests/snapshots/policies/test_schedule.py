"""When periodic snapshots and verifications are due."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.snapshots.models import Kind, Snapshot
from core.snapshots.policies.schedule import last_periodic, next_periodic, verification_due
from tests.worlds.prune_decisions import of_lost_rows
from tests.worlds.snapshots import make_snapshot

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)
TEN_YEARS = dt.timedelta(days=3652)
INTERVAL, FIRST_AFTER = 20 * 60.0, 5 * 60.0


def snapshot(sequence: int, at: dt.datetime, kind: Kind = Kind.PERIODIC, **changes: Any) -> Snapshot:
    return make_snapshot(sequence, at=at, kind=kind, **changes)


def due(last: dt.datetime | None, started: dt.datetime, now: dt.datetime) -> dt.datetime:
    return next_periodic(last, started, now, INTERVAL, FIRST_AFTER)


def test_the_last_periodic_is_the_newest_by_sequence() -> None:
    """Only periodic snapshots count, and their order is their sequence."""
    taken = [
        snapshot(1, NOON - 3 * DAY),
        snapshot(2, NOON - DAY),
        snapshot(3, NOON - MINUTE, Kind.CRITICAL),
        snapshot(4, NOON - MINUTE, Kind.MANUAL),
    ]
    assert last_periodic(taken, None, NOON) == NOON - DAY


def test_a_periodic_that_was_found_unnecessary_counts_as_the_last() -> None:
    """Looking and finding nothing changed is as good as a snapshot."""
    assert last_periodic([snapshot(1, NOON - DAY)], NOON - MINUTE, NOON) == NOON - MINUTE
    assert last_periodic([snapshot(1, NOON - MINUTE)], NOON - DAY, NOON) == NOON - MINUTE
    assert last_periodic([], NOON, NOON) == NOON


def test_without_any_there_is_no_last_periodic() -> None:
    """No snapshot and no look give None, never a made-up time."""
    assert last_periodic([], None, NOON) is None
    assert last_periodic([snapshot(1, NOON, Kind.SHUTDOWN)], None, NOON) is None


def test_the_first_one_comes_first_after_the_start() -> None:
    """A bot without any snapshot waits ``first_after`` from its start, and no longer."""
    assert due(None, NOON, NOON) == NOON + 5 * MINUTE
    assert due(None, NOON, NOON + 30 * MINUTE) == NOON + 5 * MINUTE


def test_later_ones_come_an_interval_after_the_last() -> None:
    """In a bot that has run for a while, an interval lies between two."""
    assert due(NOON - MINUTE, NOON - DAY, NOON) == NOON + 19 * MINUTE


def test_a_due_time_that_passed_while_the_bot_was_down_waits_for_the_first_after() -> None:
    """The host has its first minutes for itself where that puts a snapshot off by less than an interval."""
    assert due(NOON - 25 * MINUTE, NOON, NOON) == NOON + 5 * MINUTE


def test_an_overdue_one_does_not_wait_for_the_first_after() -> None:
    """A bot that restarts every four minutes still gets its snapshot: overdue by an interval, it is due at once."""
    last = NOON - 60 * MINUTE
    assert due(last, NOON, NOON) <= NOON


def test_a_bot_that_restarts_every_few_minutes_is_not_put_off_for_ever() -> None:
    """Whatever the restarts, no more than two intervals pass between two snapshots."""
    last = NOON
    now = NOON
    for restart in range(12):
        started = NOON + restart * 4 * MINUTE
        for minute in range(4):
            now = started + minute * MINUTE
            if due(last, started, now) <= now:
                assert now - last <= dt.timedelta(seconds=2 * INTERVAL)
                last = now
    assert last > NOON


def test_a_last_one_in_the_future_counts_as_none() -> None:
    """A clock that went back ten years must not put periodic snapshots off for ten years."""
    taken = [snapshot(1, NOON - DAY), snapshot(2, NOON + TEN_YEARS)]
    last = last_periodic(taken, None, NOON)
    assert last is None or last == NOON - DAY
    assert due(last, NOON - DAY, NOON) <= NOON


def test_a_look_in_a_wrong_future_does_not_make_every_moment_due() -> None:
    """Once a periodic snapshot is taken after the clock was put right, the next is due an interval after it."""
    taken = [snapshot(1, NOON + TEN_YEARS), snapshot(2, NOON)]
    now = NOON + MINUTE
    assert due(last_periodic(taken, NOON + TEN_YEARS, now), NOON - DAY, now) == NOON + 20 * MINUTE


def test_a_start_in_the_future_does_not_put_it_off() -> None:
    """A bot that started while its clock was ten years ahead has snapshots again soon after the clock is put right."""
    for last in (None, NOON - DAY):
        late = due(last, NOON + TEN_YEARS, NOON + dt.timedelta(seconds=FIRST_AFTER))
        assert late <= NOON + dt.timedelta(seconds=FIRST_AFTER), last


@given(
    last=st.none() | st.integers(-5000, 0),
    started=st.integers(-5000, 0),
)
def test_the_next_one_is_never_further_away_than_the_longer_of_the_two_pauses(last: int | None, started: int) -> None:
    """With honest clocks the next one is due within an interval or ``first_after``, and not before the last is over."""
    at = None if last is None else NOON + last * MINUTE
    next_at = due(at, NOON + started * MINUTE, NOON)
    assert next_at <= NOON + max(20, 5) * MINUTE
    if at is not None:
        assert next_at >= at + dt.timedelta(seconds=INTERVAL)


def test_a_verification_is_due_if_none_ever_passed() -> None:
    """The newest sound snapshot is the one to verify."""
    newest = snapshot(2, NOON)
    assert verification_due([snapshot(1, NOON - DAY), newest], NOON, 86400) == newest
    assert verification_due([newest, snapshot(3, NOON, ok=False)], NOON, 86400) == newest


def test_a_verification_is_not_due_for_an_interval_after_one() -> None:
    """Any snapshot that passed ``restored`` within the interval will do."""
    taken = [snapshot(1, NOON - DAY, restored_at=NOON - DAY / 2), snapshot(2, NOON)]
    assert verification_due(taken, NOON, 86400) is None
    assert verification_due(taken, NOON + DAY / 2, 86400) == taken[1]


def test_a_verification_of_a_snapshot_that_is_damaged_now_does_not_count() -> None:
    """It does not show that anything could be restored today."""
    taken = [snapshot(1, NOON - DAY), snapshot(2, NOON, ok=False, restored_at=NOON)]
    assert verification_due(taken, NOON, 86400) == taken[0]


def test_a_snapshot_of_lost_rows_is_not_what_a_test_restore_is_for() -> None:
    """It would fail again and again; what must be known to work is the one that would be restored."""
    taken = [snapshot(1, NOON - DAY), of_lost_rows(snapshot(2, NOON, restored_at=NOON))]
    assert verification_due(taken, NOON, 86400) == taken[0]
    assert verification_due(taken[1:], NOON, 86400) is None


def test_a_verification_in_the_future_does_not_count() -> None:
    """A time recorded by a wrong clock must not stop verifications for ten years."""
    taken = [snapshot(1, NOON, restored_at=NOON + TEN_YEARS)]
    assert verification_due(taken, NOON, 86400) == taken[0]


@pytest.mark.parametrize("taken", [[], [snapshot(1, NOON, ok=False)]])
def test_without_a_sound_snapshot_no_verification_is_due(taken: list[Snapshot]) -> None:
    """A damaged snapshot is not verified by a test restore."""
    assert verification_due(taken, NOON, 86400) is None


def test_an_interval_of_zero_means_never() -> None:
    """``verify_interval = 0`` switches verifications off."""
    assert verification_due([snapshot(1, NOON)], NOON, 0) is None
