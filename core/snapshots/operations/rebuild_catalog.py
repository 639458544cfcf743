"""Making the catalog true again: adopting files it does not list, and rebuilding it when it is lost.

Each file is proven before it is listed, so both take as long as reading the files. Nothing is removed: a file that is
no sound snapshot stays where it is and is named in the report.
"""

from __future__ import annotations

import logging

import msgspec

from ..errors import CatalogError, CatalogTooNew
from ..models import NOBODY, Actor, Level, OnProgress, RebuildReport, Snapshot, Verification
from ..policies.retention import restorable
from ..repository.catalog import Contents
from ..worker.protocol import ScanJob, ScannedFile, ScanResult
from .context import Context
from .exclusive import exclusive
from .journal import journaled
from .latest import refresh_latest

__all__ = ["adopt_locked", "readable_contents", "rebuild_catalog", "rebuild_locked"]

log = logging.getLogger(__name__)

_SECONDS_PER_FILE = 600.0


async def adopt_locked(context: Context, on_progress: OnProgress | None = None) -> None:
    """Read the catalog; prove and list the snapshot files it lacks, and mark what it lists and is not there.

    A catalog that is missing or cannot be read is rebuilt; raises CatalogTooNew for one of a newer version.
    """
    repository = context.repository
    try:
        contents = await context.in_thread(repository.refresh)
    except CatalogTooNew:
        raise
    except CatalogError as error:
        log.error("%s It is rebuilt from the snapshot files.", error)
        await rebuild_locked(context, on_progress)
        return
    unknown = await context.in_thread(repository.unknown_files)
    if unknown:
        log.warning("%d snapshot files are not in the catalog: they are checked and listed", len(unknown))
        found = await _scan(context, unknown, on_progress)
        await context.in_thread(_list_all, context, contents, found)
    await context.in_thread(_mark_lost, context)
    await refresh_latest(context)


async def rebuild_catalog(
    context: Context, on_progress: OnProgress | None = None, *, actor: Actor = NOBODY
) -> RebuildReport:
    """Make the catalog anew from the snapshot files alone; the old one is kept beside it."""
    # Not ``readable_contents``: the catalog may be just what cannot be read.
    async with exclusive(context, "a rebuild of the catalog"), journaled(context, "rebuild of the catalog", actor):
        return await rebuild_locked(context, on_progress)


async def readable_contents(context: Context) -> Contents:
    """Return the catalog's contents, inside an operation that holds the repository.

    A catalog that is missing or cannot be read is rebuilt; raises CatalogTooNew for one of a newer version.
    """
    try:
        return await context.in_thread(context.repository.refresh)
    except CatalogTooNew:
        raise
    except CatalogError as error:
        log.error("%s It is rebuilt from the snapshot files.", error)
        await rebuild_locked(context)
        return context.repository.catalog.contents


async def rebuild_locked(context: Context, on_progress: OnProgress | None = None) -> RebuildReport:
    """Make the catalog anew from the snapshot files, with what only the old one knew where that can still be read."""
    repository = context.repository
    old = await context.in_thread(repository.catalog.remembered)
    names = await context.in_thread(lambda: sorted(repository.snapshot_files()))
    files = tuple((name, str(repository.store.fetch(name))) for name in names)
    found = await _scan(context, files, on_progress) if files else ()
    await context.in_thread(repository.catalog.set_aside, context.clock())
    await context.in_thread(_list_all, context, _emptied(old), found, old)
    await context.in_thread(_mark_lost, context)
    await refresh_latest(context)
    context.covered = None
    return RebuildReport(
        snapshots=sum(archived.snapshot is not None for archived in found),
        damaged=tuple(archived.name for archived in found if archived.snapshot and archived.problem),
        unreadable=tuple(archived.name for archived in found if archived.snapshot is None),
    )


def _emptied(old: Contents) -> Contents:
    return msgspec.structs.replace(old, snapshots=())


async def _scan(
    context: Context, files: tuple[tuple[str, str], ...], on_progress: OnProgress | None
) -> tuple[ScannedFile, ...]:
    scanned = await context.work(
        ScanJob,
        ScanResult,
        on_progress,
        deadline=_SECONDS_PER_FILE * len(files),
        files=files,
        at=context.clock(),
    )
    for archived in scanned.files:
        if archived.problem:
            log.error("The file %s is not a sound snapshot: %s", archived.name, archived.problem)
    return scanned.files


def _list_all(context: Context, base: Contents, found: tuple[ScannedFile, ...], old: Contents | None = None) -> None:
    remembered = {snapshot.id: snapshot for snapshot in (old.snapshots if old else ())}
    snapshots = {snapshot.id: snapshot for snapshot in base.snapshots}
    for archived in found:
        if archived.snapshot is not None:
            known = remembered.get(archived.snapshot.id)
            snapshots.setdefault(archived.snapshot.id, _with_memory(archived.snapshot, known))
    context.repository.catalog.change(lambda _: base.with_snapshots(snapshots.values()))


def _with_memory(found: Snapshot, known: Snapshot | None) -> Snapshot:
    """Keep what only the old catalog knew, where it speaks of the same bytes."""
    if known is None or known.fingerprint != found.fingerprint:
        return found
    return msgspec.structs.replace(
        found,
        pinned=known.pinned,
        reasons=known.reasons,
        requests=known.requests,
        restored_at=known.restored_at if not found.damaged else None,
    )


def _mark_lost(context: Context) -> None:
    """Mark snapshots whose file is gone or has another size, and what builds on such: listed, but not promised."""
    now = context.clock()

    def damaged(snapshot: Snapshot) -> Snapshot:
        log.error(
            "Snapshot %s cannot be restored: its file, or one it builds on, is lost: %s", snapshot.id, snapshot.path
        )
        return msgspec.structs.replace(snapshot, verification=Verification(level=Level.CHECKSUM, at=now, ok=False))

    def mark(contents: Contents) -> Contents:
        stored = [each for each in contents.snapshots if context.repository.is_stored(each)]
        sound = restorable(stored)
        return contents.with_snapshots(
            each if each.damaged or each.id in sound else damaged(each) for each in contents.snapshots
        )

    # Written also where there is nothing yet: whoever lists beside the first publication must find a catalog.
    context.repository.catalog.change(mark)
