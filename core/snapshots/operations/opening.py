"""Opening a repository: before the first operation, and by who only reads."""

from __future__ import annotations

import logging
import os

from ..engines import Recovery
from ..errors import AnotherDatabase, Busy, CatalogError, CatalogTooNew, RepositoryError, SnapshotError
from ..repository.names import FOLDERS
from .context import Context
from .exclusive import look_for_repository
from .identity import require_own
from .prune import clean_up_locked
from .rebuild_catalog import adopt_locked
from .restoring.recover import recover_locked
from .restoring.settle import settle

__all__ = ["open_for_reading", "open_repository"]

log = logging.getLogger(__name__)

_OTHERS_WRITE = 0o022


async def open_repository(context: Context) -> str | None:
    """Create missing folders, clean up, rebuild a lost catalog, and adopt files that the catalog does not list.

    Returns what an operation that a crash interrupted has left behind, or None. If another process holds the exclusive
    lock, or the repository is read-only, only the catalog is read. Raises RepositoryError (for every OSError too) or
    CatalogTooNew.
    """
    with context.translating_errors():
        return await _open(context)


async def _open(context: Context) -> str | None:
    if await context.in_thread(lambda: context.repository.is_read_only):
        await context.in_thread(context.repository.refresh)
        await _settle(context)
        return None
    await look_for_repository(context)
    await context.in_thread(context.repository.prepare)
    try:
        async with context.lock.held("a start", 0.0):
            await context.in_thread(_warn_of_others, context)
            # First, before anybody opens the database, and while what it needs in ``.work`` is there.
            settled = await _settle(context)
            if not await _is_own(context):
                return None
            await context.in_thread(context.repository.clean)
            await adopt_locked(context)
            interrupted = await recover_locked(context, context.repository.catalog.contents, settled)
            await clean_up_locked(context)
            return interrupted
    except Busy:
        await context.in_thread(context.repository.refresh)
        return None


def _warn_of_others(context: Context) -> None:
    """Log a warning if other users can write to the repository: whoever can put snapshots there decides what is
    restored.
    """
    repository = context.repository
    folders = [repository.root, repository.work, *(repository.root / name for name in FOLDERS)]
    opened = [str(folder) for folder in folders if folder.stat().st_mode & _OTHERS_WRITE]
    if opened and os.name != "nt" and not context.told_of_others:
        context.told_of_others = True
        log.warning(
            "Other users of this machine can write to the repository, and so to what is restored: chmod go-w %s",
            " ".join(opened),
        )


async def _settle(context: Context) -> Recovery | None:
    """Finish or undo a replacement that a crash interrupted; that this fails is no reason not to start."""
    try:
        return await settle(context)
    except SnapshotError as error:
        log.error("A restore that was interrupted could not be finished or undone: %s", error)
        failed = error
    await context.notify(lambda listener: listener.failed("restore", failed))
    return None


async def open_for_reading(context: Context) -> str | None:
    """Read the catalog and create nothing; only a catalog that cannot be read is rebuilt, where that is possible.

    Returns what ``open_repository`` returns, if that was needed. Raises CatalogError if it cannot be read and the
    repository is read-only, or CatalogTooNew.
    """
    repository = context.repository
    if await context.in_thread(lambda: repository.root.exists() and not repository.root.is_dir()):
        place = str(repository.root)
        raise RepositoryError(f"{place} is a file where the folder of snapshots should be.", path=place)
    try:
        await context.in_thread(repository.refresh)
    except CatalogTooNew:
        raise
    except CatalogError:
        if await context.in_thread(lambda: repository.is_read_only):
            raise
        return await open_repository(context)
    return None


async def _is_own(context: Context) -> bool:
    """Return False if the repository belongs to another database: then nothing is written."""
    try:
        await require_own(context, await context.in_thread(context.repository.refresh))
    except AnotherDatabase as error:
        log.error("%s", error)
        return False
    except CatalogTooNew:
        raise
    except CatalogError:
        return True  # it is rebuilt next
    return True
