"""Pins: a pinned snapshot is never removed by retention."""

from __future__ import annotations

import msgspec

from ..models import NOBODY, Actor, Snapshot
from .context import Context
from .exclusive import exclusive
from .journal import audit
from .rebuild_catalog import readable_contents

__all__ = ["pin"]


async def pin(context: Context, text: str, pinned: bool, *, actor: Actor = NOBODY) -> Snapshot:
    """Pin or unpin a snapshot, and return it with the change."""
    async with exclusive(context, "a change of a pin", actor=actor):
        snapshot = (await readable_contents(context)).find(text)
        changed = msgspec.structs.replace(snapshot, pinned=pinned)
        await context.in_thread(context.repository.update, changed)
        await audit(context, actor, "pin" if pinned else "unpin", "done", snapshot.id)
        return changed
