"""Which rows of two states are the same row."""

from __future__ import annotations

from typing import Any

import pytest

from core.snapshots.policies.rows import row_changes

A, B = {"id": 1, "n": 1}, {"id": 2, "n": 1}
MORE = {"id": 1, "n": 2}


@pytest.mark.parametrize(
    ("before", "after", "key", "changes"),
    [
        ([A, B], [A, B], ("id",), []),
        ([A, B], [B, A], ("id",), []),
        ([A, B], [MORE], ("id",), [(A, MORE), (B, None)]),
        ([], [A], ("id",), [(None, A)]),
        ([A], [A | {"new": 5}], ("id",), []),
        ([A], [{"id": "1", "n": 1}], ("id",), [(A, None), (None, {"id": "1", "n": 1})]),
        ([A], [MORE], (), [(A, None), (None, MORE)]),
        ([A, A], [A], (), [(A, None)]),
        ([A, A], [A, A, A], ("other",), [(None, A)]),
    ],
)
def test_rows_are_told_by_their_key_or_by_all_they_hold(before: Any, after: Any, key: Any, changes: Any) -> None:
    """Equal rows without a key count as often as they are there; a text is another value than the number."""
    assert row_changes(before, after, key) == changes
