"""The steps of an exchange of files, in the order in which ``exchange`` takes them and gives the reasons."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import msgspec

from ....archive.fingerprint import BLOCK
from ....errors import DatabaseBusy
from ....files import make_folder, short_name, sync_file, sync_folder
from ....progress import Watch
from . import record as records
from .holders import SIDE_FILES, everybody_is_visible, holders, is_locked
from .moves import FileId, identify, keep, remove_known, swap, sync_quietly
from .record import Record
from .write_through import write_through

__all__ = ["Steps"]

_MAGIC = b"SQLite format 3\0"
_MODE_BYTES = slice(18, 20)
_NO_COPY_BESIDE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)


class Steps:
    """One exchange: its record, and the steps."""

    def __init__(self, path: Path, file: Path | None, watch: Watch) -> None:
        self.path = path
        self.watch = watch
        self.file = file or records.default_path(path)
        self.record = Record(
            database=str(path), image="", beside=str(short_name(path, "restoring")), quarantine="", wal=False
        )

    def note(self, **changes: Any) -> None:
        """Write down what is about to be done."""
        self.record = msgspec.structs.replace(self.record, **changes)
        records.write(self.file, self.record)

    @property
    def beside(self) -> Path:
        """Where the new file is until it takes the database's place."""
        return Path(self.record.beside)

    @property
    def quarantine(self) -> Path:
        """The folder that keeps the old files."""
        return Path(self.record.quarantine)

    def side(self, suffix: str) -> Path:
        """Return the path of one of the database's files."""
        return self.path.with_name(self.path.name + suffix)

    def kept(self, suffix: str) -> Path:
        """Return the path of one of the old files in quarantine."""
        return self.quarantine / (self.path.name + suffix)

    def present(self) -> dict[str, FileId]:
        """Return the database's files that exist, by suffix."""
        found = {suffix: identify(self.side(suffix)) for suffix in SIDE_FILES}
        return {suffix: file for suffix, file in found.items() if file is not None}

    # Is anybody there?

    def require_known(self, wal: bool, stopped: bool) -> None:
        """Raise DatabaseBusy if nobody can know who has the database open, and no person said that it is stopped."""
        if stopped or not self.present() or self._is_wal(wal) or everybody_is_visible():
            return
        raise DatabaseBusy(
            f"The files of the database {self.path.name} must be exchanged, which is only safe with nobody using it, "
            "and that cannot be seen from here: an idle connection in rollback mode holds no lock, and there may be "
            "processes of other users or in other containers. Stop the bot and everything else that uses the "
            "database, then restore with --stopped.",
            path=str(self.path),
        )

    def _is_wal(self, expected: bool) -> bool:
        """Return True if the database is in WAL mode, in which every open connection holds a lock that can be seen."""
        try:
            with self.path.open("rb") as file:
                header = file.read(100)
        except OSError:
            return expected
        return header[18] == 2 if len(header) == 100 and header.startswith(_MAGIC) else expected

    def wait_until_closed(self, busy_timeout: float) -> None:
        """Wait until no process has the database open; raise DatabaseBusy after ``busy_timeout`` seconds."""
        until = time.monotonic() + busy_timeout
        while True:
            remaining, locked = holders(self.path), is_locked(self.path)
            if not remaining and not locked:
                return
            self.watch.check()
            if time.monotonic() > until:
                break
            time.sleep(0.1)
        names = ", ".join(f"{holder.name} (process {holder.pid})" for holder in remaining)
        where = (
            f"still open in {names}"
            if names
            else "a process that cannot be seen from here (of another user or in another container) has it open"
        )
        raise DatabaseBusy(
            f"The files of the database {self.path.name} must be exchanged, and that is only safe with nobody using "
            f"it; {where}. Stop that process and restore again, or just start the bot: its start-up check restores.",
            path=str(self.path),
            pids=[holder.pid for holder in remaining],
        )

    # The steps

    def prepare(self, image: Path) -> None:
        """Copy the image beside the database; if there is no room or no right, decide to write it through."""
        beside = self.beside
        for suffix in SIDE_FILES:  # a journal left by a crash would be replayed into the new copy
            beside.with_name(beside.name + suffix).unlink(missing_ok=True)
        try:
            self._copy(image, beside)
        except OSError as error:
            beside.unlink(missing_ok=True)
            if error.errno not in _NO_COPY_BESIDE or identify(self.path) is None:
                raise
            self.note(through=True)
        else:
            self.note(new=identify(beside))

    def _copy(self, image: Path, beside: Path) -> None:
        self.watch.phase("copy", image.stat().st_size)
        with image.open("rb") as source, beside.open("xb") as target:
            first = bytearray(source.read(BLOCK))
            # The journal mode is two bytes of the header (https://www.sqlite.org/fileformat2.html, 1.3.3).
            first[_MODE_BYTES] = b"\2\2" if self.record.wal else b"\1\1"
            block = bytes(first)
            while block:
                target.write(block)
                self.watch.advance(len(block))
                block = source.read(BLOCK)
        sync_file(beside)
        _copy_ownership(self.path, beside)

    def keep(self) -> None:
        """Keep every file of the old database in quarantine, under a second name."""
        present = self.present()
        self.note(old=present.pop("", None), sides=present, kept=tuple(self.present()))
        if not self.record.kept:
            return
        make_folder(self.quarantine)
        sync_folder(self.quarantine.parent)
        copied = self.record.through or self._needs_settling()
        for suffix in self.record.kept:
            self.watch.check()
            keep(self.side(suffix), self.kept(suffix), copied=copied)

    def _needs_settling(self) -> bool:
        old = self.record.old
        logs = (self.record.sides.get(suffix) for suffix in ("-wal", "-journal"))
        return old is not None and old.size > 0 and any(log is not None and log.size > 0 for log in logs)

    def settle(self) -> None:
        """Let SQLite make one file of the old database and its log, if it can open them."""
        if not self._needs_settling():
            return
        self.note(settling=True)
        try:
            with contextlib.closing(sqlite3.connect(self.path, isolation_level=None, timeout=1.0)) as connection:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.DatabaseError:
            # It cannot be opened with its log, and not without it either.
            unchanged = identify(self.path) == self.record.old
            self.note(settling=not unchanged, old=identify(self.path), sides=self.sides())
        else:
            sync_file(self.path)
            self.note(old=identify(self.path), sides=self.sides())

    def sides(self) -> dict[str, FileId]:
        """Return the side files that exist, by suffix."""
        return {suffix: file for suffix, file in self.present().items() if suffix}

    def clear(self) -> None:
        """Remove the side files that were looked at, so that nothing old is replayed into the new file."""
        self.note(clearing=True)
        for suffix, known in self.record.sides.items():
            remove_known(self.side(suffix), known)
        if self.sides():
            raise _opened_meanwhile(self.path)
        sync_folder(self.path.parent)

    def place(self) -> None:
        """Put the new file at the database's name, or write it through where it cannot come there."""
        self.watch.check()
        if not self.record.through:
            try:
                swap(self.beside, self.path, self.record.old)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                self.beside.unlink(missing_ok=True)
                self._keep_a_copy()
                self.note(through=True, new=None)
            else:
                self._look_again()
                sync_folder(self.path.parent)
                return
        if identify(self.path) != self.record.old:
            raise _opened_meanwhile(self.path)
        write_through(Path(self.record.image), self.path, self.watch, wal=self.record.wal)

    def _keep_a_copy(self) -> None:
        """Replace the link in quarantine by a copy, because the file itself is written to."""
        if self.record.old is not None and self.record.old.is_file(identify(self.kept(""))):
            self.kept("").unlink()
            keep(self.path, self.kept(""), copied=True)

    def _look_again(self) -> None:
        """Go back if somebody opened the old file in the last moment: what they write would be lost."""
        if self.record.old is not None and is_locked(self.beside) and not is_locked(self.path):
            swap(self.beside, self.path, identify(self.path))
            raise _opened_meanwhile(self.path)

    def finish(self) -> None:
        """Remove what the exchange left beside the new database."""
        for suffix, known in self.record.sides.items():
            remove_known(self.side(suffix), known)
        self.beside.unlink(missing_ok=True)
        sync_quietly(self.path.parent)
        records.remove(self.file)


def _opened_meanwhile(path: Path) -> DatabaseBusy:
    return DatabaseBusy(
        f"Somebody opened the database {path.name} while its files were being exchanged, so nothing was changed. Stop "
        "what uses it, then restore again.",
        path=str(path),
        pids=[],
    )


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
