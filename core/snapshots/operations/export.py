"""The export of a snapshot to a file of its own, outside the repository."""

from __future__ import annotations

from pathlib import Path

from ..models import Exported, OnProgress
from ..worker.protocol import ExportJob
from .context import Context
from .latest import head_of

__all__ = ["export"]


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
