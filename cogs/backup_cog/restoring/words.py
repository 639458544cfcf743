"""What the preview and the outcome of a restore both say. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..core_api import Lost, Method
from ..formatting import listing, plain
from ..language import number_text, phrase, text

__all__ = ["METHODS", "events_text", "kept_beside", "rows_text"]

METHODS = {
    Method.ONLINE: phrase("through the running database; the game can stay connected"),
    Method.SWAP: phrase("by replacing the file; the files that are there now are kept in quarantine"),
    Method.EXCHANGE: phrase("beside the database, then in its place; the game reconnects once, the old one is kept"),
}
"""How the database is replaced; ``text`` translates it."""
_ROWS_LIMIT = 900
_EVENTS_LIMIT = 750


def kept_beside(method: Method) -> str:
    """Return where a database is kept that cannot be opened."""
    if method is Method.EXCHANGE:
        return text("What is there now cannot be opened, so it is kept on the server instead of a safety snapshot.")
    return text("What is there now cannot be opened, so it is kept in quarantine instead of a safety snapshot.")


def rows_text(lost: Lost, *, readable: bool) -> str:
    """Return the counted rows then and now, of every table that was counted."""
    absent, gone = text("no table"), text("no table") if readable else text("unreadable")
    lines = [
        f"{plain(table)}: {_count(then, absent)} → {_count(now, gone)}" for table, (then, now) in lost.rows.items()
    ]
    if not lines:
        return text("were not counted in this snapshot")
    return f"{listing(lines, _ROWS_LIMIT)}\n{text('Rows are counted; changed rows are not seen.')}"


def _count(rows: int | None, otherwise: str) -> str:
    return otherwise if rows is None else number_text(rows)


def events_text(lost: Lost, shown: Sequence[str]) -> str:
    """Return how many events were recorded after a snapshot, and the lines for those that are shown."""
    if not lost.event_count:
        return text("none recorded")
    count = text("{count} recorded", count=number_text(lost.event_count))
    return f"{count}\n{listing(shown, _EVENTS_LIMIT)}"
