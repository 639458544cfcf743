"""The import of a PostgreSQL snapshot of Savepoint's from elsewhere: the same dump, in an archive with a new name."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ...archive import full
from ...archive.members import Head
from ...progress import Watch
from ..base import SnapshotResult
from ..foreign import GZIP, beginning_of, head_of, kind_of, refused, require_kinship

__all__ = ["take_in"]


def take_in(
    source: Path, target: Path, scratch: Path, head: Head, known: tuple[str, ...], watch: Watch
) -> SnapshotResult:
    """Write the archive of a file. Raises ImportRefused, AnotherDatabase or SnapshotDamaged."""
    beginning = beginning_of(source)
    if not beginning.startswith(GZIP):
        what = kind_of(beginning)
        raise refused(source, f"it is {what}, and only a full of Savepoint's (.sql.gz) can be taken in")
    before = head_of(source, beginning, "postgresql")
    if before is None:
        raise refused(source, "only a full of Savepoint's (.sql.gz) can be taken in; load it, then take a snapshot")
    dump = scratch / "imported.sql"
    tail = full.extract(source, dump, fingerprint=None, size=None, watch=watch)
    require_kinship(source, tail.rows, known)
    new = msgspec.structs.replace(head, details=before.details | head.details)
    with dump.open("rb") as content:
        full.write_full(target, content, new, tail.rows, watch, health=lambda: tail.health, tables=lambda: tail.tables)
    full.verify(target, fingerprint=tail.fingerprint, size=tail.size, watch=watch)
    return SnapshotResult(
        unchanged=False,
        fingerprint=tail.fingerprint,
        size=target.stat().st_size,
        database_size=tail.size,
        rows=tail.rows,
        findings=None if tail.health is None else tail.health.findings,
        details=new.details,
    )
