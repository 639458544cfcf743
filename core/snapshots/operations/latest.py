"""Keeping ``latest.*`` a file that any gzip tool turns into the newest database state.

Where the newest state of the kinds that count is a full, it is a link to it; where it is an incremental, a file of its
own, put together from its chain. Either is put into place in one step.
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
    """Make ``latest.*`` the newest sound state, inside an operation that holds the repository.

    That it fails is told and logged, and changes nothing else: the snapshots are what counts.
    """
    repository, kinds = context.repository, context.settings.repository.latest_after
    try:
        wanted = await context.in_thread(repository.wanted_latest, kinds)
        if wanted is None:
            await context.in_thread(repository.drop_unfit_latest)
            return
        if wanted.form is Form.FULL:
            await context.in_thread(repository.link_latest, wanted)
        else:
            await _assemble(context, wanted)
    except (SnapshotError, OSError) as caught:
        log.error("%s could not be refreshed: %s", repository.latest.name, caught)
        error = caught if isinstance(caught, SnapshotError) else SnapshotError(str(caught))
        await context.notify(lambda listener: listener.failed("latest", error))


async def _assemble(context: Context, wanted: Snapshot) -> None:
    repository = context.repository
    scratch = repository.work / f"latest-{wanted.id}"
    await context.in_thread(scratch.unlink, missing_ok=True)
    await context.work(
        ExportJob,
        Exported,
        deadline=float(context.settings.schedule.snapshot_deadline),
        min_free=int(context.settings.repository.min_free),
        chain=await context.in_thread(repository.chain, wanted),
        target=str(scratch),
        head=head_of(context, wanted),
        record=str(repository.member_record),
    )
    await context.in_thread(repository.place_latest, scratch)


def head_of(context: Context, snapshot: Snapshot) -> Head:
    """Give the head of a file that holds a snapshot by itself."""
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
    )
