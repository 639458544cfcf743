"""What people write for a moment, in English and in German."""

from __future__ import annotations

import datetime as dt

import pytest

from cogs.backup_cog.slash.snapshots.words import as_moment, before

FRIDAY = dt.datetime(2026, 11, 27, 12, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("typed", "moment"),
    [
        ("14:05", "14:05"),
        ("2:30", "02:30"),
        ("14:05:09Z", "14:05:09Z"),
        ("18:00+02:00", "18:00+02:00"),
        ("18 Uhr", "18:00"),
        ("18.30 Uhr", "18:30"),
        ("6pm", "18:00"),
        ("12:30 AM", "00:30"),
        ("yesterday 18:00", "2026-11-26 18:00"),
        ("18:00 yesterday", "2026-11-26 18:00"),
        ("yesterday at 6:15 pm", "2026-11-26 18:15"),
        ("monday 18:00", "2026-11-23 18:00"),
        ("am Freitag um 12:30 Uhr", "2026-11-27 12:30"),
        ("last friday at 1 pm", "2026-11-20 13:00"),
        ("Freitag", "2026-11-20"),
        ("sonnabend", "2026-11-21"),
        ("noon", "12:00"),
        ("gestern Mitternacht", "2026-11-26 00:00"),
        ("gestern um 18 Uhr", "2026-11-26 18:00"),
        ("Vorgestern", "2026-11-25"),
        ("2026-11-20T18:00", "2026-11-20 18:00"),
        ("20.11.2026, 18:00", "2026-11-20 18:00"),
        ("28.11. 18:00", "2025-11-28 18:00"),
        ("20m ago", "20m ago"),
        ("1h30m ago", "1h 30m ago"),
        ("20 minutes ago", "20m ago"),
        ("an hour and 5 minutes ago", "1h 5m ago"),
        ("vor 20 Minuten", "20m ago"),
        ("vor einer Stunde", "1h ago"),
        ("vor 2 Tagen", "2d ago"),
        ("Latest", "latest"),
        ("neueste", "latest"),
        ("jetzt", "now"),
        # What no calendar has is left to the core's sentence.
        ("25:00", "25:00"),
        ("2026-13-01", "2026-13-01"),
        # And what may be an id, a reason or nothing is no moment.
        ("18", None),
        ("1.50", None),
        ("13pm", None),
        ("20m", None),
        ("1d", None),
        ("3fa2", None),
        ("marketplace_buy_42", None),
        ("a long time ago", None),
        ("vor dem Turnier", None),
        ("", None),
    ],
)
def test_a_moment_is_read_as_it_is_written(typed: str, moment: str | None) -> None:
    """The core reads the result; "yesterday" is the day before the person's today."""
    assert as_moment(typed, FRIDAY) == moment


@pytest.mark.parametrize(
    ("typed", "rest"),
    [("before boss_1", "boss_1"), ("before: 14:05", "14:05"), ("Vor boss_1", "boss_1"), ("beforehand", None)],
)
def test_before_names_what_comes_after_it(typed: str, rest: str | None) -> None:
    """By a blank or a colon."""
    assert before(typed) == rest
