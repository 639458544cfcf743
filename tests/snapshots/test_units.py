"""Sizes and durations: what people write is read exactly, and what is shown can be read back."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.snapshots.units import Duration, Size, count_text, duration_text, size_text

DURATIONS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "hours": 3600, "d": 86400, "days": 86400, "w": 604800}
SIZES = {"B": 1, "KB": 1000, "KiB": 1024, "MB": 1000**2, "MiB": 1024**2, "GB": 1000**3, "GiB": 1024**3, "TiB": 1024**4}


@given(number=st.integers(0, 10**6), unit=st.sampled_from(sorted(DURATIONS)), space=st.sampled_from(["", " "]))
def test_a_whole_number_of_a_unit_is_read_exactly(number: int, unit: str, space: str) -> None:
    """A duration is its number times its unit, with or without a space, whatever its case."""
    expected = number / 1000 if unit == "ms" else number * DURATIONS[unit]
    assert Duration.parse(f"{number}{space}{unit}") == expected
    assert Duration.parse(f" {number}{space}{unit.upper()} ") == expected


@given(st.integers(0, 400 * 86400))
def test_a_shown_duration_reads_back_as_nearly_the_same(seconds: int) -> None:
    """Two units are shown: reading them back loses less than one of the smaller, and never gives more."""
    shown = duration_text(seconds)
    read = Duration.parse(shown)
    smaller = Duration.parse("1" + shown.split()[-1].lstrip("0123456789."))
    assert read <= seconds
    assert seconds - read < smaller


@given(hours=st.integers(0, 23), minutes=st.integers(0, 59))
def test_hours_and_minutes_survive_the_round_trip(hours: int, minutes: int) -> None:
    """A duration of at most two units is shown in full."""
    seconds = hours * 3600 + minutes * 60
    assert float(Duration.parse(duration_text(seconds))) == seconds


@given(st.floats(0, 10**7, allow_nan=False))
def test_any_duration_can_be_shown_and_read(seconds: float) -> None:
    """Whatever is shown is something a person may write in the settings."""
    assert math.isclose(Duration.parse(duration_text(seconds)), seconds, rel_tol=0.06, abs_tol=0.0006)


@given(number=st.integers(0, 10**15 - 1), unit=st.sampled_from(sorted(SIZES)))
@example(number=123_456_789_012_345, unit="GB")
def test_a_size_is_read_exactly(number: int, unit: str) -> None:
    """A size is exact to the byte, also where a floating-point number would round it."""
    assert Size.parse(f"{number} {unit}") == number * SIZES[unit]


@given(st.integers(0, 2**50))
def test_a_shown_size_reads_back_as_nearly_the_same(size: int) -> None:
    """One decimal is shown, so reading it back is within a twentieth of the unit."""
    shown = size_text(size)
    unit = Size.parse("1 " + shown.split()[1])
    assert abs(Size.parse(shown) - size) <= unit / 20 + 1
    assert abs(float(shown.split()[0])) < 1024 or shown.endswith("GiB")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h 30m", 5400), ("1h30m", 5400), ("1.5 h", 5400), ("2 days 3 hours", 183600), ("250ms", 0.25)],
)
def test_parts_of_a_duration_add_up(text: str, seconds: float) -> None:
    """A duration can have several parts, with fractions."""
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "20", "m", "20 fortnights", "-5m", "1h-30m", "1e3s", "٣m", "9" * 400 + "s", "infs"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """The error says what is allowed, and no number is so long that it becomes infinite."""
    with pytest.raises(ValueError, match="a duration like"):
        Duration.parse(text)


@pytest.mark.parametrize("text", ["", "500", "MiB", "5 bananas", "-1 MB", "1 GB 5 MB", "٣ MB", "9" * 400 + " B"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """The error says what is allowed."""
    with pytest.raises(ValueError, match="a size like"):
        Size.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.25, "250ms"), (0.9996, "1s"), (9.97, "10s"), (90, "1m 30s"), (90061, "1d 1h"), (-90, "-1m 30s")],
)
def test_a_duration_is_shown_with_its_two_largest_units(seconds: float, text: str) -> None:
    """What rounds up to the next unit is shown in it."""
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1572864, "1.5 MiB"), (1048575, "1.0 MiB"), (-2048, "-2.0 KiB")],
)
def test_a_size_is_shown_in_binary_units(size: int, text: str) -> None:
    """What rounds up to 1024 of a unit is shown as 1 of the next."""
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("count", "nouns", "text"),
    [
        (0, ("row",), "0 rows"),
        (1, ("row",), "1 row"),
        (1024, ("row",), "1,024 rows"),
        (1, ("query", "queries"), "1 query"),
        (2, ("query", "queries"), "2 queries"),
    ],
)
def test_a_count_is_shown_with_its_noun_in_the_right_number(count: int, nouns: tuple[str, ...], text: str) -> None:
    """One of a thing is singular, anything else plural."""
    assert count_text(count, *nouns) == text
