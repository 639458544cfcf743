"""The benchmark of the past judges what it measured, and its tables have a place in the README."""

from __future__ import annotations

from pathlib import Path

from benchmarks.history.__main__ import BEGIN, END, goals, report
from benchmarks.history.figure import Figure
from benchmarks.table import README, put

FIGURES = [
    Figure("diff of neighbours", 0.2, 0.1, 50, 0.3),
    Figure("diff of two points 20 apart", 2.5, 1.0, 90, 2.0),
    Figure("two rebuilds and sqldiff --summary (beside)", 30.0, 0, 0, None),
    Figure("another tool: a look (beside)", 6.0, 1.0, 500, None),
]


def test_each_goal_is_judged_by_what_was_measured() -> None:
    """Times, the factor beside a rebuild, and the memory."""
    assert [(goal.work, goal.met) for goal in goals(FIGURES, 1000)] == [
        ("diff of neighbours", True),
        ("diff of two points 20 apart", False),
        ("diff of two points 20 apart, times as fast as two rebuilds and sqldiff", True),
        ("memory at most", True),
    ]


def test_the_tables_go_between_their_markers(tmp_path: Path) -> None:
    """The README has them once, and what stands around them stays."""
    copy = tmp_path / "README.md"
    copy.write_text(README.read_text(encoding="utf-8"), encoding="utf-8")
    put(copy, report(FIGURES, 1000, ("a machine",)), BEGIN, END)
    assert "| diff of neighbours | 200 ms | 100 ms | 50 MiB |" in copy.read_text(encoding="utf-8")
    assert (
        copy.read_text(encoding="utf-8").partition(BEGIN)[0] == README.read_text(encoding="utf-8").partition(BEGIN)[0]
    )
