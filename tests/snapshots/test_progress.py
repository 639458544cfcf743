"""Watch: progress that does not flood, deadlines and cancellation that are noticed, free space looked at in time."""

from __future__ import annotations

import pytest

from core.snapshots.errors import DeadlineExceeded, NotEnoughSpace, OperationCancelled
from core.snapshots.progress import Watch

MIB = 1024 * 1024


class Clock:
    """A monotonic clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_progress_is_reported_at_most_ten_times_a_second() -> None:
    """Reports travel to another process: the work's speed must not decide how many there are."""
    clock, seen = Clock(), list[tuple[str, int, int]]()
    watch = Watch(monotonic=clock, progress=lambda *report: seen.append(report))
    watch.phase("check", 1000)
    for _ in range(250):
        clock.now += 1 / 1024
        watch.advance(1)

    assert seen == [("check", 0, 1000), ("check", 103, 1000), ("check", 206, 1000)]


def test_the_beginning_and_the_end_of_a_phase_are_always_reported() -> None:
    """A phase that is over in a moment is still seen to begin and to end, once each."""
    seen = list[tuple[str, int, int]]()
    watch = Watch(monotonic=Clock(), progress=lambda *report: seen.append(report))
    watch.phase("write", 10)
    for _ in range(3):
        watch.advance(6)
    assert seen == [("write", 0, 10), ("write", 12, 10)]
    watch.phase("check", 0)

    assert seen == [("write", 0, 10), ("write", 12, 10), ("write", 18, 10), ("check", 0, 0)]


def test_work_outside_a_phase_is_not_reported() -> None:
    """A caller that opened no phase gets no reports without a name."""
    clock, seen = Clock(), list[tuple[str, int, int]]()
    watch = Watch(monotonic=clock, progress=lambda *report: seen.append(report))
    clock.now += 10
    watch.advance(5)
    assert seen == []


def test_the_deadline_is_noticed_at_the_next_step_and_says_the_limit() -> None:
    """The error names the limit as its owner wrote it in the settings."""
    clock = Clock()
    watch = Watch(deadline_at=1090.0, monotonic=clock, seconds=90.0)
    watch.advance(1)
    assert watch.remaining() == 90.0
    clock.now = 1090.0

    with pytest.raises(DeadlineExceeded, match="within 1m 30s") as raised:
        watch.advance(1)
    assert raised.value.seconds == 90.0
    clock.now = 2000.0
    assert watch.remaining() == 0.0
    with pytest.raises(DeadlineExceeded):
        watch.phase("next", 1)


def test_a_deadline_of_unknown_length_still_makes_a_sentence() -> None:
    """Where only the moment is known, the sentence does without the length."""
    with pytest.raises(DeadlineExceeded, match="before its deadline"):
        Watch(deadline_at=0.0, monotonic=Clock()).check()


def test_a_cancelled_operation_stops_at_the_next_step() -> None:
    """Being told to stop counts more than being late."""
    stop = False
    watch = Watch(cancelled=lambda: stop)
    watch.check()
    stop = True
    with pytest.raises(OperationCancelled):
        watch.advance(1)
    with pytest.raises(OperationCancelled):
        Watch(cancelled=lambda: True, deadline_at=0.0, monotonic=Clock()).check()


def test_free_space_is_looked_at_every_16_mib_written() -> None:
    """Writers stop before the game's disk is full, without asking at every block."""
    looked = 0

    def space() -> None:
        nonlocal looked
        looked += 1
        if looked == 3:
            raise NotEnoughSpace("The disk is nearly full.")

    watch = Watch(space=space)
    for _ in range(47):
        watch.wrote(MIB)
    assert looked == 2
    with pytest.raises(NotEnoughSpace):
        watch.wrote(MIB)


def test_a_watch_without_arguments_watches_nothing() -> None:
    """Tests and shells can pass one without thinking."""
    watch = Watch()
    watch.phase("write", 1)
    watch.advance(5)
    watch.wrote(64 * MIB)
    watch.check()
    assert watch.remaining() is None
