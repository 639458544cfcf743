"""What the shell shows to people of a restore: what it would do, before they agree, and what it did."""

from __future__ import annotations

import datetime as dt

from rich.table import Table
from rich.text import Text

from .console_output import Shown, facts, moment, sentence, table
from .models import Lost, Method, RestorePlan, RestoreReport
from .units import duration_text

__all__ = ["plan_output", "restored_output"]

_EVENTS = 10
_GOOD, _BAD, _WARNING = "green", "bold red", "yellow"


def plan_output(plan: RestorePlan, now: dt.datetime) -> Shown:
    """Show what a restore would do now."""
    snapshot = plan.snapshot
    pairs: list[tuple[str, str | Text]] = [
        ("snapshot", f"{snapshot.id}, {snapshot.kind}, {moment(snapshot.created_at, now)}"),
        ("reasons", Text("\n").join(sentence(reason) for reason in snapshot.reasons[:_EVENTS])),
        ("lost", sentence(f"everything written in the last {duration_text(plan.age)}", _WARNING)),
        ("events lost", _events(plan.lost)),
        ("how", _how(plan)),
        ("before that", _safety(plan)),
    ]
    if snapshot.damaged:
        pairs.insert(1, ("warning", sentence("this snapshot failed its last verification", _BAD)))
    return facts(pairs), Text(), _rows(plan.lost)


def restored_output(report: RestoreReport) -> Shown:
    """Show what a restore did, and the way back from it."""
    snapshot, lost = report.restored, report.lost
    lines: list[Text] = []
    if report.ok:
        lines.append(sentence(f"Restored snapshot {snapshot.id} in {duration_text(report.seconds)}.", _GOOD))
    else:
        lines.append(sentence(f"Snapshot {snapshot.id} was not restored: {report.error}", _BAD))
    span = f"What was written in the {duration_text(lost.seconds)} after it is gone from the database"
    lines.append(sentence(f"{span}; events: {_events(lost)}."))
    if report.safety is not None:
        lines.append(sentence(f"The state before is safety snapshot {report.safety.id}; restoring it undoes this."))
    if report.quarantine is not None:
        what = "database that was there before is kept as"
        if report.method is not Method.EXCHANGE:
            what = "files that were there before are in"
        lines.append(sentence(f"The {what} {report.quarantine}."))
    if report.ok and report.identical is None:
        lines.append(sentence("Somebody wrote to it at once, so it was checked but not compared.", _WARNING))
    return *lines, Text(), _rows(lost)


def _events(lost: Lost) -> str:
    if not lost.event_count and not lost.events:
        return "none"
    rest = len(lost.events) - _EVENTS
    named = ", ".join(lost.events[:_EVENTS]) + (f" and {rest:,} more" if rest > 0 else "")
    return f"{lost.event_count:,}" + (f" ({named})" if named else "")


def _how(plan: RestorePlan) -> str:
    if plan.method is Method.ONLINE:
        return "through the engine, in one transaction; a bot that runs can keep running"
    if plan.method is Method.EXCHANGE:
        return "beside it, then in its place; every connection is cut once, and the old database is kept on the server"
    return "by exchanging the file; no process may have it open"


def _safety(plan: RestorePlan) -> str:
    if plan.database.openable:
        return "a safety snapshot of the present state is taken"
    if plan.database.exists and plan.method is Method.EXCHANGE:
        return f"the present database is kept on the server ({plan.database.problem or 'it cannot be opened'})"
    if plan.database.exists:
        return f"the present files are moved into quarantine ({plan.database.problem or 'they cannot be opened'})"
    return "nothing: there is no database now"


def _rows(lost: Lost) -> Table:
    grid = table("table", "rows then>", "rows now>", "difference>", "")
    for name, (then, now) in lost.rows.items():
        difference = "" if then is None or now is None else f"{then - now:+,}" if then != now else "0"
        grid.add_row(sentence(name), _count(then), _count(now), difference)
    return grid


def _count(rows: int | None) -> str:
    return "none" if rows is None else f"{rows:,}"
