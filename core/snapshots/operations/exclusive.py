"""One change at a time: the repository's lock, as the operations that change something hold it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from ..errors import OperationCancelled, SnapshotError
from ..files import translate_os_error
from .context import Context

__all__ = ["exclusive", "require_open"]


def require_open(context: Context) -> None:
    """Raise OperationCancelled if the service was closed."""
    if context.closed:
        raise OperationCancelled("The snapshot service is closed; nothing was done.")


@contextlib.asynccontextmanager
async def exclusive(context: Context, operation: str, *, wait: float | None = None) -> AsyncIterator[None]:
    """Hold the repository's lock for an operation; missing folders are created first.

    ``wait`` is how long to wait for another holder, in seconds; None means the setting. Raises Busy, RepositoryError,
    OperationCancelled, and every OSError of the operation as a RepositoryError.
    """
    require_open(context)
    patience = float(context.settings.repository.lock_timeout) if wait is None else wait
    await context.in_thread(context.repository.prepare)
    try:
        async with context.lock.held(operation, patience):
            require_open(context)
            yield
    except OSError as error:
        if isinstance(error, SnapshotError):
            raise
        raise translate_os_error(error, context.repository.root) from error
