"""Markdown: tables, and a file into which they are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["BEGIN", "END", "README", "put", "table"]

README = Path(__file__).with_name("README.md")
"""The page that ``--write`` puts the tables into."""

BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table. Raise ValueError if a row and the head differ in their number of cells."""
    lines = [head, ["---"] * len(head), *rows]
    if any(len(cells) != len(head) for cells in lines):
        raise ValueError("a row has another number of cells than the head")
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |" for cells in lines)


def put(path: Path, text: str, begin: str = BEGIN, end: str = END) -> None:
    """Replace the text between two markers in a file. Raise ValueError unless each of them is there once."""
    content = path.read_text(encoding="utf-8")
    before, begins, rest = content.partition(begin)
    _, ends, after = rest.partition(end)
    if not begins or not ends or content.count(begin) + content.count(end) != 2:
        raise ValueError(f"{path.name} must have the lines {begin} and {end}, once each and in this order")
    path.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}", encoding="utf-8")
