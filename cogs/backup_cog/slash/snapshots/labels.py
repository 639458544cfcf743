"""The labels of snapshots in lists that Discord shows as they are, and the text in which typed words are searched."""

from __future__ import annotations

from ...core_api import Snapshot
from ...formatting import CHOICE_LIMIT, clip

__all__ = ["choice", "searched"]


def choice(snapshot: Snapshot, wanted: str = "") -> str:
    """Return a snapshot's label in a list of suggestions, which shows text as it is: with the reason that matched."""
    matching = (reason for reason in snapshot.reasons if wanted in reason.casefold())
    shown = next(matching, snapshot.reasons[0] if snapshot.reasons else "")
    reason = " ".join("".join(letter if letter.isprintable() else " " for letter in shown).split())
    damaged = "damaged · " if snapshot.damaged else ""
    label = f"{snapshot.id} · {snapshot.created_at:%Y-%m-%d %H:%M} UTC · {snapshot.kind.value} · {damaged}{reason}"
    return clip(label, CHOICE_LIMIT)


def searched(snapshot: Snapshot) -> str:
    """Return the text in which typed words are searched: id, kind, reasons and note."""
    return " ".join([snapshot.id, snapshot.kind.value, *snapshot.reasons, snapshot.note or ""]).casefold()
