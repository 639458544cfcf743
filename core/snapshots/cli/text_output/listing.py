"""The text of ``list``: one line a snapshot, whatever the width of the terminal. Quick, so without rich's tables.

The first column is the whole id, because people copy it. Then come the marks, the local time, and the age; the kind
and the size where there is room; and as much of the reasons as fits.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

import click
from rich.cells import cell_len, set_cell_size

from ...models import Form, Snapshot, Verdict
from ...units import printable, size_text
from ..where import where_it_looked

__all__ = ["is_terminal", "legend", "nothing_output", "plain_rows", "rows"]

_COLUMNS = ("id", "taken", "kind", "form", "size", "health", "pinned", "reasons")
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_WITH_KIND, _WITH_SIZE = 60, 72
"""The widths from which there is room for another column."""
_ID, _MARKS, _TIME, _AGE, _KIND, _SIZE = 12, 3, 11, 4, 8, 9
_LEGEND = {
    "F": "full",
    "i": "incremental",
    "P": "pinned",
    "!": "damaged or unreadable",
    "?": "something found, see show",
}
_QUESTIONABLE = (Verdict.SUSPICIOUS, Verdict.INCONSISTENT)


def is_terminal(stream: TextIO | None) -> bool:
    """Return True if somebody sits at the other end of a stream."""
    return stream is not None and stream.isatty()


def plain_rows(snapshots: Iterable[Snapshot]) -> Iterator[str]:
    """Yield a heading and a line for each snapshot, for other programs: tabs between columns, and nothing cut."""
    yield "\t".join(_COLUMNS)
    local = _Local()
    for snapshot in snapshots:
        yield "\t".join(
            (
                snapshot.id,
                local.time(snapshot.began_at).isoformat(timespec="seconds"),
                snapshot.kind,
                snapshot.form,
                str(snapshot.size),
                health_word(snapshot),
                "(pinned)" if snapshot.pinned else "",
                printable(", ".join(snapshot.reasons)),
            )
        )


def rows(snapshots: Sequence[Snapshot], now: dt.datetime, width: int) -> Iterator[str]:
    """Yield a heading and a line for each snapshot, none of them longer than a terminal is wide."""
    local = _Local()
    this_year = local.time(now).year
    yield _bold(_line("id", "", "taken", "age", "kind", "size", "reasons", width))
    for snapshot in snapshots:
        taken = local.time(snapshot.began_at)
        line = _line(
            snapshot.id,
            "".join(_marks(snapshot)),
            f"{taken:%m-%d %H:%M}" if taken.year == this_year else f"{taken:%Y-%m-%d}",
            age(snapshot.began_at, now),
            snapshot.kind,
            size_text(snapshot.size),
            printable(", ".join(snapshot.reasons)),
            width,
        )
        yield _red(line) if "!" in _marks(snapshot) else line


def legend(snapshots: Iterable[Snapshot]) -> list[str]:
    """Return the line that explains the marks in a list, as a list of none or one."""
    there = {mark for snapshot in snapshots for mark in _marks(snapshot)}
    said = ", ".join(f"{mark} {meaning}" for mark, meaning in _LEGEND.items() if mark in there)
    return [_dim(said)] if said else []


def nothing_output(kind: str | None, repository: Path, settings_file: Path | None) -> str:
    """Return that a list is empty, which folder that is, and why: it may not be the one that was meant."""
    what = f"No {kind} snapshots" if kind is not None else "No snapshots"
    return printable(f"{what} in {where_it_looked(repository, settings_file)}.")


def health_word(snapshot: Snapshot) -> str:
    """Return a word for what is known of a snapshot and of the state in it."""
    if snapshot.damaged:
        return "DAMAGED"
    return "unchecked" if snapshot.health is None else str(snapshot.health.verdict)


def age(at: dt.datetime, now: dt.datetime) -> str:
    """Return how old something is, in one unit: "3h". Something of the future, by a wrong clock, is "0s" old."""
    seconds = max(0, int((now - at).total_seconds()))
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return "0s"


class _Local:
    """Converts moments into this machine's time; the zone of an hour is asked for once, since thousands share it."""

    def __init__(self) -> None:
        self._zones: dict[int, dt.tzinfo | None] = {}

    def time(self, at: dt.datetime) -> dt.datetime:
        quarter = int(at.timestamp()) // 900
        if quarter not in self._zones:
            self._zones[quarter] = at.astimezone().tzinfo
        return at.astimezone(self._zones[quarter])


def _marks(snapshot: Snapshot) -> tuple[str, str, str]:
    verdict = None if snapshot.health is None else snapshot.health.verdict
    bad = snapshot.damaged or verdict is Verdict.UNREADABLE
    return (
        "F" if snapshot.form is Form.FULL else "i",
        "P" if snapshot.pinned else " ",
        "!" if bad else "?" if verdict in _QUESTIONABLE else " ",
    )


def _line(name: str, marks: str, taken: str, old: str, kind: str, size: str, reasons: str, width: int) -> str:
    """Return a line of at most ``width`` cells; the reasons get what the other columns leave."""
    parts = [f"{name:{_ID}}", f"{marks:{_MARKS}}", f"{taken:{_TIME}}", f"{old:>{_AGE}}"]
    if width >= _WITH_KIND:
        parts.append(f"{kind:{_KIND}}")
    if width >= _WITH_SIZE:
        parts.append(f"{size:>{_SIZE}}")
    line = " ".join(parts)
    room = width - len(line) - 1
    if cell_len(reasons) > room:
        reasons = set_cell_size(reasons, max(0, room - 1)) + "…" if room > 0 else ""
    return f"{line} {reasons}".rstrip()


def _bold(text: str) -> str:
    return click.style(text, bold=True) if _is_coloured() else text


def _dim(text: str) -> str:
    return click.style(text, dim=True) if _is_coloured() else text


def _red(text: str) -> str:
    return click.style(text, fg="red", bold=True) if _is_coloured() else text


def _is_coloured() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
