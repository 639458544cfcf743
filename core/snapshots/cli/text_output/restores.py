"""The text of ``restore``: what it would do, before anybody agrees, and what it did."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from ...models import AuditLine, JournalEntry, Lost, Method, RestorePlan, RestoreReport
from ...repository.names import QUARANTINE
from ...units import count_text, duration_text
from .layout import BAD, GOOD, QUIET, WARNING, Shown, facts, first, moment, sentence, table
from .losses import loss_output, pause_text

__all__ = ["interrupted_sentence", "plan_output", "restored_output"]

_EVENTS = 10
"""How many events and reasons are named."""
_ROWS_ONLY = "Rows are counted; changed rows are not seen."
_METHODS = {
    Method.ONLINE: "through the engine, in one transaction; a bot that runs can keep running",
    Method.EXCHANGE: (
        "beside the database, then in its place; every connection is cut once, and the old database is kept on the "
        "server"
    ),
    Method.SWAP: "Stop the bot first: the file is replaced.",
}


def plan_output(plan: RestorePlan, now: dt.datetime) -> Shown:
    """Show what a restore would do now."""
    snapshot = plan.snapshot
    pairs: list[tuple[str, str | Text]] = [
        ("snapshot", f"{snapshot.id}, {snapshot.kind}, {moment(snapshot.created_at, now)}"),
        ("reasons", Text("\n").join(sentence(reason) for reason in snapshot.reasons[:_EVENTS])),
        ("lost", sentence(f"everything written in the last {duration_text(plan.age)}", WARNING)),
        ("events lost", _events(plan.lost)),
        ("how", _METHODS[plan.method]),
        ("play pauses", pause_text(plan.pause)),
        ("before that", _kept(plan)),
    ]
    if snapshot.damaged:
        pairs.insert(1, ("warning", sentence("this snapshot failed its last verification", BAD)))
    compared = plan.loss is not None and plan.loss.problem is None
    if plan.undoes is not None:
        pairs.insert(1, ("undoes", f"the restore of {plan.undoes}{_since_restore(plan)}"))
    counted = _rows(plan.lost, "now", readable=plan.database.openable, compared=compared)
    return (
        facts(pairs),
        Text(),
        *counted,
        *((Text(),) if counted and plan.loss is not None else ()),
        *loss_output(plan.loss),
    )


def _since_restore(plan: RestorePlan) -> str:
    return ", since which nothing was written" if plan.since_restore and plan.since_restore.is_nothing else ""


def restored_output(report: RestoreReport, repository: Path) -> Shown:
    """Show what a restore did, and the way back from it."""
    snapshot, lost = report.restored, report.lost
    lines: list[Text] = []
    if report.ok:
        lines.append(sentence(f"Restored snapshot {snapshot.id} in {duration_text(report.seconds)}.", GOOD))
    else:
        lines.append(sentence(f"Snapshot {snapshot.id} was not restored: {report.error}", BAD))
    span = f"What was written in the {duration_text(lost.seconds)} after it is gone from the database"
    lines.append(sentence(f"{span}; events: {_events(lost)}."))
    if report.safety is not None:
        lines.append(sentence(f"The state before is safety snapshot {report.safety.id}; restoring it undoes this."))
    if report.quarantine is not None:
        if report.method is Method.EXCHANGE:
            kept = f"database that was there before is kept on the server as {report.quarantine}"
        else:
            kept = f"files that were there before are in {repository / QUARANTINE / report.quarantine}"
        lines.append(sentence(f"The {kept}."))
    if report.ok and report.identical is None:
        lines.append(sentence("Somebody wrote to it at once, so it was checked but not compared.", WARNING))
    if report.left_out:
        count = count_text(len(report.left_out), "thing")
        lines.append(sentence(f"{count} could not be restored as in the snapshot:", WARNING))
        lines += [sentence(f"- {each}") for each in report.left_out]
    return *lines, Text(), *_rows(lost, "before", readable=report.safety is not None)


def interrupted_sentence(snapshot_id: str, entry: JournalEntry | None, lines: Sequence[AuditLine]) -> str:
    """Return what a restore that was stopped has left, by its journal and the lines of the audit log since it began."""
    if entry is not None and entry.operation == "restore":
        state = f"the database is {entry.snapshot}" if entry.committed else "the files were being exchanged"
        return f"{state}. The next start, or the next command that writes, finishes or undoes it before anything else."
    outcome = next((line.outcome for line in reversed(lines) if line.action == "restore"), None)
    if outcome is not None and outcome.startswith("done"):
        return f"the database is {snapshot_id} already; only the comparison with it was left out."
    return "the database is as it was."


def _events(lost: Lost) -> str:
    if not lost.event_count and not lost.events:
        return "none"
    named = first(lost.events, _EVENTS)
    return f"{lost.event_count:,}" + (f" ({named})" if named else "")


def _kept(plan: RestorePlan) -> str:
    """Return what is kept of the present state."""
    database = plan.database
    if database.openable:
        return "a safety snapshot of the present state is taken"
    if database.exists and plan.method is Method.EXCHANGE:
        return f"the present database is kept on the server ({database.problem or 'it cannot be opened'})"
    if database.exists:
        return f"the present files are moved into quarantine ({database.problem or 'they cannot be opened'})"
    return "nothing: there is no database now"


def _rows(lost: Lost, heading: str, *, readable: bool, compared: bool = False) -> Shown:
    """Show how many rows each critical table has in the snapshot, and how many it has in the database.

    ``compared`` is True if the rows that differ are shown too.
    """
    grid = table("table", "restored>", f"{heading}>", "difference>", "")
    for name, (then, now) in lost.rows.items():
        difference = "" if then is None or now is None else f"{then - now:+,}" if then != now else "0"
        grid.add_row(
            sentence(name), _count(then, "no table"), _count(now, "no table" if readable else "unreadable"), difference
        )
    if not lost.rows:
        return ()
    return (grid,) if compared else (grid, sentence(_ROWS_ONLY, QUIET))


def _count(rows: int | None, otherwise: str) -> str:
    return otherwise if rows is None else f"{rows:,}"
