"""The building blocks of the shell's text: sentences, tables, times, and the limits of long lists.

Players write parts of reasons and notes. So no data is read as markup, and whatever a terminal would obey (escapes,
carriage returns, changes of the direction of writing) is written as an escape sequence.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ...units import duration_text, printable
from .sizes import SHOWN

__all__ = [
    "BAD",
    "GOOD",
    "QUIET",
    "SHOWN",
    "WARNING",
    "Grid",
    "Shown",
    "ago",
    "clock",
    "facts",
    "first",
    "moment",
    "more",
    "plain",
    "sentence",
    "table",
]

_UNLIMITED = 100_000
_LAST_COLUMN = 20
"""How wide the last column of a table, which may take several lines, must at least be able to be."""

Shown = tuple[RenderableType, ...]
"""What one command shows, from top to bottom."""

GOOD, BAD, WARNING, QUIET = "green", "bold red", "yellow", "dim"
"""Styles."""


def plain(text: str) -> str:
    """Return a text with nothing in it that a terminal would obey."""
    return printable(text)


def sentence(text: str, style: str = "") -> Text:
    """Return a line of text."""
    return Text(plain(text), style=style)


def ago(at: dt.datetime, now: dt.datetime) -> str:
    """Return how long ago a moment was, or in how long it will be."""
    seconds = (now - at).total_seconds()
    if abs(seconds) < 1:
        return "just now"
    return f"{duration_text(seconds)} ago" if seconds > 0 else f"in {duration_text(-seconds)}"


def clock(at: dt.datetime) -> str:
    """Return a moment as date and time of this machine."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def moment(at: dt.datetime, now: dt.datetime) -> str:
    """Return a moment as date and time of this machine, and how long ago that was."""
    return f"{clock(at)} ({ago(at, now)})"


class Grid(Table):
    """A table that becomes a sentence for each row where it is wider than the terminal. Nothing is ever cut off."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table if its columns have room, of the last one as much as can be read; else the sentences."""
        if self._width(console, options) <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        names = [str(column.header) for column in self.columns]
        for row in zip(*(column.cells for column in self.columns), strict=True):
            cells = [
                (name, cell if isinstance(cell, Text) else Text(str(cell)))
                for name, cell in zip(names, row, strict=True)
            ]
            yield Text(", ").join(Text.assemble((f"{name} ", "bold"), cell) for name, cell in cells if cell.plain)

    def _width(self, console: Console, options: ConsoleOptions) -> int:
        """Return how many cells the table needs."""
        free = options.update(width=_UNLIMITED)
        widths = [
            max(Measurement.get(console, free, cell).maximum for cell in (column.header, *column.cells))
            for column in self.columns
        ]
        gaps = 2 * (len(widths) - 1)
        return sum(widths[:-1]) + min(widths[-1], _LAST_COLUMN) + gaps if widths else 0


def table(*columns: str) -> Grid:
    """Return an empty table. A column whose name ends with ">" is right-aligned; the last one gets the free width."""
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns[:-1]:
        grid.add_column(name.rstrip(">"), justify="right" if name.endswith(">") else "left", no_wrap=True)
    grid.add_column(columns[-1].rstrip(">"), overflow="fold")
    return grid


def facts(pairs: Iterable[tuple[str, str | Text]]) -> Table:
    """Return a table of names and values."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(name, value if isinstance(value, Text) else sentence(value))
    return grid


def first(values: Sequence[str], limit: int) -> str:
    """Return the first values, separated by commas, and how many more there are."""
    rest = len(values) - limit
    return ", ".join(values[:limit]) + (f" and {rest:,} more" if rest > 0 else "")


def more(hidden: int) -> Shown:
    """Return the hint at the rows that a table leaves out, if any."""
    return (sentence(f"{hidden:,} more, use --all", QUIET),) if hidden > 0 else ()
