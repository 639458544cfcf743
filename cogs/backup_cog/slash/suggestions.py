"""What is suggested to a person who types: the levels of a verification, and the snapshots that may be meant. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from discord import app_commands

from ..core_api import Level, Snapshot, SnapshotNotFound
from ..formatting import CHOICES_LIMIT
from .snapshots.labels import choice, searched

__all__ = ["LEVELS", "choices", "meant", "with_reason"]

LEVELS = [
    app_commands.Choice(name="checksum: the stored bytes give back its fingerprint", value=Level.CHECKSUM.value),
    app_commands.Choice(name="restored: rebuild it as a scratch database and check it", value=Level.RESTORED.value),
]
"""How thoroughly a snapshot can be verified."""
_MEANT = 5


def choices(known: Sequence[Snapshot], typed: str) -> list[app_commands.Choice[str]]:
    """Return what Discord suggests: one whose id or reason is exactly that first, else newest first."""
    wanted = typed.strip().casefold()
    found = [snapshot for snapshot in known if wanted in searched(snapshot)]
    found.sort(key=lambda snapshot: not _is_exactly(snapshot, wanted))
    return [app_commands.Choice(name=choice(snapshot, wanted), value=snapshot.id) for snapshot in found[:CHOICES_LIMIT]]


def _is_exactly(snapshot: Snapshot, wanted: str) -> bool:
    return wanted in (snapshot.id, *(reason.casefold() for reason in snapshot.reasons))


def meant(known: Sequence[Snapshot], error: BaseException) -> tuple[Snapshot, ...]:
    """Return the snapshots that a person may have meant who typed something that names none."""
    if not isinstance(error, SnapshotNotFound):
        return ()
    typed = str(error.data.get("snapshot_id", "")).casefold()
    found = [snapshot for snapshot in known if typed and typed in searched(snapshot)]
    return tuple((found or list(known))[:_MEANT])


def with_reason(known: Sequence[Snapshot], typed: str) -> Snapshot | None:
    """Return the newest snapshot of the event with exactly this reason, or None."""
    wanted = typed.strip().casefold()
    return next((each for each in known if wanted in (reason.casefold() for reason in each.reasons)), None)
