"""The export of a snapshot to a file of its own, outside the repository."""

from __future__ import annotations

from pathlib import Path

from ..models import Actor, Exported, OnProgress
from ..policies.chain import chain_of
from ..repository.lock import InUseLock
from ..repository.repository import in_use_lock
from ..worker.protocol import ExportJob
from .context import Context, remove_in_use
from .journal import audit
from .latest import head_of

__all__ = ["export", "exported"]


async def export(context: Context, text: str, target: Path, on_progress: OnProgress | None = None) -> Exported:
    """Write a snapshot to a new file that needs no other one; verify it on the way.

    A name that ends with ".gz" becomes a gzip, any other the database itself (for PostgreSQL: its dump).

    Raises SnapshotNotFound, AmbiguousSnapshot, SnapshotDamaged, and RepositoryError if the file exists.
    """
    # Without the lock: files of snapshots never change, and one that retention removes meanwhile is not found.
    snapshot = (await context.in_thread(context.repository.refresh)).find(text)
    return await context.work(
        ExportJob,
        Exported,
        on_progress,
        deadline=float(context.settings.schedule.verify_deadline),
        chain=await context.in_thread(context.repository.chain, snapshot),
        head=head_of(context, snapshot),
        record=str(context.repository.member_record),
        plain=not target.name.lower().endswith(".gz"),
        target=str(await context.in_thread(target.absolute)),
    )


async def exported(
    context: Context, text: str, most: int, actor: Actor, on_progress: OnProgress
) -> tuple[str, bytes] | None:
    """Return the name and the content of a snapshot's gzip that needs no other file, None if it is too large.

    That is seen beforehand where the full is more than twice as large as ``most`` bytes. Raises what ``export`` raises.
    """
    contents = await context.in_thread(context.repository.refresh)
    snapshot = contents.find(text)
    if chain_of(snapshot, contents.snapshots)[0].size > 2 * most:
        return None
    root = await context.in_thread(context.scratch_root)
    target = root / f"export-{context.token_hex(6)}{context.repository.suffix}"
    in_use = InUseLock(in_use_lock(target))
    try:
        await context.in_thread(in_use.hold)
        size = (await export(context, snapshot.id, target, on_progress)).size
        if size > most:
            return None
        with context.translating_errors():
            content = await context.in_thread(target.read_bytes)
    finally:
        await context.in_thread(remove_in_use, target, in_use)
    await audit(context, actor, "export", "done", snapshot.id)
    return f"{snapshot.id}{context.repository.suffix}", content
