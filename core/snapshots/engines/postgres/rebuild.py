"""Rebuild a snapshot in a scratch database, and compare it with what was dumped."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ...archive import full
from ...errors import DatabaseDamaged, DatabaseUnavailable, SnapshotError
from ...models import Kind, Level
from ...progress import Watch
from ..base import ChainFile
from .connection import Address
from .loading.archive_events import Content, verify
from .loading.comparison import holds
from .loading.report import definition_sentences
from .loading.scratch_load import load
from .metadata.model import DatabaseProperties
from .metadata.read import read_metadata
from .scratch import Image, create_scratch, drop, kept_databases, may_create, opened
from .session import Session, connected, maintenance_session

__all__ = ["drop_quietly", "rebuild"]


def rebuild(
    address: Address, busy_timeout: float, archive: ChainFile, image: Path, watch: Watch, *, fresh: bool
) -> Level:
    """Write an image of a snapshot: a scratch database, or only the archive if the role may not create databases.

    Raises SnapshotDamaged if the archive is damaged or the database is not what was dumped.
    """
    with maintenance_session(address, watch, lock_timeout=busy_timeout, patience=busy_timeout) as session:
        if not may_create(session):
            Image(None, archive, verify(archive, watch)).save(image)
            return Level.CHECKSUM
        kept = None if fresh else _kept_equal(session, address, busy_timeout, archive, watch)
        if kept is not None:
            Image(kept[0], archive, kept[1]).save(image)
            return Level.CHECKSUM  # the same state, but not made from the archive
        name = create_scratch(session, address.database, _properties(archive))
    scratch = address.with_database(name)
    try:
        content, left_out = load(archive, scratch, watch)
        differences: tuple[str, ...] = ()
        if content.metadata is not None:
            with connected(scratch, watch, lock_timeout=busy_timeout) as inside:
                differences = definition_sentences(
                    left_out, read_metadata(inside, name), content.metadata, wording=False
                )
        Image(name, archive, content, tuple(left_out), differences).save(image)
    except BaseException:
        drop_quietly(address, name)
        raise
    return Level.RESTORED


def _properties(archive: ChainFile) -> DatabaseProperties | None:
    """Return the properties that the database had, None in archives of older versions."""
    return DatabaseProperties.of_details(full.read_head(Path(archive.path)).details)


def _kept_equal(
    session: Session, address: Address, busy_timeout: float, archive: ChainFile, watch: Watch
) -> tuple[str, Content] | None:
    """Return the database that the last restore kept, and its content, if it equals the snapshot.

    So the restore of a safety snapshot, which undoes a restore, loads nothing. Only safety snapshots are of the moment
    of a restore, so other archives are not even read.
    """
    kept = next(iter(kept_databases(session, address.database)), None)
    if kept is None or full.read_head(Path(archive.path)).kind is not Kind.SAFETY:
        return None
    content = verify(archive, watch)
    # If it cannot be read, the snapshot is loaded like any other.
    with (
        contextlib.suppress(DatabaseDamaged, DatabaseUnavailable),
        opened(session, kept.name),
        connected(address.with_database(kept.name), watch, lock_timeout=busy_timeout) as inside,
        inside.snapshot(),
    ):
        if holds(inside, content):
            return kept.name, content
    return None


def drop_quietly(address: Address, name: str) -> None:
    """Drop a scratch database even after the deadline; what cannot be dropped now, the next start finds."""
    with contextlib.suppress(SnapshotError), maintenance_session(address, Watch(), lock_timeout=5.0) as session:
        drop(session, name)
