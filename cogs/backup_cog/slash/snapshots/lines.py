"""A snapshot in a line of a list, and as the fields of an embed. Pure."""

from __future__ import annotations

import discord

from ...core_api import Snapshot, size_text
from ...formatting import listing, plain, when
from ...language import phrase, plural, text

__all__ = ["KINDS", "facts", "snapshot_line"]

KINDS = {
    "periodic": phrase("periodic"),
    "manual": phrase("manual"),
    "critical": phrase("critical"),
    "shutdown": phrase("shutdown"),
    "safety": phrase("safety"),
}
"""The kinds of snapshots as they are shown."""
_REASONS_LIMIT = 700
_REASON_LIMIT = 40
_NOTE_LIMIT = 300


def facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Return the fields that name and describe a snapshot."""
    restored = size_text(snapshot.database_size)
    return [
        (text("Id"), f"`{snapshot.id}`"),
        (text("Taken"), when(snapshot.created_at)),
        (text("Kind"), _kind(snapshot)),
        (text("Size"), text("{size} ({restored} restored)", size=size_text(snapshot.size), restored=restored)),
        (text("Verified"), _verification(snapshot)),
        *words(snapshot),
    ]


def words(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Return the fields for reasons and note; a note that is the reason too is shown once."""
    shown = [reason for reason in snapshot.reasons if reason != snapshot.note]
    fields = []
    if shown:
        fields.append((text("Reasons"), _reasons(snapshot, shown)))
    if snapshot.note:
        fields.append((text("Note"), plain(snapshot.note, _NOTE_LIMIT)))
    return fields


def _kind(snapshot: Snapshot) -> str:
    kind = text(KINDS[snapshot.kind.value])
    return text("{kind}, pinned", kind=kind) if snapshot.pinned else kind


def _verification(snapshot: Snapshot) -> str:
    verification = snapshot.verification
    values = {"level": verification.level.value, "when": discord.utils.format_dt(verification.at, "R")}
    return text("{level}, {when}", **values) if verification.ok else text("DAMAGED ({level}), {when}", **values)


def _reasons(snapshot: Snapshot, shown: list[str]) -> str:
    listed = listing([plain(reason) for reason in shown], _REASONS_LIMIT)
    if snapshot.requests <= len(snapshot.reasons):
        return listed
    return f"{listed} " + plural(snapshot.requests, "({count} event)", "({count} events)")


def snapshot_line(snapshot: Snapshot) -> str:
    """Return one line of a list of snapshots."""
    marks = [
        text(mark)
        for mark, holds in ((phrase("pinned"), snapshot.pinned), (phrase("DAMAGED"), snapshot.damaged))
        if holds
    ]
    parts = [
        f"`{snapshot.id}` {discord.utils.format_dt(snapshot.created_at, 'R')}",
        text(KINDS[snapshot.kind.value]),
        size_text(snapshot.size),
        _headline(snapshot),
        f"**{', '.join(marks)}**" if marks else "",
    ]
    return " · ".join(part for part in parts if part)


def _headline(snapshot: Snapshot) -> str:
    """Return the note, else the first reason, and how many reasons there are beside it."""
    reasons = [reason for reason in snapshot.reasons if reason not in (snapshot.note, snapshot.kind.value)]
    shown = snapshot.note or (reasons[0] if reasons else "")
    others = len(reasons) - (0 if snapshot.note else 1)
    return plain(shown, _REASON_LIMIT) + (f" +{others}" if others > 0 else "")
