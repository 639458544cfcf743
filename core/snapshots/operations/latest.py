"""``latest.*``: the newest database state, as a file that any gzip tool can unpack.

If the newest snapshot of the kinds in ``latest_after`` is a full, ``latest.*`` is a link to it. If it is an
incremental, ``latest.*`` is a file of its own, made from the chain. Both are put into place in one step.
"""

from __future__ import annotations

import logging

from ..archive.members import Head
from ..errors import SnapshotError
from ..models import Exported, Form, Snapshot
from ..worker.protocol import ExportJob
from .context import Context

__all__ = ["head_of", "refresh_latest"]

log = logging.getLogger(__name__)


async def refresh_latest(context: Context) -> None:
    """Make ``latest.*`` the newest sound state; the caller holds the exclusive lock.

    A failure is logged and the listeners are notified; nothing is raised, because no snapshot depends on this file.
    """
    repository, kinds = context.repository, context.settings.repository.latest_after
    try:
        newest = await context.in_thread(repository.latest_to_write, kinds)
        if newest is None:
            await context.in_thread(repository.drop_damaged_latest)
            return
        if newest.form is Form.FULL:
            await context.in_thread(repository.link_latest, newest)
        else:
            await _assemble(context, newest)
        await context.notify(lambda listener: listener.succeeded("latest"))
    except (SnapshotError, OSError) as caught:
        log.error("%s could not be refreshed: %s", repository.latest.name, caught)
        error = caught if isinstance(caught, SnapshotError) else SnapshotError(str(caught))
        await context.notify(lambda listener: listener.failed("latest", error))


async def _assemble(context: Context, newest: Snapshot) -> None:
    repository = context.repository
    scratch = repository.work / f"latest-{newest.id}"
    await context.in_thread(scratch.unlink, missing_ok=True)
    await context.work(
        ExportJob,
        Exported,
        deadline=float(context.settings.schedule.snapshot_deadline),
        deadline_key="schedule.snapshot_deadline",
        min_free=int(context.settings.repository.min_free),
        chain=await context.in_thread(repository.chain, newest),
        target=str(scratch),
        head=head_of(context, newest),
        record=str(repository.member_record),
    )
    await context.in_thread(repository.place_latest, scratch)


def head_of(context: Context, snapshot: Snapshot) -> Head:
    """Return the head for a standalone file of a snapshot."""
    return Head(
        id=snapshot.id,
        sequence=snapshot.sequence,
        kind=snapshot.kind,
        created_at=snapshot.created_at,
        began_at=snapshot.began_at,
        reasons=snapshot.reasons,
        requests=snapshot.requests,
        note=snapshot.note,
        pinned=snapshot.pinned,
        engine=context.url.engine,
        details=snapshot.details,
        identity=context.repository.catalog.contents.identity,
    )
