"""The goals are judged, and the tables written, as the benchmarks' README says."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.goal import Goal
from benchmarks.sqlite.goals import goals
from benchmarks.sqlite.report import report
from benchmarks.sqlite.results import BACKUP_GZIP, Impact, Run, SizeFigures, Work
from benchmarks.subject import SAVEPOINT
from benchmarks.table import BEGIN, END, put, table


def goal(*measured: float, limit: float = 10, at_least: bool = False) -> Goal:
    """Return a goal for any size, measured at sizes 1, 2 and so on."""
    values = dict(enumerate(measured, 1))
    return Goal(work="work", limit=limit, unit="s", measured=values, at=None, at_least=at_least)


def test_a_goal_is_judged_by_the_worst_size_and_says_by_how_much_it_is_missed() -> None:
    """The limit itself is met; for what should be large, the smallest is the worst."""
    assert goal(3, 10).verdict == "met"
    assert goal(3, 12.5).verdict == "**missed** by 2.50 s (1.25 of the goal)"
    assert goal(30, 10, at_least=True).verdict == "met"
    assert goal(30, 5, at_least=True).verdict == "**missed** by 5 s (0.50 of the goal)"
    assert goal().verdict == "not measured"


def run_of(seconds: float, others: float) -> Run:
    """Return a run: the seconds of Savepoint and of a peer for a repeat snapshot of 1,000 MB."""
    works = (Work("repeat", SAVEPOINT, seconds, 300_000), Work("repeat", BACKUP_GZIP, others, 300_000_000))
    impacts = (Impact("nothing", False, 1.0, 1.0, 2.0, 100, 0), Impact("work", True, 12.0, 1.0, 3.5, 100, 0))
    return Run(machine=("a machine",), rounds=3, sizes=(SizeFigures(1000, works, impacts),), seconds=60.0)


def test_the_goals_hold_a_run_against_the_peers_and_against_idle() -> None:
    """A factor is theirs over ours, the writer's p99 is what comes on top of idle, and no memory seen is no memory."""
    verdicts = {each.work: each.verdict for each in goals(run_of(0.2, 16.0))}
    assert verdicts["repeat snapshot, published and verified"] == "met"
    assert verdicts["repeat: faster than backup + gzip -6"] == "met"
    assert verdicts["repeat: faster than restic with its feed"] == "not measured"
    assert verdicts["longest stall of the bot's event loop"] == "**missed** by 2 ms (1.20 of the goal)"
    assert verdicts["a writer's commit p99 over idle, WAL"] == "met"
    assert verdicts["worker's peak memory"] == "not measured"
    slower = {each.work: each.met for each in goals(run_of(0.3, 16.0))}
    assert slower["repeat snapshot, published and verified"] is False
    assert slower["repeat: faster than backup + gzip -6"] is False


def test_a_report_is_put_between_the_markers_and_nothing_else_is_touched(tmp_path: Path) -> None:
    """Writing twice leaves the tables of the second run only; a file without the markers is refused."""
    path = tmp_path / "README.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for others in (16.0, 18.0):
        put(path, report(run_of(0.2, others)))
    text = path.read_text()
    assert text.startswith(f"before\n{BEGIN}\n\n### Machine\n\n- a machine\n")
    assert text.endswith(f"|\n\n{END}\nafter\n")
    assert text.count("### Machine") == 1
    assert "| repeat: faster than backup + gzip -6 | ≥ 60 ×, 1,000 MB | 90 × | met |" in text
    assert "| Savepoint |  | 200 ms, 0.30 MB |  |  |" in text
    assert "| backup + gzip -6 |  | 18.00 s, 300.00 MB | 90.0 × the time, 1000.0 × the bytes |  |" in text
    path.write_text("no markers")
    with pytest.raises(ValueError, match="once each"):
        put(path, "text")


def test_a_table_has_as_many_cells_in_every_row_and_no_cell_breaks_it() -> None:
    """A bar in a cell is written as Markdown wants it."""
    assert table(("a", "b"), [("1", "x|y")]) == "| a | b |\n| --- | --- |\n| 1 | x\\|y |"
    with pytest.raises(ValueError, match="cells"):
        table(("a", "b"), [("1",)])
