"""Replace the content of the live database by a rebuilt image.

Online, which is the usual way: ``write_online`` runs a backup from the image into the database that others have open.
It is one transaction, so a crash, a full disk or a deadline leaves the old content, and open readers keep their view
(https://www.sqlite.org/backup.html).

By exchanging files, only if SQLite cannot open the database: ``exchange_files`` moves all its files to quarantine
together, because a left-over ``-wal`` would silently replay old rows (https://www.sqlite.org/howtocorrupt.html, 1.4).
No process may have the database open then. SQLite cannot tell for a file that it cannot open, so Linux's /proc is asked
(see proc(5)). What files make up a database: https://www.sqlite.org/tempfiles.html.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from ...archive.fingerprint import BLOCK
from ...errors import DatabaseBusy, DatabaseMissing, SnapshotError
from ...files import make_folder, move, sync_file, sync_folder
from ...progress import Watch
from .connections import attach_watch, read_transaction, reading_image, writing
from .source import copy_pinned

__all__ = ["SIDE_FILES", "Holder", "exchange_files", "holders", "put_back", "same_content", "write_online"]

SIDE_FILES = ("", "-wal", "-shm", "-journal")
"""The suffixes of a database's files. The main file is moved first, so a crash leaves no database or a whole one."""
_PROC = Path("/proc")
_STEP_PAGES = 256
_LOCK_STEP = 200
"""How long SQLite waits for a lock before the deadline is checked again, in milliseconds."""
_VOLATILE = ((18, 20), (24, 28), (40, 44), (92, 100))
"""Header bytes that SQLite changes whenever it writes: journal flags, change counter, schema cookie,
version-valid-for and the library's version (https://www.sqlite.org/fileformat2.html, 1.3)."""


def write_online(path: Path, image: Path, scratch: Path, busy_timeout: float, watch: Watch) -> bool | None:
    """Write an image into a live database. Return True if the result is identical, None if that is unknown.

    It is unknown if another connection wrote in the meantime, or if the result could not be read. Raises DatabaseBusy
    if another connection holds a lock for longer than ``busy_timeout`` seconds, and what the watch raises; the database
    is unchanged then.
    """
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
        content.execute("VACUUM INTO ?", (str(target),))
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


def exchange_files(
    path: Path, image: Path, quarantine: Path, details: dict[str, Any], busy_timeout: float, watch: Watch
) -> None:
    """Move the damaged files to ``quarantine`` and put the image in their place.

    The image is copied beside the database first, so that only renames remain. ``details`` are those of the snapshot;
    ``journal_mode`` is restored from them. Raises DatabaseBusy if another process still has the database open after
    ``busy_timeout`` seconds (detected on Linux; Windows itself refuses to rename an open file).
    """
    beside = path.with_name(f".{path.name}.restoring")
    make_folder(path.parent)
    for side in SIDE_FILES:  # a journal left by a crash would be replayed into the new copy
        beside.with_name(beside.name + side).unlink(missing_ok=True)
    try:
        _prepare_beside(path, image, beside, str(details.get("journal_mode", "delete")), watch)
        _wait_until_closed(path, busy_timeout, watch)
        with _moved_away(path, quarantine):
            beside.replace(path)
            watch.commit()
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def _prepare_beside(path: Path, image: Path, beside: Path, journal_mode: str, watch: Watch) -> None:
    watch.phase("copy", image.stat().st_size)
    with image.open("rb") as source, beside.open("xb") as target:
        while block := source.read(BLOCK):
            target.write(block)
            watch.advance(len(block))
    with contextlib.closing(sqlite3.connect(beside, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode = {'wal' if journal_mode == 'wal' else 'delete'}")
    sync_file(beside)
    _copy_ownership(path, beside)


def _copy_ownership(path: Path, beside: Path) -> None:
    """Copy the mode and owner of the old file, or the owner of its folder, so that the bot can open the new file."""
    model = path if path.exists() else path.parent
    status = model.stat()
    if model == path:
        shutil.copymode(path, beside)
    if hasattr(os, "chown") and os.geteuid() == 0:
        os.chown(beside, status.st_uid, status.st_gid)
    if model == path and hasattr(os, "listxattr"):
        _copy_attributes(path, beside)


def _copy_attributes(path: Path, beside: Path) -> None:
    """Copy the extended attributes, which hold the ACL and the SELinux label, as far as the file system lets us."""
    with contextlib.suppress(OSError):
        for name in os.listxattr(path):
            with contextlib.suppress(OSError):
                os.setxattr(beside, name, os.getxattr(path, name))


def _wait_until_closed(path: Path, busy_timeout: float, watch: Watch) -> None:
    until = time.monotonic() + busy_timeout
    while remaining := holders(path):
        watch.check()
        if time.monotonic() > until:
            names = ", ".join(f"{holder.name} (process {holder.pid})" for holder in remaining)
            raise DatabaseBusy(
                f"The files of the database {path.name} must be exchanged, and that is only safe with nobody using it; "
                f"still open in {names}. Stop that process and restore again, or just start the bot: its start-up "
                "check restores.",
                path=str(path),
                pids=[holder.pid for holder in remaining],
            )
        time.sleep(0.1)


@contextlib.contextmanager
def _moved_away(path: Path, quarantine: Path) -> Iterator[None]:
    """Move the files of a database to quarantine, and back if that or the ``with`` block fails."""
    present = [path.with_name(path.name + side) for side in SIDE_FILES]
    present = [file for file in present if file.exists()]
    if present:
        make_folder(quarantine)
    moved: list[Path] = []
    try:
        for file in present:
            move(file, quarantine / file.name)
            moved.append(file)
        yield
    except BaseException:
        for file in reversed(moved):
            move(quarantine / file.name, file)
        raise


def put_back(path: Path, quarantine: Path) -> None:
    """Undo ``exchange_files``: remove the database's files and move those in ``quarantine`` back."""
    if not (quarantine / path.name).exists():
        raise DatabaseMissing(f"There is nothing in {quarantine.name} to put back.", path=str(quarantine))
    for side in SIDE_FILES:
        path.with_name(path.name + side).unlink(missing_ok=True)
    for side in reversed(SIDE_FILES):
        kept = quarantine / (path.name + side)
        if kept.exists():
            move(kept, path.with_name(kept.name))


class Holder(msgspec.Struct, frozen=True):
    """A process that has the database or one of its side files open."""

    pid: int
    name: str


def holders(path: Path) -> tuple[Holder, ...]:
    """Return the other processes that have the database open, even if its file was deleted in the meantime.

    Finds only processes that this user may inspect, and none on platforms without /proc.
    """
    if not (_PROC / "self" / "fd").is_dir():
        return ()
    wanted = {str(path) + side + gone for side in SIDE_FILES for gone in ("", " (deleted)")}
    others = (entry for entry in _PROC.iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid())
    return tuple(Holder(int(entry.name), _name_of(entry)) for entry in others if _has_open(entry, wanted))


def _has_open(process: Path, wanted: set[str]) -> bool:
    try:
        return any(str(link.readlink()) in wanted for link in (process / "fd").iterdir())
    except OSError:
        return False  # it has ended, or belongs to another user


def _name_of(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "a process"
