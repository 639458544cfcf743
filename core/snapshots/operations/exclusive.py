"""The exclusive lock, which lets one operation at a time change the repository or the database."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from ..errors import OperationCancelled, SnapshotError
from ..files import translate_os_error
from .context import Context

__all__ = ["exclusive", "require_open"]


def require_open(context: Context) -> None:
    """Raise OperationCancelled if the service is closed."""
    if context.closed:
        raise OperationCancelled("The snapshot service is closed; nothing was done.")


@contextlib.asynccontextmanager
async def exclusive(context: Context, operation: str, *, wait: float | None = None) -> AsyncIterator[None]:
    """Hold the repository's lock for an operation, after creating the folders that are missing.

    ``wait`` is how long to wait for another holder, in seconds; None means the setting. Raises Busy, RepositoryError
    and OperationCancelled. An OSError of the operation itself is raised as a RepositoryError.
    """
    require_open(context)
    timeout = float(context.settings.repository.lock_timeout) if wait is None else wait
    await context.in_thread(context.repository.prepare)
    try:
        async with context.lock.held(operation, timeout):
            require_open(context)
            yield
    except OSError as error:
        if isinstance(error, SnapshotError):
            raise
        raise translate_os_error(error, context.repository.root) from error
