"""Tables at a terminal of any width: nothing of a row is lost."""

from __future__ import annotations

import datetime as dt
import io
import sys
import time

import pytest
from rich.console import Console

from core.snapshots.cli.invocation import Invocation, in_local_time
from core.snapshots.cli.text_output.layout import sentence, table


def shown(width: int) -> str:
    """Return a table at a terminal of some width, in one line."""
    grid = table("when", "who>", "what")
    grid.add_row("2026-11-28 15:30:55 UTC (35m 34s ago)", "root by shell", sentence("rescue, all of it done"))
    grid.add_row("2026-11-28 15:30:56 UTC (35m 33s ago)", "", "nothing")
    console = Console(file=io.StringIO(), width=width)
    console.print(grid)
    assert isinstance(console.file, io.StringIO)
    return " ".join(console.file.getvalue().split())


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_a_table_that_is_too_wide_becomes_a_sentence_for_each_row(width: int) -> None:
    """Before, the last columns of it were cut off: of a history what had changed, of the audit log the outcome."""
    text = shown(width)
    for part in ("35m 34s ago)", "root by shell", "rescue, all of it done", "35m 33s ago)", "nothing"):
        assert part in text
    assert text.startswith("when who what" if width >= 80 else "when 2026-11-28 15:30:55 UTC (35m 34s ago), who root")


def test_nobody_at_the_other_end_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python has no standard output where whoever started it closed that: ``list >&-``."""
    monkeypatch.setattr(sys, "stdout", None)
    Invocation().write("a line")


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="only POSIX can change the zone of a running process")
@pytest.mark.parametrize(
    ("written", "hour"),
    [("2025-11-02 01:30", 6), ("2025-03-09 02:30", 7), ("2025-07-01 02:30", 6), ("2025-12-01 02:30", 7)],
)
def test_a_time_that_a_clock_showed_twice_or_never(written: str, hour: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice: the last one that is over, as in Discord. Never: as if the clock had not been put forward."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        moment = in_local_time(dt.datetime.fromisoformat(written)).astimezone(dt.UTC)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (moment.hour, moment.minute) == (hour, 30)
