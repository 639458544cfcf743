"""The table of the campaign: one row for each kind of fault, with what was tried and what failed."""

from __future__ import annotations

import datetime as dt
import os
import platform
import sqlite3
from collections.abc import Sequence
from pathlib import Path

__all__ = ["Row", "table_of", "write_into"]

_BEGIN, _END = "<!-- campaign -->\n", "<!-- end of campaign -->\n"


class Row:
    """One row of the table."""

    def __init__(self, name: str, possible: int | None = None) -> None:
        self.name, self.possible, self.tried = name, possible, 0
        self.problems: list[str] = []

    def count(self, where: str, problem: str | None) -> None:
        """Count one run."""
        self.tried += 1
        if problem is not None:
            self.problems.append(f"{where}: {problem}")
            print(f"    FAILED {self.name}, {where}: {problem}", flush=True)

    def line(self) -> str:
        """Return the row as the table has it."""
        of = "" if self.possible is None else f" of {self.possible:,}"
        failed = len(self.problems)
        return f"| {self.name} | {self.tried:,}{of} | {max(0, self.tried - failed):,} | {failed:,} |"


def table_of(rows: Sequence[Row], minutes: float) -> str:
    """Return the table, with the date and the machine above it, and what failed below it."""
    machine = f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    tried, failed = sum(row.tried for row in rows), sum(len(row.problems) for row in rows)
    head = (
        f"Run on {dt.datetime.now(dt.UTC):%Y-%m-%d} ({machine}, SQLite {sqlite3.sqlite_version}) for {minutes:.0f} "
        f"minutes: {tried:,} tried, {failed:,} failed.\n\n"
    )
    head += "| fault | tried | passed | failed |\n| --- | --- | --- | --- |\n"
    problems = [f"- {row.name}, {problem}" for row in rows for problem in row.problems[:20]]
    listed = "\n\nWhat failed:\n\n" + "\n".join(problems) if problems else ""
    return head + "\n".join(row.line() for row in rows) + listed + "\n"


def write_into(page: Path, table: str) -> None:
    """Replace the table that a page has."""
    before, _, rest = page.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before}{_BEGIN}{table}{_END}{after}")
