"""One consistent image of a live database, while the game goes on writing.

The pinned backup: a read transaction is opened on the very connection the backup API reads from, so that every step
sees the same commit and a foreign write cannot make the backup start over
(https://www.sqlite.org/c3ref/backup_finish.html says it restarts when the source changes; a source that is pinned
does not). In WAL mode writers go on; in rollback mode they wait for the reader, so the image is copied first, as fast
as the disk takes it, and compressed after.

The image's header keeps the WAL flag of its source in bytes 18 and 19 (https://www.sqlite.org/fileformat2.html, 1.3.3).
The image is put into rollback mode, so that whoever opens it finds it complete and no ``-wal`` appears beside it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import msgspec

from ...errors import DatabaseMissing
from ...progress import Watch
from .connections import beginning, reading

__all__ = ["Image", "copy_pinned", "read_image"]

STEP_BYTES = 1 << 20
ROLLBACK_FLAGS = b"\x01\x01"
FLAGS_OFFSET = 18


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """A private copy of a database in rollback mode; ``journal_mode`` is the one its source had."""

    path: Path
    page_size: int
    page_count: int
    journal_mode: str

    @property
    def size(self) -> int:
        """The image's size in bytes."""
        return self.page_size * self.page_count


def read_image(path: Path, target: Path, busy_timeout: float, watch: Watch) -> Image:
    """Copy the committed state of a live database to ``target``.

    Raises DatabaseMissing, DatabaseBusy, DatabaseDamaged, DatabaseUnavailable, or what the watch raises.
    """
    with reading(path, busy_timeout, watch) as source, beginning(source):
        return copy_pinned(source, target, watch)


def copy_pinned(source: sqlite3.Connection, target: Path, watch: Watch) -> Image:
    """Copy what a connection sees inside its open read transaction; see ``read_image``."""
    page_size = int(source.execute("PRAGMA page_size").fetchone()[0])
    page_count = int(source.execute("PRAGMA page_count").fetchone()[0])
    journal_mode = str(source.execute("PRAGMA journal_mode").fetchone()[0])
    if page_count == 0:
        raise DatabaseMissing("The database is empty: there is nothing in it yet.", path="")
    watch.phase("read", page_size * page_count)
    done = 0

    def progress(_status: int, remaining: int, total: int) -> None:
        nonlocal done
        copied = (total - remaining) * page_size
        watch.wrote(copied - done)
        watch.advance(copied - done)
        done = copied
        watch.check()

    with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
        target.chmod(0o600)
        copy.execute(f"PRAGMA page_size = {page_size}")
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        source.backup(copy, pages=max(1, STEP_BYTES // page_size), progress=progress, sleep=0.01)
    with target.open("r+b") as file:
        file.seek(FLAGS_OFFSET)
        file.write(ROLLBACK_FLAGS)
    return Image(path=target, page_size=page_size, page_count=page_count, journal_mode=journal_mode)
