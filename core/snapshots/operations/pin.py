"""Pins: a pinned snapshot is never removed by retention."""

from __future__ import annotations

import msgspec

from ..models import NOBODY, Actor, OnWait, Snapshot
from ..repository.names import NOTE_LENGTH, legible
from .context import Context
from .exclusive import exclusive
from .journal import audit
from .rebuild_catalog import readable_contents

__all__ = ["pin"]


async def pin(
    context: Context,
    text: str,
    pinned: bool,
    *,
    why: str = "",
    actor: Actor = NOBODY,
    on_wait: OnWait | None = None,
) -> Snapshot:
    """Pin or unpin a snapshot, and return it with the change. With ``on_wait`` it waits as ``create`` does.

    The audit log has the reason. That of a pin is also the note of a snapshot without one, so that it is found by it.
    """
    async with exclusive(context, "a change of a pin", actor=actor, on_wait=on_wait):
        snapshot = (await readable_contents(context)).find(text)
        why = legible(why, NOTE_LENGTH).strip()
        note = snapshot.note or (why or None if pinned else None)
        changed = msgspec.structs.replace(snapshot, pinned=pinned, note=note)
        await context.in_thread(context.repository.update, changed)
        await audit(context, actor, "pin" if pinned else "unpin", "done", snapshot.id, why)
        return changed
