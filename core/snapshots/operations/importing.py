"""The import of a file: a database or an archive from elsewhere becomes a snapshot of this repository.

It holds no state of the live database, so it is not of the timeline and never restored by itself before somebody has
restored it by hand. It is pinned, so that retention neither removes it nor counts it in place of another one.
"""

from __future__ import annotations

from pathlib import Path

from ..archive.members import Head
from ..engines import SnapshotResult
from ..errors import ImportRefused
from ..files import remove
from ..models import NOBODY, Actor, Form, Kind, Level, OnProgress, Snapshot, Verification
from ..policies.health import health_of
from ..policies.timeline import timeline
from ..repository.catalog import Contents
from ..repository.names import NOTE_LENGTH, REASON_LENGTH, legible, new_id, relative_path
from ..worker.protocol import ImportJob
from .context import Context
from .exclusive import exclusive
from .identity import identified, require_own
from .journal import journaled
from .rebuild_catalog import readable_contents

__all__ = ["import_file"]


async def import_file(
    context: Context,
    source: Path,
    *,
    note: str | None = None,
    another: bool = False,
    actor: Actor = NOBODY,
    on_progress: OnProgress | None = None,
) -> Snapshot:
    """Take a file into the repository as a verified snapshot and return it; the file stays as it is.

    ``another`` allows a file that shares no table with this database. Raises ImportRefused, AnotherDatabase,
    SnapshotDamaged, DatabaseDamaged, Busy or RepositoryError; nothing was changed then.
    """
    await context.in_thread(_require_elsewhere, context, source)
    async with exclusive(context, "an import", actor=actor):
        contents = await readable_contents(context)
        await require_own(context, contents)
        contents = await identified(context, contents)
        async with journaled(context, "import", actor):
            snapshot = await _import_locked(context, contents, source, note, another, on_progress)
    await context.notify(lambda listener: listener.created(snapshot))
    return snapshot


def _require_elsewhere(context: Context, source: Path) -> None:
    """Raise ImportRefused for what needs no import. Blocks."""
    path, database = source.resolve(), context.url.path
    if not path.exists():
        raise ImportRefused(f"There is no file {source}.", path=str(source))
    if database is not None and path == Path(database).resolve():
        raise ImportRefused(f"{source} is the live database itself: take a snapshot (now).", path=str(source))
    listed = {context.repository.root / each.path for each in context.repository.catalog.contents.snapshots}
    if path in listed:
        raise ImportRefused(f"{source} is in the repository already.", path=str(source))


async def _import_locked(
    context: Context,
    contents: Contents,
    source: Path,
    note: str | None,
    another: bool,
    on_progress: OnProgress | None,
) -> Snapshot:
    snapshot_id = new_id(context.token_hex, {snapshot.id for snapshot in contents.snapshots})
    head = _head(context, contents, snapshot_id, source, note)
    target = context.repository.work / f"snapshot-{snapshot_id}"
    try:
        result = await context.work(
            ImportJob,
            SnapshotResult,
            on_progress,
            deadline=float(context.settings.schedule.restore_deadline),
            min_free=int(context.settings.repository.min_free),
            source=str(await context.in_thread(source.resolve)),  # latest.* is a link
            target=str(target),
            head=head,
            known=() if another else _known_tables(context, contents),
            checks=context.checks(contents, quick=False),
        )
        snapshot = _entry(context, head, result)
        await context.in_thread(context.repository.publish, target, snapshot)
    finally:
        await context.in_thread(remove, target)
    return snapshot


def _known_tables(context: Context, contents: Contents) -> tuple[str, ...]:
    """Return tables that this repository's database has, as far as that is known."""
    critical = context.settings.database.critical_tables
    counted = next((each for each in timeline(contents.snapshots, contents.restores) if each.rows), None)
    return critical or tuple(counted.rows if counted is not None else ())


def _head(context: Context, contents: Contents, snapshot_id: str, source: Path, note: str | None) -> Head:
    now, name = context.clock(), legible(source.name, REASON_LENGTH)
    return Head(
        id=snapshot_id,
        sequence=contents.next_sequence,
        kind=Kind.MANUAL,
        created_at=now,
        began_at=now,
        reasons=(legible(f"import of {name}", REASON_LENGTH),),
        requests=0,
        note=None if note is None else legible(note, NOTE_LENGTH),
        pinned=True,
        engine=context.url.engine,
        details={"imported": name},
        identity=contents.identity,
    )


def _entry(context: Context, head: Head, result: SnapshotResult) -> Snapshot:
    path = relative_path(
        created_at=head.created_at,
        kind=head.kind,
        reason=head.reasons[0],
        snapshot_id=head.id,
        suffix=context.repository.suffix,
    )
    return Snapshot(
        id=head.id,
        sequence=head.sequence,
        kind=head.kind,
        form=Form.FULL,
        base=None,
        path=path,
        created_at=head.created_at,
        began_at=head.began_at,
        reasons=head.reasons,
        requests=0,
        size=result.size,
        database_size=result.database_size,
        fingerprint=result.fingerprint,
        verification=Verification(level=Level.CHECKSUM, at=context.clock(), ok=True),
        pinned=True,
        note=head.note,
        rows=result.rows,
        health=None if result.findings is None else health_of(result.findings, context.clock()),
        details=result.details,
    )
