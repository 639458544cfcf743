"""Which tables have lost so many rows that somebody should look."""

from __future__ import annotations

import pytest

from core.snapshots.policies.shrink import Shrunk, shrunk


@pytest.mark.parametrize(
    ("before", "after", "percent", "lost"),
    [
        ({"users": 100}, {"users": 50}, 50, []),
        ({"users": 100}, {"users": 49}, 50, ["users"]),
        ({"users": 49}, {"users": 0}, 50, []),
        ({"users": 50}, {"users": 0}, 50, ["users"]),
        ({"users": 100}, {"cards": 1}, 50, ["users"]),
        ({"users": 100}, {}, 50, []),
        ({"users": 100}, {"users": 0}, 0, []),
        ({"users": 100, "cards": 100}, {"users": 40, "cards": 10}, 50, ["cards", "users"]),
        ({"users": 100}, {"users": 900}, 50, []),
    ],
)
def test_more_than_the_setting_of_a_table_that_is_not_small(
    before: dict[str, int], after: dict[str, int], percent: int, lost: list[str]
) -> None:
    """Half is no loss and one more is; few rows, no counts and a setting of 0 say nothing; the worst comes first."""
    assert [each.table for each in shrunk(before, after, percent)] == lost


def test_it_says_from_what_to_what() -> None:
    """The figures are what the alert shows."""
    assert shrunk({"users": 3000}, {"users": 100}, 50) == (Shrunk("users", 3000, 100),)
