"""The answers around a restore: what it would do, what it did, and why it did not. Pure."""

from __future__ import annotations

from pathlib import Path

from .core_api import Lost, Method, RestorePlan, RestoreReport, Snapshot, count_text, duration_text
from .embeds import AMBER, GREEN, RED, when
from .formatting import Reply, embed, listing, plain

__all__ = [
    "CONFIRMATION_LENGTH",
    "cancelled",
    "confirms",
    "over",
    "preview",
    "restored",
    "restoring",
    "timed_out",
    "wrong_id",
]

CONFIRMATION_LENGTH = 4
"""How many characters of the id must be typed to confirm, at least."""
_METHODS = {
    Method.ONLINE: "through the running database; the game can stay connected",
    Method.SWAP: "by replacing the file; the files that are there now are kept in quarantine",
    Method.EXCHANGE: "beside the database, then in its place; the game reconnects once, the old one is kept",
}
_ROWS_LIMIT = 900
_ROWS_ONLY = "Rows are counted; changed rows are not seen."
_EVENTS_LIMIT = 700


def confirms(typed: str, snapshot: Snapshot) -> bool:
    """Return True if the typed text is the beginning of the snapshot's id, and long enough."""
    text = typed.strip().lower()
    return len(text) >= CONFIRMATION_LENGTH and snapshot.id.startswith(text)


def preview(plan: RestorePlan) -> Reply:
    """Show what a restore would do, before anybody agrees to it."""
    snapshot = plan.snapshot
    text = f"The database goes back to snapshot `{snapshot.id}` ({snapshot.kind.value}) of {when(snapshot.began_at)}. "
    text += _what_is_lost(plan)
    if plan.another_database is not None:
        text += f"\n\n**{plain(plan.another_database, 500)}**"
    if snapshot.damaged:
        text += "\n\n**The last verification of this snapshot failed.** The restore stops if it fails again."
    fields = [
        *_written_since(plan),
        ("Events after it", _events(plan.lost)),
        ("How", _METHODS[plan.method]),
        ("Play pauses", "while the bot is stopped" if plan.pause is None else f"about {duration_text(plan.pause)}"),
        ("Way back", _way_back(plan)),
    ]
    footer = "Confirm asks for the first characters of the id. Nothing has been done yet."
    return Reply(embed("Restore this snapshot?", text, fields=fields, footer=footer, colour=AMBER))


def _written_since(plan: RestorePlan) -> list[tuple[str, str]]:
    """Return the fields on what is lost: row by row and by player where that is known, else the counted rows."""
    loss = plan.loss
    if loss is None or loss.problem is not None:
        counted = [("Rows then → now", _rows(plan.lost, readable=plan.database.openable))]
        return [*counted, *([] if loss is None else [("Not compared", plain(loss.problem or "", 300))])]
    if not loss.tables:
        return [("Rows written since", "none: no row is lost")]
    tables = sorted(loss.tables.items(), key=lambda item: -item[1].rows)
    lines = [
        f"{plain(name)}: {each.added:,} added, {each.changed:,} changed, {each.removed:,} removed"
        + (" (the table is gone)" if plan.lost.rows.get(name, (0, 0))[1] is None else "")
        for name, each in tables
    ]
    players = [f"{plain(each.name or each.player)}: {count_text(each.rows, 'row')}" for each in loss.players]
    fields = [("Rows written since, which become as they were", listing(lines, _ROWS_LIMIT))]
    return [*fields, ("Players who lose most", listing(players, _ROWS_LIMIT))] if players else fields


def _what_is_lost(plan: RestorePlan) -> str:
    if plan.unchanged:
        return "Nothing was written since then."
    if plan.loss is not None and plan.loss.problem is None and not plan.loss.tables:
        return "No row was written since then."
    return (
        f"**Everything written in the {duration_text(plan.age)} since then is lost** for players, and can be had back "
        "only from the safety snapshot."
    )


def _way_back(plan: RestorePlan) -> str:
    database = plan.database
    if database.openable:
        return "A safety snapshot of what is there now is taken first."
    if not database.exists:
        return "There is no database now, so there is nothing to keep."
    where = "on the server" if plan.method is Method.EXCHANGE else "in quarantine"
    return f"What is there now cannot be opened, so it is kept {where} instead of a safety snapshot."


def _rows(lost: Lost, *, readable: bool) -> str:
    absent = "no table" if readable else "unreadable"
    lines = [
        f"{plain(table)}: {_count(then, 'no table')} → {_count(now, absent)}"
        for table, (then, now) in lost.rows.items()
    ]
    return f"{listing(lines, _ROWS_LIMIT)}\n{_ROWS_ONLY}" if lines else "were not counted in this snapshot"


def _count(rows: int | None, otherwise: str) -> str:
    return otherwise if rows is None else str(rows)


def _events(lost: Lost) -> str:
    if not lost.event_count:
        return "none recorded"
    named = listing([plain(event) for event in lost.events], _EVENTS_LIMIT)
    return f"{lost.event_count} recorded\n{named}"


def restoring(plan: RestorePlan) -> Reply:
    """Show that the restore has begun: something visible must happen after the click."""
    text = f"Snapshot `{plan.snapshot.id}` is being rebuilt and checked; then it replaces the database."
    return Reply(embed("Restoring", text, colour=AMBER))


def restored(report: RestoreReport, repository: Path) -> Reply:
    """Show what a restore did, and the way back."""
    snapshot = report.restored
    text = f"The database is back at snapshot `{snapshot.id}` of {when(snapshot.began_at)}."
    safety = f"`{report.safety.id}` holds what was there before" if report.safety else "none could be taken"
    fields = [
        ("Safety snapshot", safety),
        ("Verified", _compared(report)),
        ("How", _METHODS[report.method]),
        ("Took", duration_text(report.seconds)),
        ("Lost", f"what was written in {duration_text(report.lost.seconds)}"),
        ("Rows then → before this restore", _rows(report.lost, readable=report.safety is not None)),
        ("Events after it", _events(report.lost)),
    ]
    if report.quarantine and report.method is Method.EXCHANGE:
        fields.append(("Kept on the server as", plain(report.quarantine, 200)))
    elif report.quarantine:
        fields.append(("Quarantine", plain(str(repository / "quarantine" / report.quarantine), 500)))
    if report.left_out:
        count = f"Not as in the snapshot ({len(report.left_out)})"
        fields.append((count, listing([plain(each, 300) for each in report.left_out], 1000)))
    if report.integrity is not None and report.integrity.warnings:
        fields.append(("Warnings", listing([plain(w.message, 200) for w in report.integrity.warnings], 500)))
    complete = report.error is None and not report.left_out
    return Reply(embed("Restored", text, fields=fields, colour=GREEN if complete else AMBER))


def _compared(report: RestoreReport) -> str:
    """Return how far the result was checked."""
    if report.error is not None:
        return plain(report.error, 500)
    if not report.identical:
        return "checked; the game wrote before it could be compared with the snapshot"
    if report.restored.path.endswith(".sql.gz"):
        tables = report.integrity.checked.get("tables", 0) if report.integrity is not None else 0
        return f"checked; every row of {count_text(tables, 'table')} was compared with the snapshot"
    return "checked, and equal to the snapshot page by page"


def cancelled() -> Reply:
    """Show that a restore was cancelled."""
    return Reply(embed("Cancelled", "Nothing was done."))


def timed_out(seconds: float) -> Reply:
    """Show that nobody confirmed within ``seconds``."""
    return Reply(embed("Timed out", f"Nobody confirmed within {duration_text(seconds)}; nothing was done."))


def over() -> Reply:
    """Show that a confirmation is no longer valid."""
    text = "This confirmation is used, cancelled or timed out. Ask again to see how things stand now."
    return Reply(embed("Too late", text, colour=AMBER))


def wrong_id(snapshot: Snapshot) -> Reply:
    """Show that the typed text is not the beginning of the id."""
    text = (
        f"That is not the beginning of `{snapshot.id}` ({CONFIRMATION_LENGTH} characters at least). Nothing was done."
    )
    return Reply(embed("Not confirmed", text, colour=RED))
