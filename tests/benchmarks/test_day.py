"""The benchmark of a day plays the same day at every interval, and its table has a place in the README."""

from __future__ import annotations

from pathlib import Path

from benchmarks.day import BEGIN, END, PER_MINUTE, Day, report, transactions
from benchmarks.table import README, put

DAY = Day(
    interval=10,
    latest=False,
    asked=8640,
    snapshots=4321,
    fulls=35,
    full_bytes=119_000_000,
    incremental_bytes=260_500_000,
    written=None,
    files_kept=400,
    bytes_kept=98_700_000,
    seconds=0.0912,
    processor=700.4,
)


def test_a_day_is_the_same_in_every_run() -> None:
    """Few transactions at night, most in the evening, and about as many whatever the interval."""
    often, seldom = (list(transactions(1440, interval)) for interval in (10, 1200))
    assert often == list(transactions(1440, 10))
    assert (len(often), len(seldom)) == (8640, 72)
    assert sum(often) == sum(seldom)
    assert abs(sum(often) / (60 * sum(PER_MINUTE)) - 1) < 0.05
    assert sum(map(bool, often[: 6 * 360])) < 1500 < sum(map(bool, often[-6 * 360 :]))


def test_the_table_goes_between_its_markers(tmp_path: Path) -> None:
    """The README has it once, and what stands around it stays."""
    copy = tmp_path / "README.md"
    text = README.read_text(encoding="utf-8")
    copy.write_text(text, encoding="utf-8")
    put(copy, report([DAY, DAY], 10, 1440, ("a machine",)), BEGIN, END)
    written = copy.read_text(encoding="utf-8")
    assert "| a day, 10 MB | every 10 s, latest.db.gz at shutdown only |" in written
    assert "| bytes in incrementals | 260.5 MB | 260.5 MB |" in written
    assert "| written in all, catalog and indexes included | – | – |" in written
    assert written.partition(BEGIN)[0] == text.partition(BEGIN)[0]
