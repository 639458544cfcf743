"""The repair of the catalog: adopt files that it does not list, and rebuild it when it is lost.

Each file is verified before it is listed, so both take as long as reading the files. Nothing is removed: a file that
is no sound snapshot stays where it is and is named in the report.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

import msgspec

from ..errors import CatalogError, CatalogTooNew
from ..models import NOBODY, Actor, Health, Level, OnProgress, RebuildReport, Snapshot, Verification
from ..policies.chain import dependants_of
from ..policies.retention import restorable
from ..repository.catalog import Contents
from ..units import count_text, printable
from ..worker.protocol import ScanJob, ScannedFile, ScanResult
from .context import Context
from .exclusive import exclusive
from .journal import journaled
from .latest import refresh_latest

__all__ = ["adopt_locked", "readable_contents", "rebuild_catalog", "rebuild_locked", "with_memory"]

log = logging.getLogger(__name__)

_SECONDS_PER_FILE = 600.0


async def adopt_locked(context: Context) -> None:
    """Read the catalog, verify and list the snapshot files it lacks, and mark entries whose file is lost as damaged.

    A catalog that is missing or cannot be read is rebuilt; raises CatalogTooNew for one of a newer version.
    """
    repository = context.repository
    try:
        contents = await context.in_thread(repository.refresh)
    except CatalogTooNew:
        raise
    except CatalogError as error:
        log.error("%s It is rebuilt from the snapshot files.", error)
        await rebuild_locked(context)
        return
    if repository.catalog.is_old:
        await _upgrade(context, contents)
        contents = repository.catalog.contents
    unknown = await context.in_thread(repository.unknown_files)
    if unknown:
        log.warning("Adopting %s that the catalog does not list", count_text(len(unknown), "snapshot file"))
        found = await _scan(context, unknown, None)
        await context.in_thread(_list_all, context, contents, found)
    await _look_again(context)
    await context.in_thread(_mark_lost, context)
    await refresh_latest(context)


async def _look_again(context: Context) -> None:
    """List anew what was found damaged and has another size now: a file that was still being copied to its place.

    What builds on it was marked with it, so that is looked at too.
    """
    contents = context.repository.catalog.contents
    changed = await context.in_thread(_changed_since, context, contents)
    if not changed:
        return
    files = await context.in_thread(_files, context, [each.path for each in changed])
    sound = tuple(each for each in await _scan(context, files, None) if each.snapshot and not each.problem)
    names = {each.name for each in sound}
    base = contents.without({each.id for each in changed if each.path in names})
    await context.in_thread(_list_all, context, base, sound, contents)


def _changed_since(context: Context, contents: Contents) -> tuple[Snapshot, ...]:
    size = context.repository.store.size
    found: dict[str, Snapshot] = {}
    for each in contents.snapshots:
        if each.damaged and size(each.path) not in (None, each.size):
            found |= {other.id: other for other in (each, *dependants_of(each, contents.snapshots))}
    return tuple(each for each in found.values() if each.damaged and size(each.path) is not None)


async def _upgrade(context: Context, contents: Contents) -> None:
    """Free the snapshots that the first edition marked damaged for what was in them, not for their bytes.

    Each is verified by its fingerprint; one that gives it back is no longer damaged.
    """
    repository = context.repository
    marked = await context.in_thread(
        lambda: [each for each in contents.snapshots if each.damaged and repository.is_stored(each)]
    )
    if marked:
        log.info("The catalog is of the first edition: %d snapshots marked damaged are verified again", len(marked))
        files = await context.in_thread(_files, context, [each.path for each in marked])
        sound = {each.snapshot.id for each in await _scan(context, files, None) if each.snapshot and not each.problem}
        freed = [
            msgspec.structs.replace(each, verification=Verification(level=Level.CHECKSUM, at=context.clock(), ok=True))
            for each in marked
            if each.id in sound
        ]
        await context.in_thread(repository.update, *freed)
    await context.in_thread(repository.catalog.upgrade)


async def rebuild_catalog(
    context: Context, on_progress: OnProgress | None = None, *, actor: Actor = NOBODY
) -> RebuildReport:
    """Rebuild the catalog from the snapshot files; the old one is kept under another name."""
    # No ``readable_contents`` here: it would rebuild an unreadable catalog first, for nothing.
    async with (
        exclusive(context, "a rebuild of the catalog", actor=actor),
        journaled(context, "rebuild of the catalog", actor),
    ):
        return await rebuild_locked(context, on_progress)


async def readable_contents(context: Context) -> Contents:
    """Return the catalog's contents; the caller holds the exclusive lock.

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
    """Rebuild the catalog from the snapshot files; the caller holds the exclusive lock.

    Pins, reasons and verifications come from the old catalog, as far as it can still be read.
    """
    repository = context.repository
    old = await context.in_thread(repository.catalog.salvage)
    files = await context.in_thread(lambda: _files(context, sorted(repository.snapshot_files())))
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


def _files(context: Context, names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return each name with the path from which it can be read. Blocks."""
    return tuple((name, str(context.repository.store.fetch(name))) for name in names)


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
        deadline_key="",
        files=files,
        at=context.clock(),
    )
    for archived in scanned.files:
        if archived.problem:
            log.error("The file %s is not a sound snapshot: %s", archived.name, printable(archived.problem))
    return scanned.files


def _list_all(context: Context, base: Contents, found: tuple[ScannedFile, ...], old: Contents | None = None) -> None:
    remembered = {snapshot.id: snapshot for snapshot in (old.snapshots if old else ())}
    snapshots = {snapshot.id: snapshot for snapshot in base.snapshots}
    unread = {archived.name for archived in found if archived.unread}
    snapshots |= {each.id: each for each in remembered.values() if each.path in unread}
    for archived in found:
        if archived.snapshot is not None:
            known = remembered.get(archived.snapshot.id)
            snapshots.setdefault(archived.snapshot.id, with_memory(archived.snapshot, known))
    listed = base.with_snapshots(_with_inherited_health(snapshots.values()))
    if listed.identity is None and found:
        newest = max(found, key=lambda each: each.snapshot.sequence if each.snapshot else 0)
        listed = msgspec.structs.replace(listed, identity=newest.identity)
    context.repository.catalog.change(lambda _: listed)


def with_memory(found: Snapshot, known: Snapshot | None) -> Snapshot:
    """Return what was read from a file with what only its old entry in the catalog knows, if that is of the same state.

    A full that is not whole has no fingerprint, and what was known of it is not lost by that.
    """
    if known is None or (known.fingerprint and found.fingerprint and known.fingerprint != found.fingerprint):
        return found
    return msgspec.structs.replace(
        found,
        pinned=known.pinned,
        kept_until=known.kept_until,
        note=known.note or found.note,
        reasons=known.reasons,
        requests=known.requests,
        restored_at=known.restored_at if not found.damaged else None,
        restored_seconds=known.restored_seconds if not found.damaged else None,
        health=known.health or found.health,
    )


def _with_inherited_health(snapshots: Iterable[Snapshot]) -> Iterator[Snapshot]:
    """Yield the snapshots, and give incrementals whose state nobody looked at the health of what they build on."""
    known: dict[str, Health | None] = {}
    for snapshot in sorted(snapshots, key=lambda each: each.sequence):
        if snapshot.health is None and snapshot.base is not None:
            snapshot = msgspec.structs.replace(snapshot, health=known.get(snapshot.base))
        known[snapshot.id] = snapshot.health
        yield snapshot


def _mark_lost(context: Context) -> None:
    """Mark snapshots as damaged if their file, or one of their chain, is missing or has another size."""
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

    # Written even without snapshots: somebody who lists during the first publication must find a catalog.
    context.repository.catalog.change(mark)
