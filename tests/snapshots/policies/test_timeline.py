"""Which snapshots the present database comes from, after any number of restores."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from core.snapshots.models import RestoreRecord, Snapshot
from core.snapshots.policies.timeline import newest_sound, timeline, timeline_first
from core.snapshots.repository.catalog import Contents
from tests.worlds.snapshots import NOON, make_snapshot


def restored(sequence: int, before: int) -> RestoreRecord:
    return RestoreRecord(
        at=NOON, snapshot=f"{sequence:012x}", sequence=sequence, before=before, safety=None, automatic=False
    )


def numbers(snapshots: Sequence[Snapshot]) -> list[int]:
    return [snapshot.sequence for snapshot in snapshots]


TEN = [make_snapshot(sequence) for sequence in range(1, 11)]


def test_without_a_restore_all_snapshots_are_on_the_line() -> None:
    """History is a straight line until somebody bends it; newest first."""
    assert numbers(timeline(TEN, [])) == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert numbers(timeline(TEN[::-1], [])) == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]


def test_a_restore_leaves_what_came_after_its_snapshot_beside_the_line() -> None:
    """After going back to 3, with 8 and later taken since, 4 to 7 are not what the database came from."""
    assert numbers(timeline(TEN, [restored(3, 8)])) == [10, 9, 8, 3, 2, 1]


def test_the_safety_snapshot_of_a_restore_is_beside_the_line() -> None:
    """It is the newest by the clock, and the very state that the owner decided to leave."""
    safety = make_snapshot(11)
    assert newest_sound([*TEN, safety], [restored(3, 12)]) == TEN[2]


def test_restoring_the_safety_snapshot_puts_what_it_saved_back_on_the_line() -> None:
    """Undoing a restore makes the left-behind time the present again."""
    taken = [*TEN, make_snapshot(11), make_snapshot(12)]
    line = timeline(taken, [restored(3, 12), restored(11, 13)])
    assert numbers(line) == [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]


def test_a_restore_within_a_left_behind_time_no_longer_counts() -> None:
    """Going back to before an earlier restore forgets that restore too."""
    records = [restored(3, 6), restored(2, 9)]
    assert numbers(timeline(TEN, records)) == [10, 9, 2, 1]


def test_two_restores_of_the_same_snapshot_give_the_same_line() -> None:
    """Restoring twice is restoring once."""
    assert numbers(timeline(TEN, [restored(3, 6), restored(3, 7)])) == [10, 9, 8, 7, 3, 2, 1]


def test_a_restore_of_what_lies_beside_the_line_is_followed() -> None:
    """From 3 forward again to 5, which an earlier restore had left behind."""
    records = [restored(3, 8), restored(5, 10)]
    assert numbers(timeline(TEN, records)) == [10, 5, 4, 3, 2, 1]


def test_the_others_come_after_the_line_newest_first() -> None:
    """Every snapshot can be restored; those that are not on the timeline come last."""
    assert numbers(timeline_first(TEN, [restored(3, 8)])) == [10, 9, 8, 3, 2, 1, 7, 6, 5, 4]


def test_the_newest_sound_one_is_looked_for_on_the_line_first() -> None:
    """A damaged one is passed over; one that is not on the timeline is used only if the timeline has none."""
    taken = [make_snapshot(1), make_snapshot(2), make_snapshot(3, ok=False)]
    assert newest_sound(taken, []) == taken[1]
    broken_line = [make_snapshot(1, ok=False), make_snapshot(2), make_snapshot(3, ok=False)]
    assert newest_sound(broken_line, [restored(1, 3)]) == broken_line[1]
    assert newest_sound([make_snapshot(1, ok=False)], []) is None
    assert newest_sound([], []) is None


def test_the_next_sequence_never_falls_behind_a_restore() -> None:
    """If the newest files were removed by hand, new snapshots are still on the timeline."""
    contents = Contents().with_snapshots(TEN[:3]).recording(restored(2, 8))
    following = make_snapshot(contents.next_sequence)
    assert following in timeline([*TEN[:3], following], contents.restores)


def test_snapshots_with_one_sequence_are_in_the_order_in_which_they_began() -> None:
    """Two with the same number can come of a catalog that could not be written; the newer one is still the newest."""
    older = make_snapshot(5)
    newer = msgspec.structs.replace(older, id="f" * 12, began_at=NOON + dt.timedelta(seconds=1))
    for given_order in ([older, newer], [newer, older]):
        assert Contents().with_snapshots(given_order).snapshots == (older, newer)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Snapshot], list[RestoreRecord], list[int]]:
    """Draw a history, with what the database came from after it kept by a slow and obvious twin."""
    taken: list[Snapshot] = []
    records: list[RestoreRecord] = []
    line: list[int] = []
    origin: dict[int, list[int]] = {}
    for step in draw(st.lists(st.integers(0, 8), max_size=25)):
        if step and taken:
            back = draw(st.sampled_from(taken))
            safety = make_snapshot(len(taken) + 1)
            taken.append(safety)
            origin[safety.sequence] = [*line, safety.sequence]
            records.append(restored(back.sequence, len(taken) + 1))
            line = list(origin[back.sequence])
        else:
            following = make_snapshot(len(taken) + 1)
            taken.append(following)
            line = [*line, following.sequence]
            origin[following.sequence] = list(line)
    return taken, records, line


@given(histories())
def test_the_line_is_what_following_each_restore_by_hand_gives(
    history: tuple[list[Snapshot], list[RestoreRecord], list[int]],
) -> None:
    """For any history of snapshots and restores, the newest on the line is the state that the database came from."""
    taken, records, line = history
    found = numbers(timeline(taken, records))
    assert found[:1] == line[::-1][:1]
    assert set(numbers(timeline_first(taken, records))) == set(numbers(taken))
    assert len(timeline_first(taken, records)) == len(taken)


@given(histories())
def test_nothing_of_the_line_is_left_out(
    history: tuple[list[Snapshot], list[RestoreRecord], list[int]],
) -> None:
    """Every state that the present came through is on the line, and no safety snapshot of a restore that stands."""
    taken, records, line = history
    assert numbers(timeline(taken, records)) == line[::-1]
