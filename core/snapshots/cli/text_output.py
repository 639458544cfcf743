"""What the shell shows to people: tables and sentences, made of plain text only.

Players write parts of reasons and notes. So nothing of the data is read as markup, and whatever a terminal would obey
(escapes, carriage returns, changes of the direction of writing) is spelt out. Pure: the present moment is handed in.

What the shell shows to people of a restore: what it would do, before they agree, and what it did.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..models import (
    Created,
    Exported,
    Finding,
    IntegrityReport,
    Lost,
    Method,
    PruneDecision,
    PruneReport,
    RebuildReport,
    RestorePlan,
    RestoreReport,
    Severity,
    Snapshot,
    Status,
    Verification,
    VerifyReport,
)
from ..units import duration_text, size_text

__all__ = [
    "SHOWN",
    "Shown",
    "ago",
    "catalog_output",
    "created_output",
    "exported_output",
    "facts",
    "integrity_output",
    "list_output",
    "moment",
    "pinned_output",
    "plain",
    "plan_output",
    "prune_output",
    "restored_output",
    "sentence",
    "show_output",
    "status_output",
    "table",
    "verify_output",
]


Shown = tuple[RenderableType, ...]
"""What one command shows, from top to bottom."""

SHOWN = 50
"""So many rows of a long table are shown unless somebody asks for all."""
_REASONS, _FINDINGS = 3, 20
_GOOD, _BAD, _WARNING, _QUIET = "green", "bold red", "yellow", "dim"


def plain(text: str) -> str:
    """Give a text with every character spelt out that is not printed but obeyed."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def sentence(text: str, style: str = "") -> Text:
    """Give a line of text."""
    return Text(plain(text), style=style)


def ago(at: dt.datetime, now: dt.datetime) -> str:
    """Say how long ago a moment was, or in how long it will be."""
    seconds = (now - at).total_seconds()
    if abs(seconds) < 1:
        return "just now"
    return f"{duration_text(seconds)} ago" if seconds > 0 else f"in {duration_text(-seconds)}"


def moment(at: dt.datetime, now: dt.datetime) -> str:
    """Say a moment both ways: on the clock (UTC), and from now."""
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC ({ago(at, now)})"


def table(*columns: str) -> Table:
    """Give an empty table; columns whose name ends with ">" are right-aligned, and the last one takes what is left."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns[:-1]:
        grid.add_column(name.rstrip(">"), justify="right" if name.endswith(">") else "left", no_wrap=True)
    grid.add_column(columns[-1].rstrip(">"), overflow="fold")
    return grid


def facts(pairs: Iterable[tuple[str, str | Text]]) -> Table:
    """Give a table of names and what they are."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(name, value if isinstance(value, Text) else sentence(value))
    return grid


def created_output(created: Created, now: dt.datetime) -> Shown:
    """Show what came of ``now``."""
    snapshot = created.snapshot
    if created.unchanged:
        return (sentence(f"Nothing changed since snapshot {snapshot.id} of {moment(snapshot.created_at, now)}."),)
    size = f"{size_text(snapshot.size)} for a database of {size_text(snapshot.database_size)}"
    return (sentence(f"Snapshot {snapshot.id} is written and proven: {size}.", _GOOD), sentence(snapshot.path))


def list_output(snapshots: Sequence[Snapshot], now: dt.datetime, *, everything: bool) -> Shown:
    """Show snapshots in the order given, without ``everything`` the first ``SHOWN`` of them."""
    if not snapshots:
        return (sentence("There is no snapshot yet."),)
    shown = snapshots if everything else snapshots[:SHOWN]
    grid = table("id", "kind", "taken>", "size>", "proof", "reasons")
    for snapshot in shown:
        grid.add_row(
            snapshot.id,
            f"{snapshot.kind} (pinned)" if snapshot.pinned else snapshot.kind.value,
            ago(snapshot.created_at, now),
            size_text(snapshot.size),
            _proof(snapshot.verification),
            sentence(_some(snapshot.reasons, _REASONS)),
        )
    return grid, *_more(len(snapshots) - len(shown))


def show_output(snapshot: Snapshot, now: dt.datetime) -> Shown:
    """Show one snapshot in full."""
    proven = f"{snapshot.verification.level}, {moment(snapshot.verification.at, now)}"
    pairs: list[tuple[str, str | Text]] = [
        ("snapshot", snapshot.id),
        ("kind", snapshot.kind.value),
        ("form", snapshot.form.value if snapshot.base is None else f"{snapshot.form} on {snapshot.base}"),
        ("taken", moment(snapshot.created_at, now)),
        ("file", snapshot.path),
        ("size", f"{size_text(snapshot.size)} for a database of {size_text(snapshot.database_size)}"),
        ("fingerprint", snapshot.fingerprint),
        ("proof", sentence(f"DAMAGED: failed {proven}", _BAD) if snapshot.damaged else sentence(proven, _GOOD)),
        ("last restored", "never" if snapshot.restored_at is None else moment(snapshot.restored_at, now)),
        ("pinned", "yes" if snapshot.pinned else "no"),
        ("note", snapshot.note or "none"),
        ("requests", f"{snapshot.requests:,}"),
        ("reasons", Text("\n").join(sentence(reason) for reason in snapshot.reasons)),
        ("rows", ", ".join(f"{name} {count:,}" for name, count in snapshot.rows.items()) or "none counted"),
    ]
    return (facts(pairs),)


def pinned_output(snapshot: Snapshot) -> Shown:
    """Show that a snapshot's pin changed."""
    if snapshot.pinned:
        return (sentence(f"Snapshot {snapshot.id} is pinned: retention never removes it."),)
    return (sentence(f"Snapshot {snapshot.id} is not pinned: it goes when retention says so."),)


def verify_output(report: VerifyReport) -> Shown:
    """Show how a verification ended."""
    if report.ok:
        how = {"checksum": "its bytes give back the fingerprint", "restored": "rebuilt and checked"}[report.level]
        said = f"Snapshot {report.id} is sound ({how}, {duration_text(report.seconds)})."
        return sentence(said, _GOOD), *_findings(report.findings)
    said = (
        f"Snapshot {report.id} is DAMAGED. It is marked and stays where it is; the next snapshot is independent of it."
    )
    return sentence(said, _BAD), *_findings(report.findings)


def integrity_output(report: IntegrityReport) -> Shown:
    """Show what an integrity check found."""
    looked = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in report.checked.items())
    how = f"checked {looked or 'nothing'} in {duration_text(report.seconds)}"
    if not report.ok:
        return sentence(f"The database is DAMAGED ({how}).", _BAD), *_findings(report.findings)
    if report.warnings:
        said = f"The database is sound, with {len(report.warnings)} warnings to look at ({how})."
        return sentence(said, _WARNING), *_findings(report.findings)
    return (sentence(f"The database is sound ({how}).", _GOOD),)


def exported_output(name: str, exported: Exported) -> Shown:
    """Show what was exported."""
    return (sentence(f"Wrote {name}, {size_text(exported.size)}. It stands alone; gunzip reads it.", _GOOD),)


def status_output(status: Status, now: dt.datetime) -> Shown:
    """Show the repository at a glance."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in status.kinds.items() if count)
    counts = f"{status.snapshots:,}" + (f" ({kinds})" if kinds else "")
    damaged = sentence(f"{status.damaged:,}", _BAD) if status.damaged else sentence("none")
    return (
        facts(
            [
                ("database", f"{status.database} ({status.engine})"),
                ("repository", status.repository),
                ("snapshots", counts),
                ("damaged", damaged),
                ("pinned", f"{status.pinned:,}"),
                ("size", f"{size_text(status.size)}, {size_text(status.free)} free"),
                ("newest", _named(status.newest, now)),
                ("newest restored", _named(status.newest_restored, now)),
                ("next periodic", f"{moment(status.next_periodic, now)}, while the bot runs"),
                *(("engine", remark) for remark in status.remarks),
            ]
        ),
    )


def prune_output(report: PruneReport, now: dt.datetime, *, everything: bool) -> Shown:
    """Show retention's decisions, those that remove something first."""
    decisions = sorted(report.decisions, key=lambda decision: decision.keep)
    gone = [decision.snapshot for decision in decisions if not decision.keep]
    freed = sum(snapshot.size for snapshot in gone) if report.dry_run else report.freed
    verbs = ("would remove", "would free") if report.dry_run else ("removed", "freed")
    kept = len(decisions) - len(gone)
    summary = f"Retention {verbs[0]} {len(gone):,} snapshots and {verbs[1]} {size_text(freed)}; {kept:,} stay."
    shown = decisions if everything else decisions[:SHOWN]
    if not shown:
        return (sentence(summary),)
    return _decisions(shown, now), *_more(len(decisions) - len(shown)), sentence(summary)


def catalog_output(report: RebuildReport) -> Shown:
    """Show what a rebuild of the catalog found."""
    lines = [sentence(f"The catalog is made anew: {report.snapshots:,} snapshots.", _GOOD)]
    lines += [sentence(f"damaged: {name}", _BAD) for name in report.damaged]
    lines += [sentence(f"not a snapshot that can be read: {name}", _WARNING) for name in report.unreadable]
    return tuple(lines)


def _decisions(decisions: Iterable[PruneDecision], now: dt.datetime) -> Table:
    grid = table("id", "kind", "taken>", "size>", "retention", "because")
    for decision in decisions:
        snapshot = decision.snapshot
        verdict = Text("keep") if decision.keep else Text("remove", style=_WARNING)
        because = sentence("; ".join(decision.reasons))
        taken = ago(snapshot.created_at, now)
        grid.add_row(snapshot.id, snapshot.kind.value, taken, size_text(snapshot.size), verdict, because)
    return grid


def _findings(findings: Sequence[Finding]) -> Shown:
    if not findings:
        return ()
    grid = table("severity", "check", "table", "finding")
    for found in findings[:_FINDINGS]:
        style = _BAD if found.severity is Severity.ERROR else _WARNING
        message = found.message if found.count == 1 else f"{found.message} ({found.count:,} times)"
        severity = Text(found.severity.value, style=style)
        grid.add_row(severity, found.check.value, sentence(found.table or ""), sentence(message))
    rest = len(findings) - _FINDINGS
    return (grid, sentence(f"{rest:,} more findings; --json gives all.", _QUIET)) if rest > 0 else (grid,)


def _proof(verification: Verification) -> Text:
    return Text(verification.level.value, style=_GOOD) if verification.ok else Text("DAMAGED", style=_BAD)


def _named(snapshot: Snapshot | None, now: dt.datetime) -> str:
    return "none" if snapshot is None else f"{snapshot.id}, {snapshot.kind}, {moment(snapshot.created_at, now)}"


def _some(values: Sequence[str], limit: int) -> str:
    rest = len(values) - limit
    return ", ".join(values[:limit]) + (f" and {rest:,} more" if rest > 0 else "")


def _more(hidden: int) -> Shown:
    return (sentence(f"{hidden:,} more, use --all", _QUIET),) if hidden > 0 else ()


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
