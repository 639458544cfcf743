"""How long a restore takes, and how far one is."""

from __future__ import annotations

import pytest

from core.snapshots import Method, RestoreStep
from core.snapshots.policies.estimate import Measured, course_of, expected, pause_of

SECONDS = dict.fromkeys(RestoreStep, 2.0)


def test_what_was_measured_before_counts_for_more_than_a_guess() -> None:
    """The last restore by the same method first, then the last test restore; each in proportion to its size."""
    assert expected(Method.ONLINE, 2000, last=Measured(SECONDS, 1000)) == dict.fromkeys(RestoreStep, 4.0)
    tested = expected(Method.ONLINE, 1000, verified=(6.0, 1000))
    assert (tested[RestoreStep.REBUILD], tested[RestoreStep.CHECK]) == (3.0, 3.0)
    larger, smaller = expected(Method.ONLINE, 1 << 30), expected(Method.ONLINE, 1 << 20)
    assert all(larger[step] >= smaller[step] for step in RestoreStep)


def test_play_pauses_only_after_the_check() -> None:
    """Rebuilding and checking cost the players nothing; where the bot must be stopped nobody can say."""
    assert pause_of(Method.ONLINE, SECONDS) == 10.0
    assert pause_of(Method.ONLINE, expected(Method.ONLINE, 1 << 20)) == 1.0
    assert pause_of(Method.SWAP, SECONDS) is None


@pytest.mark.parametrize(
    ("taken", "elapsed", "share_of_step", "share", "left"),
    [
        ([], 0.0, 0.0, 0.0, 14.0),
        ([], 1.0, 0.5, 1 / 14, 13.0),
        ([2.0, 2.0], 0.0, 0.0, 4 / 14, 10.0),
        ([4.0, 4.0], 0.0, 0.0, 4 / 14, 20.0),
        ([1.0, 1.0], 0.0, 0.0, 4 / 14, 7.5),
        ([2.0, 2.0], 0.1, 1.0, 6 / 14, 8.9),
        ([4.0, 4.0], 8.0, 0.0, 4 / 14, 16.0),
        ([2.0, 2.0], 3.0, 0.75, 5.5 / 14, 9.0),
        ([2.0] * 6, 2.0, 1.0, 1.0, 0.0),
    ],
)
def test_what_is_left_follows_the_pace_of_the_steps_that_are_over(
    taken: list[float], elapsed: float, share_of_step: float, share: float, left: float
) -> None:
    """A machine that was half as quick until now stays so, and one that was quicker may not.

    A step that is well under way speaks for itself, within reason: its first phase can be over at once.
    """
    course = course_of(SECONDS, taken, elapsed, share_of_step)
    assert course.share == pytest.approx(share)
    assert course.left == pytest.approx(left)
