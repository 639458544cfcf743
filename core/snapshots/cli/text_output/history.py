"""The text of ``look``, ``history``, ``diff``, ``find-change`` and ``query``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from ...models import NOW, Change, ChangePoint, Diff, DiffMethod, FindChange, Look, QueryResult, RowHistory, TableDiff
from ...units import count_text, duration_text
from .layout import BAD, GOOD, QUIET, SHOWN, WARNING, Shown, clock, first, moment, more, plain, sentence, table

__all__ = ["diff_output", "find_change_output", "history_output", "look_output", "query_output", "value_text"]

_LONGEST = 60
_REBUILT = "What was read had to be rebuilt first."
_QUICKER = " With the package apsw installed this takes milliseconds."
_UNLOADED = " The package apsw is installed, but it cannot be loaded; with it this takes milliseconds."
_NUMBERS = ("rowid", "_rowid_", "oid")
Row = dict[str, Any]


def value_text(value: Any) -> str:
    """Return a value as a person reads it, cut to what fits into a table."""
    if value is None:
        return "NULL"
    if isinstance(value, dict):
        text = f"x'{value['blob']}'" if "blob" in value else str(value.get("real"))
    else:
        text = str(value)
    return plain(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")


def look_output(look: Look, now: dt.datetime) -> Shown:
    """Show the rows of a key or a player."""
    shown: list[Any] = [sentence(f"At {_name(look.at)}, {moment(look.time, now)}:")]
    for name, rows in look.tables.items():
        shown.append(sentence(f"{name}: {count_text(len(rows), 'row')}", "bold"))
        if rows:
            shown += _rows_table(rows)
    shown += [sentence(f"{note} See look --player ID.", QUIET) for note in look.notes]
    if look.player is not None:
        player = f"{look.player.table}.{look.player.column}"
        shown.append(sentence(f"The player is {player}: {look.player.why}.", QUIET))
    return (*shown, *_how(look.by))


def history_output(history: RowHistory, whose: str = "") -> Shown:
    """Show the changes of a row, or of all rows of a player (``whose``), oldest first."""
    key = ", ".join(f"{name} {value_text(value)}" for name, value in history.key.items())
    of = f"with {key}" if key else f"of {whose}"
    if not history.changes:
        shown: Shown = (sentence(f"{history.table} never had a row {of}.", WARNING),)
        if not history.key.keys().isdisjoint(_NUMBERS):
            told = f"It has no key, so its rows are told by their number: see history {history.table} --player ID."
            shown = (*shown, sentence(told))
    else:
        grid = table("when", "snapshot", "event", "what")
        for change in history.changes:
            grid.add_row(clock(change.at), change.snapshot, plain(first(change.reasons, 1)), _change_text(change))
        shown = (sentence(f"{history.table} {of}, from the oldest snapshot to now:"), grid)
    read = f"{count_text(history.points, 'point')} in time; {history.read} could have changed the row and were read."
    return (
        *shown,
        *_damaged(history.skipped),
        sentence(read, QUIET),
        *_how(history.by),
    )


def _change_text(change: Change) -> str:
    if change.before is None:
        how = "is there already" if change.since is None else "added"
        return f"{how}: {_row_text(change.after or {})}"
    if change.after is None:
        return f"gone; it was {_row_text(change.before)}"
    before, after = change.before, change.after
    return ", ".join(
        f"{plain(name)} {value_text(before[name])} → {value_text(after[name])}"
        for name in before
        if name in after and before[name] != after[name]
    )


def _row_text(row: Row) -> str:
    return ", ".join(f"{plain(name)} {value_text(value)}" for name, value in row.items())


def diff_output(diff: Diff, *, rows: bool) -> Shown:
    """Show what differs by table, and the rows if they were asked for."""
    how = "by the pages that differ" if diff.by is DiffMethod.PAGES else "by comparing all rows"
    title = f"From {_name(diff.since)} to {_name(diff.until)}, found {how} in {duration_text(diff.seconds)}:"
    if not diff.tables:
        return sentence(title), sentence("No row differs.", GOOD)
    grid = table("table", "added>", "removed>", "changed>", "columns")
    for name, each in diff.tables.items():
        columns = [f"+{column}" for column in each.columns_added] + [f"-{column}" for column in each.columns_removed]
        grid.add_row(plain(name), f"{each.added:,}", f"{each.removed:,}", f"{each.changed:,}", plain(" ".join(columns)))
    shown: list[Any] = [sentence(title), grid]
    for name, each in diff.tables.items() if rows else ():
        shown += _differing_rows(name, each)
    return tuple(shown)


def _differing_rows(name: str, each: TableDiff) -> list[Any]:
    shown: list[Any] = []
    for what, count, found in (("added", each.added, each.rows_added), ("removed", each.removed, each.rows_removed)):
        if found:
            shown.append(sentence(f"{name}, {what}:", "bold"))
            shown += _rows_table(found, count)
    if each.rows_changed:
        shown.append(sentence(f"{name}, changed:", "bold"))
        for before, after in each.rows_changed:
            names = [column for column in before if before[column] != after.get(column)]
            kept = {column: value for column, value in before.items() if column not in names}
            what = ", ".join(f"{plain(c)} {value_text(before[c])} → {value_text(after.get(c))}" for c in names)
            shown.append(sentence(f"  {_row_text(dict(list(kept.items())[:3]))}: {what}"))
        shown += more(each.changed - len(each.rows_changed))
    return shown


def find_change_output(found: FindChange, now: dt.datetime) -> Shown:
    """Show the first moment at which a condition holds."""
    looked = (
        sentence(f"{found.read} of {count_text(found.points, 'point')} in time asked ({found.by}).", QUIET),
        *_damaged(found.skipped),
    )
    if found.first is None:
        return sentence(f"It never holds: {found.condition}", WARNING), *looked
    lines = [sentence(f"It holds first at {_point_text(found.first, now)}.", GOOD)]
    if found.before is not None:
        lines.append(sentence(f"The last point before it is {_point_text(found.before, now)}."))
    return (*lines, *looked)


def _damaged(skipped: Sequence[str]) -> Shown:
    return (sentence(f"Damaged, so not read: {first(skipped, 5)}.", BAD),) if skipped else ()


def _point_text(point: ChangePoint, now: dt.datetime) -> str:
    reasons = f", {first(point.reasons, 3)}" if point.reasons else ""
    return f"{_name(point.snapshot)} of {moment(point.at, now)}{reasons}"


def query_output(result: QueryResult, *, server: bool = False) -> Shown:
    """Show the rows of a query; ``server`` says that it was asked of a server, which APSW makes no quicker."""
    if not result.columns:
        return (sentence("No row."),)
    grid = table(*(plain(name) for name in result.columns))
    for row in result.rows:
        grid.add_row(*map(value_text, row))
    note = "There are more rows; ask with a LIMIT and an OFFSET." if result.truncated else ""
    counted = sentence(f"{count_text(len(result.rows), 'row')} at {_name(result.at)}. {note}".strip(), QUIET)
    return (grid, counted, *_how(result.by, server=server))


def _name(at: str) -> str:
    return "now" if at == NOW else f"snapshot {at}"


def _how(by: str, *, server: bool = False) -> Shown:
    if by != "rebuild":
        return ()
    hint = "" if server else _UNLOADED if find_spec("apsw") else _QUICKER
    return (sentence(_REBUILT + hint, QUIET),)


def _rows_table(rows: Sequence[Row], count: int | None = None) -> list[Any]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    grid = table(*map(plain, names))
    for row in rows[:SHOWN]:
        grid.add_row(*(value_text(row.get(name)) for name in names))
    hidden = (len(rows) if count is None else count) - min(len(rows), SHOWN)
    where = "; --json has them all" if count is None else ""
    return [grid, sentence(f"{hidden:,} more{where}", QUIET)] if hidden > 0 else [grid]
