"""The text of snapshots: ``now``, ``list``, ``show``, ``pin``, ``unpin``, ``export`` and ``status``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from ...models import AuditLine, Created, Exported, Health, Kind, Snapshot, Status, Verdict, Verification
from ...settings.sources import DEFAULT_FILE
from ...units import size_text
from .checks import VERDICTS
from .layout import BAD, GOOD, QUIET, SHOWN, WARNING, Shown, ago, facts, first, moment, more, sentence, table

__all__ = [
    "audit_output",
    "created_output",
    "exported_output",
    "list_output",
    "no_snapshots_output",
    "pinned_output",
    "show_output",
    "status_output",
]

_REASONS = 3


def created_output(created: Created, repository: Path, now: dt.datetime) -> Shown:
    """Show what ``now`` did."""
    snapshot = created.snapshot
    if created.unchanged:
        return (sentence(f"Nothing changed since snapshot {snapshot.id} of {moment(snapshot.created_at, now)}."),)
    return (
        sentence(f"Snapshot {snapshot.id} was written and verified: {_sizes(snapshot)}.", GOOD),
        sentence(str(repository / snapshot.path)),
        *_left_out(snapshot),
    )


def _left_out(snapshot: Snapshot) -> Shown:
    """Show what a restore of a snapshot will leave out, as far as that was known when it was taken."""
    if not snapshot.left_out:
        return ()
    heading = sentence("A restore by this database role cannot bring back everything:", WARNING)
    return heading, *(sentence(f"- {each}") for each in snapshot.left_out)


def list_output(snapshots: Sequence[Snapshot], now: dt.datetime, *, everything: bool) -> Shown:
    """Show snapshots in the order given, without ``everything`` the first ``SHOWN`` of them."""
    shown = snapshots if everything else snapshots[:SHOWN]
    grid = table("id", "kind", "taken>", "size>", "verified", "reasons")
    for snapshot in shown:
        grid.add_row(
            snapshot.id,
            f"{snapshot.kind} (pinned)" if snapshot.pinned else snapshot.kind.value,
            ago(snapshot.created_at, now),
            size_text(snapshot.size),
            _verified(snapshot.verification),
            sentence(first(snapshot.reasons, _REASONS)),
        )
    return grid, *more(len(snapshots) - len(shown))


def no_snapshots_output(repository: Path, kind: Kind | None, settings_file: Path | None) -> Shown:
    """Show that a list is empty, and which folder that is: it may not be the one that was meant."""
    what = f"No {kind} snapshots" if kind is not None else "No snapshots"
    why = "" if settings_file is not None else f" (no {DEFAULT_FILE.as_posix()} here; defaults used)"
    return (sentence(f"{what} in {repository}{why}."),)


def show_output(snapshot: Snapshot, repository: Path, now: dt.datetime) -> Shown:
    """Show one snapshot in full."""
    verified = f"{snapshot.verification.level}, {moment(snapshot.verification.at, now)}"
    pairs: list[tuple[str, str | Text]] = [
        ("snapshot", snapshot.id),
        ("kind", snapshot.kind.value),
        ("form", snapshot.form.value if snapshot.base is None else f"{snapshot.form} on {snapshot.base}"),
        ("taken", moment(snapshot.created_at, now)),
        ("file", str(repository / snapshot.path)),
        ("size", _sizes(snapshot)),
        ("fingerprint", snapshot.fingerprint),
        ("verified", sentence(f"DAMAGED: failed {verified}", BAD) if snapshot.damaged else sentence(verified, GOOD)),
        ("health", _state(snapshot.health, now)),
        ("last restored", "never" if snapshot.restored_at is None else moment(snapshot.restored_at, now)),
        ("pinned", "yes" if snapshot.pinned else "no"),
        ("note", snapshot.note or "none"),
        ("requests", f"{snapshot.requests:,}"),
        ("reasons", Text("\n").join(sentence(reason) for reason in snapshot.reasons)),
        ("rows", ", ".join(f"{name} {count:,}" for name, count in snapshot.rows.items()) or "none counted"),
    ]
    return (facts(pairs),)


def _state(health: Health | None, now: dt.datetime) -> str:
    if health is None:
        return "not looked at"
    what = "; ".join(finding.message for finding in health.findings[:_REASONS])
    return f"{health.verdict}, {moment(health.checked_at, now)}" + (f": {what}" if what else "")


def pinned_output(snapshot: Snapshot) -> Shown:
    """Show that a snapshot was pinned or unpinned."""
    if snapshot.pinned:
        return (sentence(f"Snapshot {snapshot.id} is pinned: retention never removes it."),)
    return (sentence(f"Snapshot {snapshot.id} is not pinned: retention decides when it goes."),)


def exported_output(file: Path, exported: Exported) -> Shown:
    """Show what was exported."""
    return (sentence(f"Wrote {file}, {size_text(exported.size)}. It stands alone; gunzip reads it.", GOOD),)


def status_output(status: Status, now: dt.datetime) -> Shown:
    """Show the repository at a glance."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in status.kinds.items() if count)
    counts = f"{status.snapshots:,}" + (f" ({kinds})" if kinds else "")
    damaged = sentence(f"{status.damaged:,}", BAD) if status.damaged else sentence("none")
    pairs: list[tuple[str, str | Text]] = [
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
    audit = [
        sentence(f"{moment(line.at, now)}  {line.action} {line.snapshot or ''}: {line.outcome}, {line.actor}", QUIET)
        for line in status.audit
    ]
    return _live(status.live, now), facts(pairs), *audit


def audit_output(lines: Sequence[AuditLine], now: dt.datetime) -> Shown:
    """Show lines of the audit log, oldest first."""
    if not lines:
        return (sentence("Nobody has restored, pinned or removed anything yet."),)
    grid = table("when", "who", "what", "snapshot", "outcome")
    for line in lines:
        outcome = f"{line.outcome}: {line.detail}" if line.detail else line.outcome
        grid.add_row(
            moment(line.at, now), sentence(str(line.actor)), line.action, line.snapshot or "", sentence(outcome)
        )
    return (grid,)


def _live(health: Health | None, now: dt.datetime) -> Text:
    """Show what is known of the live database."""
    if health is None:
        return sentence("Nothing is known of the database yet.", WARNING)
    text, style = VERDICTS[health.verdict]
    if health.verdict is Verdict.UNKNOWN and not health.findings:
        return sentence("The database can be opened; it was not checked yet (integrity checks it).", WARNING)
    what = f": {health.findings[0].message}" if health.findings else "."
    return sentence(f"{text}, as of {moment(health.checked_at, now)}{what}", style)


def _sizes(snapshot: Snapshot) -> str:
    return f"{size_text(snapshot.size)} for a database of {size_text(snapshot.database_size)}"


def _verified(verification: Verification) -> Text:
    return Text(verification.level.value, style=GOOD) if verification.ok else Text("DAMAGED", style=BAD)


def _named(snapshot: Snapshot | None, now: dt.datetime) -> str:
    return "none" if snapshot is None else f"{snapshot.id}, {snapshot.kind}, {moment(snapshot.created_at, now)}"
