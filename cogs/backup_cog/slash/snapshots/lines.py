"""A snapshot in a line of a list, and as the fields of an embed. Pure."""

from __future__ import annotations

import discord

from ...core_api import Snapshot
from ...formatting import listing, plain, when
from ...language import phrase, plural, size_text, text, word
from .finding import Shown, as_is

__all__ = ["facts", "kind_text", "own_reasons", "snapshot_line", "verification_text"]

_REASONS_LIMIT = 700
_REASON_LIMIT = 60
_REASON_KEPT = 190
"""Characters of a reason that are those of the note it was made of, which may be longer."""
_NOTE_LIMIT = 300


def facts(snapshot: Snapshot, shown: Shown = as_is) -> list[tuple[str, str]]:
    """Return the fields that name and describe a snapshot."""
    restored = size_text(snapshot.database_size)
    return [
        (text("Id"), f"`{snapshot.id}`"),
        (text("Taken"), when(snapshot.created_at)),
        (text("Kind"), kind_text(snapshot)),
        (text("Size"), text("{size} ({restored} restored)", size=size_text(snapshot.size), restored=restored)),
        (text("Verified"), verification_text(snapshot)),
        *_words(snapshot, shown),
    ]


def _words(snapshot: Snapshot, shown: Shown) -> list[tuple[str, str]]:
    """Return the fields for reasons and note; a note that is the reason too is shown once."""
    reasons = own_reasons(snapshot)
    fields = []
    if reasons:
        fields.append((text("Reasons"), _reasons(snapshot, [shown(reason) for reason in reasons])))
    if snapshot.note:
        fields.append((text("Note"), plain(snapshot.note, _NOTE_LIMIT)))
    return fields


def own_reasons(snapshot: Snapshot) -> list[str]:
    """Return the reasons that say more than kind and note do."""
    return [reason for reason in snapshot.reasons if not _says_no_more(reason, snapshot)]


def _says_no_more(reason: str, snapshot: Snapshot) -> bool:
    """Return True if a reason says no more than the note, of which it can be the beginning, or than the kind."""
    return reason == snapshot.kind or reason[:_REASON_KEPT] == (snapshot.note or "")[:_REASON_KEPT]


def kind_text(snapshot: Snapshot) -> str:
    """Return why it was taken, and whether it is pinned."""
    kind = word(snapshot.kind)
    return text("{kind}, pinned", kind=kind) if snapshot.pinned else kind


def verification_text(snapshot: Snapshot) -> str:
    """Return how and when it was verified last, and whether it passed."""
    verification = snapshot.verification
    values = {"level": word(verification.level), "when": discord.utils.format_dt(verification.at, "R")}
    return text("{level}, {when}", **values) if verification.ok else text("DAMAGED ({level}), {when}", **values)


def _reasons(snapshot: Snapshot, reasons: list[str]) -> str:
    listed = listing([plain(reason) for reason in reasons], _REASONS_LIMIT)
    if snapshot.requests <= len(snapshot.reasons):
        return listed
    return f"{listed} " + plural(snapshot.requests, "({count} event)", "({count} events)")


def snapshot_line(snapshot: Snapshot, shown: Shown = as_is, *, dated: bool = False) -> str:
    """Return one line of a list of snapshots; what a player wrote stands last, in whatever direction it is written.

    It says how long ago the snapshot was taken, if it is ``dated`` also when.
    """
    marks = [
        text(mark)
        for mark, holds in ((phrase("pinned"), snapshot.pinned), (phrase("DAMAGED"), snapshot.damaged))
        if holds
    ]
    parts = [
        f"`{snapshot.id}` {when(snapshot.created_at) if dated else discord.utils.format_dt(snapshot.created_at, 'R')}",
        word(snapshot.kind),
        size_text(snapshot.size),
        f"**{', '.join(marks)}**" if marks else "",
        _headline(snapshot, shown),
    ]
    return " · ".join(part for part in parts if part)


def _headline(snapshot: Snapshot, shown: Shown) -> str:
    """Return the note, else the first reason, after how many there are if it is not the only one."""
    reasons = own_reasons(snapshot)
    if snapshot.note:
        return plain(snapshot.note, _REASON_LIMIT)
    if not reasons:
        return ""
    first = plain(shown(reasons[0]), _REASON_LIMIT)
    return text("{count} reasons: {first}", count=len(reasons), first=first) if len(reasons) > 1 else first
