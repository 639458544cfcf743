"""What a restore would lose, row by row, for its preview."""

from __future__ import annotations

from ...errors import SnapshotError
from ...history.questions import AskLoss
from ...models import Loss, Snapshot
from ...policies.timeline import timeline
from ...repository.catalog import Contents
from ...worker.protocol import HistoryJob
from ..context import Context
from .queries import files_for, player_settings

__all__ = ["loss_since"]

_SECONDS = 15.0
"""How long a preview compares at most: a person waits for it."""


async def loss_since(context: Context, contents: Contents, snapshot: Snapshot) -> Loss:
    """Return what was written since a snapshot; ``problem`` says why if that cannot be told in time."""
    newest = await _equal_to_now(context, contents)
    if newest is not None and newest.id == snapshot.id:
        return Loss()
    points = [snapshot] if newest is None or newest.sequence < snapshot.sequence else [snapshot, newest]
    try:
        return await context.work(
            HistoryJob,
            Loss,
            deadline=_SECONDS,
            deadline_key="",
            question=AskLoss(settings=player_settings(context), now=len(points) == 1),
            files=await context.in_thread(files_for, context, contents, points, present=len(points) == 1),
        )
    except (SnapshotError, OSError) as error:
        return Loss(problem=f"What was written since could not be compared: {error}")


async def _equal_to_now(context: Context, contents: Contents) -> Snapshot | None:
    """Return the newest snapshot if nobody wrote since: two snapshots are compared quicker than one with now."""
    newest = next(iter(timeline(contents.snapshots, contents.restores)), None)
    if newest is None or newest.damaged or context.covered is None:
        return None
    token = await context.probe.token()
    return newest if token is not None and context.covered == (token, newest.id) else None
