"""What a person can write for a time zone."""

from __future__ import annotations

import pytest

from cogs.backup_cog.slash import time_zone
from cogs.backup_cog.slash.time_zone import zone_named
from core.snapshots import SnapshotError


@pytest.mark.parametrize(
    ("typed", "name"),
    [("UTC", "UTC"), ("europe/berlin", "Europe/Berlin"), ("Berlin", "Europe/Berlin"), ("new york", "America/New_York")],
)
def test_a_zone_is_named_whole_or_by_its_city(typed: str, name: str) -> None:
    """In any case."""
    assert zone_named(typed) == name


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [("Middle/Earth", "is no time zone. Pick one"), ("../../etc/passwd", "is no time zone"), ("louisville", "any of")],
)
def test_a_wrong_zone_is_a_sentence(typed: str, sentence: str) -> None:
    """Whatever is typed, no file is looked for by it."""
    with pytest.raises(SnapshotError, match=sentence):
        zone_named(typed)


def test_a_machine_without_data_of_zones_knows_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slim container has none: the sentence says what to install."""
    monkeypatch.setattr(time_zone, "_names", lambda: ("UTC",))
    assert zone_named("utc") == "UTC"
    with pytest.raises(SnapshotError, match="install the package tzdata"):
        zone_named("Europe/Berlin")
