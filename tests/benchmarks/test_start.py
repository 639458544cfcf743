"""The benchmark of starting says what is measured, and its table has a place in the README."""

from __future__ import annotations

from pathlib import Path

from benchmarks.start import BEGIN, END, shown, works
from benchmarks.table import README, put


def test_the_table_judges_what_has_a_goal_and_goes_between_its_markers(tmp_path: Path) -> None:
    """Help and a list of a hundred have one; the README has the table once, and what stands around it stays."""
    measured = [(work, 0.1 if work.has_goal else 0.5) for work in works(tmp_path)]
    text = shown(measured)
    assert text.count("met") == 2
    assert "MISSED" not in text
    assert shown([(work, 0.2) for work, _ in measured]).count("MISSED") == 2
    copy = tmp_path / "README.md"
    copy.write_text(README.read_text(encoding="utf-8"), encoding="utf-8")
    put(copy, text, BEGIN, END)
    assert text in copy.read_text(encoding="utf-8")
