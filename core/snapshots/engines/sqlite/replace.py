"""Making the live database what a rebuilt image is.

Online, the ordinary way: a backup in reverse, through SQLite, into the database that others have open. It is one
transaction, so that a crash, a full disk or a deadline leaves the old content, and open readers keep what they saw
(https://www.sqlite.org/backup.html). By exchanging files, only where SQLite cannot open the database: file, ``-wal``,
``-shm`` and ``-journal`` go to quarantine together, since a left-over ``-wal`` silently replays lost rows
(https://www.sqlite.org/howtocorrupt.html, 1.4), and only with no connection open.

Who has a file open: asked of Linux's /proc, since SQLite cannot tell for a file it cannot open (see proc(5)).

The files that make up one SQLite database (https://www.sqlite.org/tempfiles.html).
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
"""What each name ends with, the main file first: a crash after moving it leaves a missing database, not a mixed one."""
_PROC = Path("/proc")
_STEP_PAGES = 256
_LOCK_STEP = 200
"""How long SQLite waits for a lock at a time, in milliseconds."""
_VARIABLE = ((18, 20), (24, 28), (40, 44), (92, 100))
"""Header bytes that SQLite itself changes when it writes: journal flags, change counter, schema cookie,
version-valid-for and the library's version (https://www.sqlite.org/fileformat2.html, 1.3)."""


def write_online(path: Path, image: Path, scratch: Path, busy_timeout: float, watch: Watch) -> bool | None:
    """Write an image into a live database; give whether the result is identical, None if somebody wrote meanwhile.

    Raises DatabaseBusy when a lock is held for longer than ``busy_timeout`` seconds, and what the watch raises; the
    database is then as it was.
    """
    with writing(path, busy_timeout, watch) as live:
        # Short waits from here on, so that the deadline is looked at between them.
        live.execute(f"PRAGMA busy_timeout = {_LOCK_STEP}")
        source = _with_page_size(image, int(live.execute("PRAGMA page_size").fetchone()[0]), live, scratch, watch)
        # On one connection this number stands still for its own commits and moves with everybody else's.
        version = _data_version(live)
        with reading_image(source, watch) as content:
            _backup_into(content, live, path, busy_timeout, watch)
        # From here on the database is restored, so that nothing that goes wrong may be told as a failed restore.
        live.execute(f"PRAGMA busy_timeout = {round(busy_timeout * 1000)}")
        return _is_identical(live, source, scratch / "proof.db", version, watch)


def _is_identical(live: sqlite3.Connection, source: Path, proof: Path, version: int, watch: Watch) -> bool | None:
    try:
        with read_transaction(live):
            untouched = _data_version(live) == version
            copy_pinned(live, proof, watch)
        same = same_content(source, proof, watch)
    except (sqlite3.Error, SnapshotError, OSError):
        return None
    finally:
        proof.unlink(missing_ok=True)
    return same if same or untouched else None


def _data_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _with_page_size(image: Path, page_size: int, live: sqlite3.Connection, scratch: Path, watch: Watch) -> Path:
    """Give the image at the page size of a live WAL database, which SQLite cannot change in place."""
    with reading_image(image, watch) as content:
        same = int(content.execute("PRAGMA page_size").fetchone()[0]) == page_size
        if same or live.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            return image
        target = scratch / "page-size.db"
        target.unlink(missing_ok=True)
    # VACUUM uses the page size set on its own connection, and cannot run on an immutable one.
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
    done, moved_at = 0, time.monotonic()

    def progress(status: int, remaining: int, total: int) -> None:
        nonlocal done, moved_at
        if status == sqlite3.SQLITE_DONE:
            # It is committed: too late to stop, and no failure any more.
            with contextlib.suppress(SnapshotError):
                watch.advance(total * page_size - done)
            return
        watch.check()
        copied = (total - remaining) * page_size
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            # SQLite would try for ever.
            if time.monotonic() - moved_at > busy_timeout:
                raise DatabaseBusy(
                    f"The database {path.name} is busy: another connection held its lock for {busy_timeout:g} s, so "
                    "nothing was restored and nothing changed. Stop what holds it, or try again.",
                    path=str(path),
                )
            return
        moved_at = time.monotonic()
        watch.advance(copied - done)
        done = copied

    content.backup(live, pages=_STEP_PAGES, progress=progress, sleep=0.05)


def same_content(first: Path, second: Path, watch: Watch) -> bool:
    """Compare two images byte by byte, but for the header fields that SQLite changes by writing."""
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
    for start, end in _VARIABLE:
        masked[start:end] = bytes(end - start)
    return bytes(masked)


def exchange_files(
    path: Path, image: Path, quarantine: Path, details: dict[str, Any], busy_timeout: float, watch: Watch
) -> None:
    """Move the damaged files to ``quarantine`` and put the image in their place.

    The image is prepared beside the database first, so that what remains is renames. Raises DatabaseBusy while any
    process has the database open (seen on Linux; Windows itself refuses to rename an open file).
    """
    beside = path.with_name(f".{path.name}.restoring")
    make_folder(path.parent)
    for side in SIDE_FILES:  # a journal that a crash left would be replayed into the new copy
        beside.with_name(beside.name + side).unlink(missing_ok=True)
    try:
        _prepare_beside(path, image, beside, str(details.get("journal_mode", "delete")), watch)
        _wait_until_closed(path, busy_timeout, watch)
        with _moved_away(path, quarantine):
            beside.replace(path)
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
    _take_over_rights(path, beside)


def _take_over_rights(path: Path, beside: Path) -> None:
    """Give the new file the old one's mode and owner, or its folder's owner: the bot must be able to open it."""
    model = path if path.exists() else path.parent
    status = model.stat()
    if model == path:
        shutil.copymode(path, beside)
    if hasattr(os, "chown") and os.geteuid() == 0:
        os.chown(beside, status.st_uid, status.st_gid)


def _wait_until_closed(path: Path, busy_timeout: float, watch: Watch) -> None:
    until = time.monotonic() + busy_timeout
    while open_in := holders(path):
        watch.check()
        if time.monotonic() > until:
            names = ", ".join(f"{holder.name} (process {holder.pid})" for holder in open_in)
            raise DatabaseBusy(
                f"The files of the database {path.name} must be exchanged, and that is only safe with nobody using it; "
                f"still open in {names}. Stop that process and restore again, or just start the bot: its start-up "
                "check restores.",
                path=str(path),
                pids=[holder.pid for holder in open_in],
            )
        time.sleep(0.1)


@contextlib.contextmanager
def _moved_away(path: Path, quarantine: Path) -> Iterator[None]:
    """Move the files of a database to quarantine, and back where that or what follows fails."""
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
    """Undo ``exchange_files``: whatever is at the database's place goes, and what was there comes back."""
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
    """Give the other processes that have the database open, also where its file was deleted meanwhile.

    Sees the processes this user may look into; gives nothing on platforms without /proc.
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
        return False  # it ended meanwhile, or belongs to somebody else


def _name_of(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "a process"
