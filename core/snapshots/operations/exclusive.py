"""The exclusive lock, which lets one operation at a time change the repository or the database."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

from ..errors import OperationCancelled
from ..models import NOBODY, Actor, Doing, OnWait
from ..repository.lock import Holder
from .context import Context
from .whereabouts import require_there

__all__ = ["exclusive", "look_for_repository", "require_open"]


def require_open(context: Context) -> None:
    """Raise OperationCancelled if the service is closed."""
    if context.closed:
        raise OperationCancelled("The snapshot service is closed; nothing was done.")


async def look_for_repository(context: Context) -> None:
    """Notify the listeners once if the repository lost its snapshots; raise RepositoryVanished on another disk."""
    gone = await context.in_thread(require_there, context)
    if gone is not None and not context.told_gone:
        context.told_gone = True
        await context.notify(lambda listener: listener.noticed("vanished", gone))


@contextlib.asynccontextmanager
async def exclusive(
    context: Context,
    operation: str,
    *,
    actor: Actor = NOBODY,
    wait: float | None = None,
    on_wait: OnWait | None = None,
    beginning_anew: bool = False,
) -> AsyncIterator[None]:
    """Hold the repository's lock for an operation, after creating the folders that are missing.

    ``actor`` is who asked for it. ``wait`` is how long to wait for another holder, in seconds; None means the setting.
    ``on_wait`` is called once with what is waited for; whoever is told that waits as long as a snapshot may take.
    ``beginning_anew`` allows that the repository had snapshots and has none now. Raises Busy, RepositoryError
    (RepositoryVanished too) and OperationCancelled. An OSError of the operation itself is raised as a RepositoryError.
    """
    require_open(context)
    if not beginning_anew:
        await look_for_repository(context)
    settings = context.settings
    usual = settings.repository.lock_timeout if on_wait is None else settings.schedule.snapshot_deadline
    timeout = float(usual) if wait is None else wait
    await context.in_thread(context.repository.prepare)
    with context.translating_errors():
        asked_by = None if actor == NOBODY else actor
        async with context.lock.held(operation, timeout, actor=asked_by, on_wait=_telling(on_wait)):
            require_open(context)
            with context.shown(operation, actor):
                yield


def _telling(on_wait: OnWait | None) -> Callable[[Holder], None] | None:
    if on_wait is None:
        return None
    return lambda holder: on_wait(Doing(operation=holder.operation, since=holder.since, actor=holder.actor))
