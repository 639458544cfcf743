"""The answers about one player. Pure.

Rows are the game's, and players write parts of them: all of it is shown as plain text. What does not fit into an embed
is in the attached report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ..core_api import (
    Change,
    Look,
    RescueConflict,
    RescuePlan,
    RescueReport,
    RowHistory,
    count_text,
    duration_text,
)
from ..embeds import AMBER, GREEN, when
from ..formatting import Reply, embed, listing, plain, report_text

__all__ = ["cancelled", "looked", "rescue_preview", "rescued", "rescuing", "timed_out", "timeline", "undone"]

_NOTHING = "–"
_LINES_LIMIT = 2000
_CONFLICTS_LIMIT = 900
_VALUE_LIMIT = 40
_REPORT_FROM = 10
"""Answers with more lines have a report attached."""

Row = dict[str, Any]


def looked(name: str, at: str, then: Look | None, now: Look | None) -> Reply:
    """Show what a player had at a moment beside what he has now (None: no row): counts by table, and what differs."""
    lines, report = [], []
    had, has = then.tables if then else {}, now.tables if now else {}
    for table in dict.fromkeys([*had, *has]):
        before, after = had.get(table, []), has.get(table, [])
        gone, new = _only_in_first(before, after), _only_in_first(after, before)
        differ = f" (gone or changed {len(gone)}, new or changed {len(new)})" if gone or new else ""
        lines.append(f"**{plain(table)}** then {len(before)} · now {len(after)}{differ}")
        lines += [f"− {_row_text(row)}" for row in gone]
        lines += [f"+ {_row_text(row)}" for row in new]
        report += [f"{table} then:", *map(repr, before), f"{table} now:", *map(repr, after)]
    moment = f"at snapshot `{then.at}` of {when(then.time)}" if then else f"no row of him at {plain(at)}"
    text = f"Then: {moment}. Now: {'as below' if now else 'no row of him'}.\n\n{listing(lines, _LINES_LIMIT)}"
    shown = embed(f"What {plain(name)} has", text, footer=_who(then or now))
    return Reply(shown, report_text(report) if len(lines) > _REPORT_FROM else None)


def _only_in_first(first: Sequence[Row], second: Sequence[Row]) -> list[Row]:
    left = Counter(map(repr, second))
    found = []
    for row in first:
        if left[repr(row)]:
            left[repr(row)] -= 1
        else:
            found.append(row)
    return found


def _row_text(row: Row) -> str:
    return ", ".join(f"{plain(column)} {_value(value)}" for column, value in row.items())


def _value(value: Any) -> str:
    return _NOTHING if value is None else plain(str(value), _VALUE_LIMIT)


def _who(look: Look | None) -> str:
    found = look.player if look else None
    return "" if found is None else f"The player is {found.table}.{found.column}: {found.why}"


def timeline(name: str, history: RowHistory) -> Reply:
    """Show each change of a player's own row, newest first."""
    changes = list(reversed(history.changes))
    text = listing([_change(each) for each in changes], _LINES_LIMIT) if changes else "Nothing is known of this player."
    footer = f"The row of {history.table}, in {count_text(history.points, 'snapshot')}; newest first"
    full = [f"{each.at:%Y-%m-%d %H:%M:%S} UTC {each.snapshot} {each.before} → {each.after}" for each in changes]
    return Reply(
        embed(f"History of {plain(name)}", text, footer=footer), report_text(full) if len(full) > _REPORT_FROM else None
    )


def _change(change: Change) -> str:
    where = "now" if change.snapshot == "now" else f"`{change.snapshot}`"
    why = f" ({plain(', '.join(change.reasons), 80)})" if change.reasons else ""
    return f"{when(change.at)} {where}{why}: {_difference(change.before, change.after)}"


def _difference(before: Row | None, after: Row | None) -> str:
    if after is None:
        return "**gone**"
    if before is None:
        return f"**first seen**, {_row_text(after)}"
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return ", ".join(f"{plain(name)} {_value(before.get(name))} → {_value(after.get(name))}" for name in changed)


def rescue_preview(name: str, plan: RescuePlan) -> Reply:
    """Show what putting a player's rows back would do."""
    text = f"Rows of **{plain(name)}** become what they were at snapshot `{plan.then}` of {when(plan.at)}. "
    text += "Nobody else's rows change." if plan.writes else "**There is nothing to put back.**"
    lines = [
        f"{plain(table)}: {each.put_back} put back, {each.changed} changed, {each.removed} removed, "
        f"{each.conflicts} in conflict"
        for table, each in plan.tables.items()
    ]
    fields = [("By table", listing(lines, _CONFLICTS_LIMIT) if lines else _NOTHING)]
    if plan.conflicts:
        fields.append(("Conflicts", listing([_conflict(each) for each in plan.conflicts], _CONFLICTS_LIMIT)))
    if plan.left_out:
        fields.append(("Not put back", _sentences(plan.left_out)))
    if plan.notes:
        fields.append(("To know", _sentences(plan.notes)))
    return Reply(embed("Put these rows back?", text, fields=fields, footer="Nothing has been done yet.", colour=AMBER))


def _conflict(conflict: RescueConflict) -> str:
    done = "taken all the same" if conflict.taken else "left as it is"
    holder = f" (held by {_value(conflict.holder)})" if conflict.holder else ""
    return f"{plain(conflict.table)} {_row_text(conflict.key)}: {plain(conflict.why, 200)}{holder}; {done}"


def _sentences(texts: Iterable[str]) -> str:
    return listing([plain(text, 300) for text in texts], _CONFLICTS_LIMIT)


def rescuing(name: str) -> Reply:
    """Return what is shown while a rescue is under way."""
    return Reply(embed("Putting rows back", f"A snapshot of the present first, then the rows of {plain(name)}."))


def rescued(name: str, report: RescueReport) -> Reply:
    """Show what a rescue did."""
    rows = count_text(report.plan.writes, "row")
    if not report.done:
        return Reply(embed("Nothing was changed", plain(report.error or "There was nothing to put back.", 500)))
    text = f"{rows} of **{plain(name)}** written in {duration_text(report.seconds)}. Nobody else's rows changed."
    if report.error:
        text += f"\n{plain(report.error, 500)}"
    fields = [
        ("Before it", f"`{report.safety}`"),
        ("After it", f"`{report.snapshot}`" if report.snapshot else _NOTHING),
    ]
    return Reply(
        embed("The rows are back", text, fields=fields, footer="Undo takes exactly these rows back.", colour=GREEN)
    )


def undone(report: RescueReport) -> Reply:
    """Show what taking a rescue back did."""
    if not report.done:
        return Reply(embed("Nothing was changed", plain(report.error or "There was nothing to take back.", 500)))
    left = len(report.plan.conflicts)
    text = f"{count_text(report.plan.writes, 'row')} of the rescue taken back."
    if left:
        text += f" {count_text(left, 'row')} changed since and stay as they are."
    return Reply(embed("The rescue is undone", text, colour=GREEN))


def cancelled() -> Reply:
    """Return the answer to Cancel."""
    return Reply(embed("Cancelled", "Nothing was changed."))


def timed_out(seconds: float) -> Reply:
    """Return what is shown if nobody confirmed."""
    waited = duration_text(seconds)
    return Reply(embed("Nothing was changed", f"Nobody confirmed within {waited}. Ask again if it is still wanted."))
