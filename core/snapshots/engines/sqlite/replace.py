"""Replace the content of the live database by a rebuilt image.

Online, which is the usual way: ``write_online`` runs a backup from the image into the database that others have open.
It is one transaction, so a crash, a full disk or a deadline leaves the old content, and open readers keep their view
(https://www.sqlite.org/backup.html).

If SQLite cannot open the database, its files are exchanged: see ``exchanging``.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

from ...archive.fingerprint import BLOCK
from ...errors import DatabaseBusy, SnapshotError
from ...progress import Watch
from .access import require_writable
from .connections import attach_watch, read_transaction, reading_image, writing
from .source import copy_pinned

__all__ = ["NotConvertible", "same_content", "write_online"]

_STEP_PAGES = 256
_LOCK_STEP = 200
"""How long SQLite waits for a lock before the deadline is checked again, in milliseconds."""
_VOLATILE = ((18, 20), (24, 28), (40, 44), (92, 100))
"""Header bytes that SQLite changes whenever it writes: journal flags, change counter, schema cookie,
version-valid-for and the library's version (https://www.sqlite.org/fileformat2.html, 1.3)."""


class NotConvertible(Exception):
    """The image needs another page size, and only the host has the collation or module that this takes."""


def write_online(path: Path, image: Path, scratch: Path, busy_timeout: float, watch: Watch) -> bool | None:
    """Write an image into a live database. Return True if the result is identical, None if that is unknown.

    It is unknown if another connection wrote in the meantime, or if the result could not be read. Raises DatabaseBusy
    if another connection holds a lock for longer than ``busy_timeout`` seconds, NotConvertible, and what the watch
    raises; the database is unchanged then.
    """
    require_writable(path)
    with writing(path, busy_timeout, watch) as live:
        # Short waits from here on, so that the deadline is checked between them.
        live.execute(f"PRAGMA busy_timeout = {_LOCK_STEP}")
        source = _with_page_size(image, int(live.execute("PRAGMA page_size").fetchone()[0]), live, scratch, watch)
        # This number changes with every commit of another connection, but not with those of its own.
        version = _data_version(live)
        with reading_image(source, watch) as content:
            _backup_into(content, live, path, busy_timeout, watch)
        watch.commit()
        # The database is restored now: no later error may be reported as a failed restore.
        live.execute(f"PRAGMA busy_timeout = {round(busy_timeout * 1000)}")
        return _is_identical(live, source, scratch / "result.db", version, watch)


def _is_identical(live: sqlite3.Connection, source: Path, result: Path, version: int, watch: Watch) -> bool | None:
    try:
        with read_transaction(live):
            untouched = _data_version(live) == version
            copy_pinned(live, result, watch)
        same = same_content(source, result, watch)
    except (sqlite3.Error, SnapshotError, OSError):
        return None
    finally:
        result.unlink(missing_ok=True)
    return same if same or untouched else None


def _data_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _with_page_size(image: Path, page_size: int, live: sqlite3.Connection, scratch: Path, watch: Watch) -> Path:
    """Return the image, or a copy with the page size of a live WAL database, which SQLite cannot change in place."""
    with reading_image(image, watch) as content:
        same = int(content.execute("PRAGMA page_size").fetchone()[0]) == page_size
        if same or live.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            return image
        target = scratch / "page-size.db"
        target.unlink(missing_ok=True)
    # VACUUM uses the page size that is set on its connection, and cannot run on an immutable database.
    with contextlib.closing(sqlite3.connect(image, isolation_level=None)) as content:
        attach_watch(content, watch)
        content.execute(f"PRAGMA page_size = {page_size}")
        try:
            content.execute("VACUUM INTO ?", (str(target),))
        except sqlite3.OperationalError as error:
            if not str(error).startswith("no such "):
                raise
            raise NotConvertible(str(error)) from error
    watch.check()
    return target


def _backup_into(
    content: sqlite3.Connection, live: sqlite3.Connection, path: Path, busy_timeout: float, watch: Watch
) -> None:
    page_size = int(content.execute("PRAGMA page_size").fetchone()[0])
    watch.phase("write", page_size * int(content.execute("PRAGMA page_count").fetchone()[0]))
    done, progressed_at = 0, time.monotonic()

    def progress(status: int, remaining: int, total: int) -> None:
        nonlocal done, progressed_at
        if status == sqlite3.SQLITE_DONE:
            # It is committed, so a deadline or a cancellation no longer counts.
            with contextlib.suppress(SnapshotError):
                watch.advance(total * page_size - done)
            return
        watch.check()
        copied = (total - remaining) * page_size
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            # SQLite would retry forever.
            if time.monotonic() - progressed_at > busy_timeout:
                raise DatabaseBusy(
                    f"The database {path.name} is busy: another connection held its lock for {busy_timeout:g} s, so "
                    "nothing was restored and nothing changed. Stop what holds it, or try again.",
                    path=str(path),
                )
            return
        progressed_at = time.monotonic()
        watch.advance(copied - done)
        done = copied

    content.backup(live, pages=_STEP_PAGES, progress=progress, sleep=0.05)


def same_content(first: Path, second: Path, watch: Watch) -> bool:
    """Return True if two images are equal, apart from the header fields that SQLite changes by writing."""
    if first.stat().st_size != second.stat().st_size:
        return False
    watch.phase("compare", first.stat().st_size)
    with first.open("rb") as one, second.open("rb") as other:
        masked = _masked(one.read(BLOCK)), _masked(other.read(BLOCK))
        while masked[0] or masked[1]:
            if masked[0] != masked[1]:
                return False
            watch.advance(len(masked[0]))
            masked = one.read(BLOCK), other.read(BLOCK)
    return True


def _masked(block: bytes) -> bytes:
    masked = bytearray(block)
    for start, end in _VOLATILE:
        masked[start:end] = bytes(end - start)
    return bytes(masked)
