"""The import of a SQLite database, or of a gzip of one: its image, whether that can be relied on, and its archive.

A database is copied with what its ``-wal`` holds; an archive of Savepoint's is verified by its own fingerprint, and any
other gzip by the checks of what is in it.
"""

from __future__ import annotations

import shutil
import zlib
from pathlib import Path

import msgspec

from ...archive import full
from ...archive.members import Head
from ...errors import DatabaseDamaged, SnapshotDamaged
from ...files import require_space, sync_file
from ...models import Verdict
from ...policies.health import judge
from ...progress import Watch
from ..base import Checks, Engine, ParentSnapshot, SnapshotResult
from ..foreign import GZIP, beginning_of, head_of, kind_of, refused, require_kinship
from .connections import reading_image
from .source import read_image
from .structure import table_names

__all__ = ["archive_of", "image_of"]

_HEADER = b"SQLite format 3\0"
_MODE_BYTES = slice(18, 20)
_WAL_MODE = b"\2\2"
_BUFFER = 1 << 20


def image_of(source: Path, scratch: Path, busy_timeout: float, watch: Watch) -> Path:
    """Return a copy of the database in a file. Raises ImportRefused, AnotherDatabase, SnapshotDamaged and more."""
    beginning = beginning_of(source)
    if beginning.startswith(GZIP):
        return _unpacked(source, head_of(source, beginning, "sqlite"), scratch, watch)
    if not beginning.startswith(_HEADER):
        raise refused(source, f"it is {kind_of(beginning)}")
    return _copied(source, beginning, scratch, busy_timeout, watch)


def _unpacked(source: Path, head: Head | None, scratch: Path, watch: Watch) -> Path:
    """Expand a gzip; one of Savepoint's must give its own fingerprint."""
    image = scratch / "imported.db"
    if head is not None:
        require_space(scratch, full.read_tail(source).size, 0)
        full.extract(source, image, fingerprint=None, size=None, watch=watch)
    else:
        _gunzip(source, image, watch)
    beginning = beginning_of(image)
    if not beginning.startswith(_HEADER):
        raise refused(source, f"what is in it is {kind_of(beginning)}")
    return image


def _gunzip(source: Path, image: Path, watch: Watch) -> None:
    watch.phase("extract", source.stat().st_size)
    with source.open("rb") as packed, full.new_file(image) as output:
        stream = zlib.decompressobj(wbits=31)
        ended = False
        while piece := packed.read(_BUFFER):
            watch.advance(len(piece))
            while piece:
                try:
                    content = stream.decompress(piece, _BUFFER)
                except zlib.error as error:
                    raise SnapshotDamaged(f"The file {source.name} is damaged: {error}.", path=str(source)) from error
                output.write(content)
                watch.wrote(len(content))
                ended = stream.eof
                # A gzip can have several members, and the rest of one is the beginning of the next.
                piece = stream.unused_data if ended else stream.unconsumed_tail
                if ended and piece:
                    stream = zlib.decompressobj(wbits=31)
        if not ended:
            raise SnapshotDamaged(f"The file {source.name} is damaged: it was cut off.", path=str(source))


def _copied(source: Path, beginning: bytes, scratch: Path, busy_timeout: float, watch: Watch) -> Path:
    """Copy a database with what its write-ahead log or its rollback journal holds."""
    image = scratch / "imported.db"
    require_space(scratch, source.stat().st_size, 0)
    beside = any(source.with_name(source.name + ending).exists() for ending in ("-wal", "-journal"))
    if beginning[_MODE_BYTES] == _WAL_MODE and not beside:
        # Nobody has it open, and opening it would make files beside it.
        shutil.copyfile(source, image)
        sync_file(image)
    else:
        read_image(source.resolve(), image, busy_timeout, watch)
    return image


def archive_of(
    engine: Engine,
    image: Path,
    source: Path,
    target: Path,
    scratch: Path,
    head: Head,
    known: tuple[str, ...],
    checks: Checks,
    watch: Watch,
) -> SnapshotResult:
    """Check an image, and write its archive as the engine of that image writes the one of a live database.

    Raises DatabaseDamaged, and AnotherDatabase if it has none of the tables ``known``.
    """
    report = engine.check_image(image, checks, watch)
    verdict = judge(report.findings)
    first = report.findings[0].message if report.findings else ""
    if verdict is Verdict.UNREADABLE:
        raise DatabaseDamaged(
            f"{source} cannot be imported, because it is damaged: {first} Nothing was changed.",
            path=str(source),
            detail=first,
        )
    with reading_image(image, watch) as connection:
        tables = table_names(connection)
    require_kinship(source, tables, known)
    alone = ParentSnapshot(
        id=None,
        fingerprint=None,
        index=str(scratch / "index"),
        record=str(scratch / "record"),
        full=None,
        full_id=None,
        incremental=False,
        skip_unchanged=False,
    )
    result = engine.snapshot(target, scratch, head, (), alone, watch)
    details = {key: value for key, value in result.details.items() if key != "device"} | head.details
    return msgspec.structs.replace(result, findings=report.findings, details=details)
