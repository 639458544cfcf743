"""The PostgreSQL benchmark measures the database that it claims, and reports what it measured."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks.postgres.report import MARKERS, report
from benchmarks.postgres.rounds import DUMP_GZIP, LOAD_GZIP, REBUILD, RESTORE, SNAPSHOT, VERIFY, Figures, measure
from benchmarks.postgres.server import served
from benchmarks.subject import SAVEPOINT
from benchmarks.table import README, put

_MB = 1_000_000


def figures(own: float, gzip: float, rebuilt: float, loaded: float, *stalls: float) -> Figures:
    """Return what a run could have measured on 900 MB."""
    found = Figures(900 * _MB)
    for seconds, by in ((own, SAVEPOINT), (gzip, DUMP_GZIP)):
        found.add(SNAPSHOT, by, seconds, size=100 * _MB, stall=stalls[0] if by == SAVEPOINT else 99.0)
    for seconds, by in ((rebuilt, SAVEPOINT), (loaded, LOAD_GZIP)):
        found.add(REBUILD, by, seconds)
    for work, stall in zip((VERIFY, RESTORE), stalls[1:], strict=True):
        found.add(work, SAVEPOINT, rebuilt, stall=stall)
    return found


@pytest.mark.parametrize(
    ("measured", "verdicts"),
    [
        (figures(2.0, 9.0, 7.0, 9.2, 9.9, 1.0, 9.0), ["met", "met", "met", "met"]),
        (
            figures(2.0, 8.0, 8.0, 4.0, 11.0, 3.0, 12.0),
            ["**missed** by 0.50 ×", "**missed** by 1 ms", "**missed** by 2 ms", "**missed** by 0.80 ×"],
        ),
    ],
)
def test_the_goals_are_judged_by_what_was_measured(measured: Figures, verdicts: list[str]) -> None:
    """A goal that is missed says by how much."""
    lines = report(("a machine",), measured).splitlines()
    rows = [line for line in lines if "≥" in line or "≤" in line]
    assert len(rows) == len(verdicts)
    assert all(verdict in row for row, verdict in zip(rows, verdicts, strict=True))


def test_the_figures_are_medians_with_the_least_and_the_most() -> None:
    """One slow round does not decide."""
    found = figures(2.0, 9.0, 7.0, 7.0, 1.0, 1.0, 1.0)
    for seconds in (30.0, 2.5):
        found.add(SNAPSHOT, SAVEPOINT, seconds, size=100 * _MB)
    assert f"| {SNAPSHOT} | Savepoint | 2.50 | 2.00, 30.00 | 100.0 | 1.0 ms |" in report((), found)


def test_the_read_me_has_markers_for_the_tables(tmp_path: Path) -> None:
    """``--write`` finds its markers, and leaves those of SQLite alone."""
    copy = tmp_path / "README.md"
    copy.write_text(README.read_text(encoding="utf-8"), encoding="utf-8")
    put(copy, "| a table |", *MARKERS)
    put(copy, "| another |")
    text = copy.read_text(encoding="utf-8")
    assert text.count("| a table |") == text.count("| another |") == 1


@pytest.mark.server
def test_everything_is_measured_once_a_round(tmp_path: Path) -> None:
    """On a small database, with real programs: what is loaded is what was dumped, or it raises."""
    with served(9, None) as server:
        assert 9 * _MB <= server.size() < 12 * _MB
        found = asyncio.run(measure(server, tmp_path, 1, lambda _: None))
        assert [len(seen.seconds) for seen in found.works.values()] == [1] * 8
        assert all(seen.size for (work, _), seen in found.works.items() if work == SNAPSHOT)
        assert all(seen.stall > 0 for (work, by), seen in found.works.items() if (work, by) != (REBUILD, SAVEPOINT))
