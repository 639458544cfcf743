"""What a restore did, and the way back. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..core_api import Method, RestoreReport
from ..formatting import AMBER, GREEN, Reply, embed, listing, plain, when
from ..language import core_text, duration_text, plural, text
from .words import METHODS, events_text, rows_text

__all__ = ["restored"]

_LEFT_OUT_LIMIT, _WARNINGS_LIMIT = 1000, 500


def restored(report: RestoreReport, repository: Path) -> Reply:
    """Show what a restore did, and the way back."""
    snapshot = report.restored
    said = text("The database is back at snapshot `{id}` of {when}.", id=snapshot.id, when=when(snapshot.began_at))
    complete = report.error is None and not report.left_out
    return Reply(
        embed(
            text("Restored"),
            said,
            fields=list(_fields(report, repository)),
            footer=text("Undo shows first what going back would do.") if report.safety else "",
            colour=GREEN if complete else AMBER,
        )
    )


def _fields(report: RestoreReport, repository: Path) -> Iterator[tuple[str, str]]:
    safety = report.safety
    kept = text("`{id}` holds what was there before", id=safety.id) if safety else text("none could be taken")
    yield text("Safety snapshot"), kept
    yield text("Verified"), _compared(report)
    yield text("How"), text(METHODS[report.method])
    yield text("Took"), duration_text(report.seconds)
    yield text("Lost"), text("what was written in {duration}", duration=duration_text(report.lost.seconds))
    yield text("Rows then → before this restore"), rows_text(report.lost, readable=safety is not None)
    yield text("Events after it"), events_text(report.lost, [plain(event) for event in report.lost.events])
    if report.quarantine and report.method is Method.EXCHANGE:
        yield text("Kept on the server as"), plain(report.quarantine, 200)
    elif report.quarantine:
        yield text("Quarantine"), plain(str(repository / "quarantine" / report.quarantine), 500)
    if report.left_out:
        lines = listing([plain(core_text(each), 300) for each in report.left_out], _LEFT_OUT_LIMIT)
        yield text("Not as in the snapshot ({count})", count=len(report.left_out)), lines
    if report.integrity is not None and report.integrity.warnings:
        found = [plain(core_text(each.message), 200) for each in report.integrity.warnings]
        yield text("Warnings"), listing(found, _WARNINGS_LIMIT)


def _compared(report: RestoreReport) -> str:
    """Return how far the result was checked."""
    if report.error is not None:
        return plain(core_text(report.error), 500)
    if not report.identical:
        return text("checked; the game wrote before it could be compared with the snapshot")
    if report.restored.path.endswith(".sql.gz"):
        return plural(
            report.integrity.checked.get("tables", 0) if report.integrity is not None else 0,
            "checked; every row of {count} table was compared with the snapshot",
            "checked; every row of {count} tables was compared with the snapshot",
        )
    return text("checked, and equal to the snapshot page by page")
