"""What the owner is shown around a restore: what it would do, what it did, and why it did not; pure."""

from __future__ import annotations

from .core_api import Lost, Method, RestorePlan, RestoreReport, Snapshot, duration_text
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
"""So many characters of the id at least are typed to confirm."""
_METHODS = {
    Method.ONLINE: "through the running database; the game can stay connected",
    Method.SWAP: "by exchanging the files; the damaged ones are kept in quarantine",
    Method.EXCHANGE: "beside the database, then in its place; the game reconnects once, the old one is kept",
}
_ROWS_LIMIT = 900
_EVENTS_LIMIT = 700


def confirms(typed: str, snapshot: Snapshot) -> bool:
    """Whether what a person typed names the snapshot: the first characters of its id."""
    text = typed.strip().lower()
    return len(text) >= CONFIRMATION_LENGTH and snapshot.id.startswith(text)


def preview(plan: RestorePlan) -> Reply:
    """Show what a restore would do, before anybody agrees to it."""
    snapshot = plan.snapshot
    text = (
        f"The database goes back to snapshot `{snapshot.id}` ({snapshot.kind.value}) of {when(snapshot.began_at)}. "
        f"**Everything written in the {duration_text(plan.age)} since then is lost** for players, "
        f"and can be had back only from the safety snapshot."
    )
    if snapshot.damaged:
        text += "\n\n**The last verification of this snapshot failed.** The restore stops if it fails again."
    safety = (
        "A safety snapshot of what is there now is taken first."
        if plan.database.openable
        else "What is there now cannot be opened, so it is kept in quarantine instead of a safety snapshot."
    )
    fields = [
        ("Rows then → now", _rows(plan.lost)),
        ("Events after it", _events(plan.lost)),
        ("How", _METHODS[plan.method]),
        ("Way back", safety),
    ]
    footer = "Confirm asks for the first characters of the id. Nothing has been done yet."
    return Reply(embed("Restore this snapshot?", text, fields=fields, footer=footer, colour=AMBER))


def _rows(lost: Lost) -> str:
    lines = [f"{plain(table)}: {_count(then)} → {_count(now)}" for table, (then, now) in lost.rows.items()]
    return listing(lines, _ROWS_LIMIT) or "no critical tables"


def _count(rows: int | None) -> str:
    return "not there" if rows is None else str(rows)


def _events(lost: Lost) -> str:
    if not lost.event_count:
        return "none recorded"
    named = listing([plain(event) for event in lost.events], _EVENTS_LIMIT)
    return f"{lost.event_count} recorded\n{named}"


def restoring(plan: RestorePlan) -> Reply:
    """Say that it has begun: something visible must happen after the click."""
    text = f"Snapshot `{plan.snapshot.id}` is being rebuilt and checked; then it replaces the database."
    return Reply(embed("Restoring", text, colour=AMBER))


def restored(report: RestoreReport) -> Reply:
    """Show what a restore did, and the way back."""
    snapshot = report.restored
    text = f"The database is back at snapshot `{snapshot.id}` of {when(snapshot.began_at)}."
    safety = f"`{report.safety.id}` holds what was there before" if report.safety else "none could be taken"
    proof = (
        "equal to the snapshot, page by page" if report.identical else "checked; the game wrote before it was compared"
    )
    fields = [
        ("Safety snapshot", safety),
        ("Proof", proof),
        ("How", _METHODS[report.method]),
        ("Took", duration_text(report.seconds)),
        ("Lost", f"what was written in {duration_text(report.lost.seconds)}"),
        ("Rows then → before this restore", _rows(report.lost)),
        ("Events after it", _events(report.lost)),
    ]
    if report.quarantine:
        fields.append(("Quarantine", plain(report.quarantine, 200)))
    if report.integrity is not None and report.integrity.warnings:
        fields.append(("Warnings", listing([plain(w.message, 200) for w in report.integrity.warnings], 500)))
    return Reply(embed("Restored", text, fields=fields, colour=GREEN))


def cancelled() -> Reply:
    """Say that a restore was called off."""
    return Reply(embed("Cancelled", "Nothing was done."))


def timed_out(seconds: float) -> Reply:
    """Say that nobody confirmed in time."""
    return Reply(embed("Timed out", f"Nobody confirmed within {duration_text(seconds)}; nothing was done."))


def over() -> Reply:
    """Say that a confirmation is used up."""
    text = "This confirmation is used, cancelled or timed out. Ask for the restore again to see how things stand now."
    return Reply(embed("Too late", text, colour=AMBER))


def wrong_id(snapshot: Snapshot) -> Reply:
    """Say that what was typed is not the id."""
    text = (
        f"That is not the beginning of `{snapshot.id}` ({CONFIRMATION_LENGTH} characters at least). Nothing was done."
    )
    return Reply(embed("Not confirmed", text, colour=RED))
