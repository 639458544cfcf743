"""The text of snapshots: ``now``, ``show``, ``pin``, ``unpin``, ``export`` and ``import``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from ...models import AuditLine, Created, Exported, Health, Snapshot, Verdict
from ...units import size_text
from .layout import BAD, GOOD, WARNING, Shown, facts, moment, sentence, table

__all__ = [
    "audit_output",
    "created_output",
    "exported_output",
    "imported_output",
    "pinned_output",
    "show_output",
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


def show_output(snapshot: Snapshot, repository: Path, now: dt.datetime, *, why: str = "") -> Shown:
    """Show one snapshot in full; ``why`` says why it is the one that "latest" names."""
    verified = f"{snapshot.verification.level}, {moment(snapshot.verification.at, now)}"
    pairs: list[tuple[str, str | Text]] = [
        ("snapshot", snapshot.id),
        *([("latest", why)] if why else []),
        *([("imported", snapshot.imported)] if snapshot.imported is not None else []),
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
    reader = "; gunzip reads it" if file.name.lower().endswith(".gz") else ""
    return (sentence(f"Wrote {file}, {size_text(exported.size)}. It stands alone{reader}.", GOOD),)


def imported_output(snapshot: Snapshot, repository: Path, now: dt.datetime) -> Shown:
    """Show what a file has become, and what is known of the state in it."""
    health = snapshot.health
    sound = health is None or health.verdict is Verdict.SOUND
    lines = [
        sentence(f"{snapshot.imported} is snapshot {snapshot.id} now, verified and pinned: {_sizes(snapshot)}.", GOOD),
        sentence(str(repository / snapshot.path)),
    ]
    if not sound:
        lines.append(sentence(f"What is in it: {_state(health, now)}", WARNING))
    lines.append(sentence(f"The database was not changed. To put it there: restore {snapshot.id}."))
    return tuple(lines)


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


def _sizes(snapshot: Snapshot) -> str:
    return f"{size_text(snapshot.size)} for a database of {size_text(snapshot.database_size)}"
