"""One operation's turn at the repository: the lock, and a catalog that can be relied on while it is held."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator

from ..errors import CatalogError, CatalogTooNew, OperationCancelled, SnapshotError
from ..files import translate_os_error
from ..repository.catalog import Contents
from .context import Context
from .rebuild_catalog import rebuild_locked

__all__ = ["require_open", "turn"]

log = logging.getLogger(__name__)


def require_open(context: Context) -> None:
    """Raise OperationCancelled where the service was closed."""
    if context.closed:
        raise OperationCancelled("The snapshot service is closed; nothing was done.")


@contextlib.asynccontextmanager
async def turn(context: Context, operation: str, *, wait: float | None = None) -> AsyncIterator[Contents]:
    """Hold the repository for an operation and give the catalog's contents as they are then.

    ``wait`` is how long others may have it first, in seconds; None takes the setting. A folder or a catalog that was
    lost meanwhile is made again. Raises Busy, RepositoryError, CatalogTooNew.
    """
    require_open(context)
    patience = float(context.settings.repository.lock_timeout) if wait is None else wait
    await context.in_thread(context.repository.prepare)
    try:
        async with context.lock.held(operation, patience):
            require_open(context)
            yield await _contents(context)
    except OSError as error:
        if isinstance(error, SnapshotError):
            raise
        raise translate_os_error(error, context.repository.root) from error


async def _contents(context: Context) -> Contents:
    try:
        return await context.in_thread(context.repository.refresh)
    except CatalogTooNew:
        raise
    except CatalogError as error:
        log.error("%s It is rebuilt from the snapshot files.", error)
        await rebuild_locked(context)
        return context.repository.catalog.contents
