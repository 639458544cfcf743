"""What counts as a jump of a watched number."""

from __future__ import annotations

import pytest

from core.snapshots.policies.jumps import jumps


@pytest.mark.parametrize(
    ("before", "after", "percent", "named"),
    [
        ({"gold": 100}, {"gold": 151}, 50, ["gold"]),
        ({"gold": 100}, {"gold": 150}, 50, []),
        ({"gold": 100}, {"gold": 49}, 50, ["gold"]),
        ({"gold": -100}, {"gold": 100}, 50, ["gold"]),
        ({"gold": 0}, {"gold": 9000}, 50, []),
        ({"gold": 100}, {}, 50, []),
        ({}, {"gold": 100}, 50, []),
        ({"gold": 100}, {"gold": 9000}, 0, []),
        ({"gold": 100, "cards": 100}, {"gold": 200, "cards": 900}, 50, ["cards", "gold"]),
        ({"gold": 100}, {"gold": 1099}, 1000, []),
    ],
)
def test_a_jump_is_a_change_by_more_than_so_many_percent(
    before: dict[str, float], after: dict[str, float], percent: int, named: list[str]
) -> None:
    """Up or down; the first number is none, and neither is one that nobody could ask for."""
    assert [each.question for each in jumps(before, after, percent)] == named
