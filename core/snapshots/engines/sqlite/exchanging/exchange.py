"""Exchange the files of a database for a rebuilt image, so that a crash leaves the old database or the new one.

The steps, each written down in ``record`` before it is made:

1. The image is copied beside the database, on the same disk, and synced.
2. All files of the old database get a second name in quarantine: a link, or a copy if they will be written to.
3. If SQLite can still open the old database, it moves the log into the file or rolls a journal back, so that one file
   is the whole old state. A log that it cannot use is removed: it must never be replayed into the new file
   (https://www.sqlite.org/howtocorrupt.html, 1.4), and the old file cannot be opened with it or without it.
4. The two files change places in one step. At no instant is there none.
5. The old file's name beside the database is removed.

Until step 4 the database is the old one, and the way back is to bring the side files back from quarantine; from then on
it is the new one. Which it is, is found by looking at the files (``recover``), never by what the last call answered: a
rename that was made is made, also if the sync after it failed.

Where the file cannot change places, it is written through: see ``write_through``.
"""

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
from ....errors import DatabaseBusy, DatabaseMissing
from ....files import make_folder, sync_file, sync_folder
from ....progress import Watch
from ...base import Recovery
from . import record as records
from .holders import SIDE_FILES, everybody_is_visible, holders, is_locked
from .moves import FileId, identify, keep, remove_known, short_name, swap, sync_quietly
from .record import Record
from .write_through import is_marked, write_through

__all__ = ["exchange_files", "put_back", "recover"]

_MAGIC = b"SQLite format 3\0"
_MODE_BYTES = slice(18, 20)
_NO_COPY_BESIDE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)


def exchange_files(
    path: Path,
    image: Path,
    quarantine: Path,
    details: dict[str, Any],
    busy_timeout: float,
    watch: Watch,
    *,
    record: Path | None = None,
    stopped: bool = False,
) -> None:
    """Put the image in the place of the database, whose old files are kept in ``quarantine``.

    ``details`` are those of the snapshot; ``journal_mode`` is restored from them. ``stopped`` says that nobody uses the
    database, where that cannot be found out. Raises DatabaseBusy if another process has it open after ``busy_timeout``
    seconds, or could have; then, and after any other error, the old files are where they were.
    """
    exchange = _Exchange(path, record, watch)
    wal = details.get("journal_mode") == "wal"
    exchange.require_known(wal, stopped)
    make_folder(path.parent)
    exchange.note(image=str(image), quarantine=str(quarantine), wal=wal)
    try:
        exchange.prepare(image)
        exchange.wait_until_closed(busy_timeout)
        exchange.keep()
        exchange.settle()
        exchange.clear()
        exchange.place()
    except BaseException as error:
        found = recover(path, exchange.file, Watch())
        # Only what the disk answered can be wrong about a change that was made.
        if found is None or found.restored is not True or not isinstance(error, OSError):
            raise
        watch.commit()
    else:
        watch.commit()
        exchange.finish()


def put_back(path: Path, quarantine: Path, watch: Watch, *, record: Path | None = None) -> None:
    """Undo an exchange: the files in ``quarantine`` take the place of the database's, which are removed.

    Raises DatabaseMissing if there are none, and DatabaseBusy if somebody has the database open.
    """
    kept = tuple(side for side in SIDE_FILES if (quarantine / (path.name + side)).exists())
    if "" not in kept:
        raise DatabaseMissing(f"There is nothing in {quarantine.name} to put back.", path=str(quarantine))
    exchange = _Exchange(path, record, watch)
    exchange.wait_until_closed(0.0)
    content = quarantine / path.name
    exchange.note(image=str(content), quarantine=str(quarantine), wal=False, back=True, kept=kept)
    exchange.go_back()


def recover(path: Path, record: Path | None, watch: Watch) -> Recovery | None:
    """Finish or undo an exchange that was interrupted; return what the database is now, None if there was none."""
    exchange = _Exchange(path, record, watch)
    found = records.read(exchange.file)
    if found is None:
        records.remove(exchange.file)  # half of one, which a crash left before anything was done
        return None
    if found.database != str(path):
        return None
    exchange.record = found
    return exchange.recover()


class _Exchange:
    """One exchange: its record, and the steps."""

    def __init__(self, path: Path, file: Path | None, watch: Watch) -> None:
        self._path = path
        self._watch = watch
        self.file = file or records.default_path(path)
        self.record = Record(
            database=str(path), image="", beside=str(short_name(path, "restoring")), quarantine="", wal=False
        )

    def note(self, **changes: Any) -> None:
        """Write down what is about to be done."""
        self.record = msgspec.structs.replace(self.record, **changes)
        records.write(self.file, self.record)

    @property
    def _beside(self) -> Path:
        return Path(self.record.beside)

    @property
    def _quarantine(self) -> Path:
        return Path(self.record.quarantine)

    def _side(self, suffix: str) -> Path:
        return self._path.with_name(self._path.name + suffix)

    def _kept(self, suffix: str) -> Path:
        return self._quarantine / (self._path.name + suffix)

    def _present(self) -> dict[str, FileId]:
        found = {suffix: identify(self._side(suffix)) for suffix in SIDE_FILES}
        return {suffix: file for suffix, file in found.items() if file is not None}

    # Is anybody there?

    def require_known(self, wal: bool, stopped: bool) -> None:
        """Raise DatabaseBusy if nobody can know who has the database open, and no person said that it is stopped."""
        if stopped or not self._present() or self._is_wal(wal) or everybody_is_visible():
            return
        raise DatabaseBusy(
            f"The files of the database {self._path.name} must be exchanged, which is only safe with nobody using it, "
            "and that cannot be seen from here: an idle connection in rollback mode holds no lock, and there may be "
            "processes of other users or in other containers. Stop the bot and everything else that uses the "
            "database, then restore with --stopped.",
            path=str(self._path),
        )

    def _is_wal(self, expected: bool) -> bool:
        """Return True if the database is in WAL mode, in which every open connection holds a lock that can be seen."""
        try:
            with self._path.open("rb") as file:
                header = file.read(100)
        except OSError:
            return expected
        return header[18] == 2 if len(header) == 100 and header.startswith(_MAGIC) else expected

    def wait_until_closed(self, busy_timeout: float) -> None:
        """Wait until no process has the database open; raise DatabaseBusy after ``busy_timeout`` seconds."""
        until = time.monotonic() + busy_timeout
        while True:
            remaining, locked = holders(self._path), is_locked(self._path)
            if not remaining and not locked:
                return
            self._watch.check()
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
            f"The files of the database {self._path.name} must be exchanged, and that is only safe with nobody using "
            f"it; {where}. Stop that process and restore again, or just start the bot: its start-up check restores.",
            path=str(self._path),
            pids=[holder.pid for holder in remaining],
        )

    # The steps

    def prepare(self, image: Path) -> None:
        """Copy the image beside the database; if there is no room or no right, decide to write it through."""
        beside = self._beside
        for suffix in SIDE_FILES:  # a journal left by a crash would be replayed into the new copy
            beside.with_name(beside.name + suffix).unlink(missing_ok=True)
        try:
            self._copy(image, beside)
        except OSError as error:
            beside.unlink(missing_ok=True)
            if error.errno not in _NO_COPY_BESIDE or identify(self._path) is None:
                raise
            self.note(through=True)
        else:
            self.note(new=identify(beside))

    def _copy(self, image: Path, beside: Path) -> None:
        self._watch.phase("copy", image.stat().st_size)
        with image.open("rb") as source, beside.open("xb") as target:
            first = bytearray(source.read(BLOCK))
            # The journal mode is two bytes of the header (https://www.sqlite.org/fileformat2.html, 1.3.3).
            first[_MODE_BYTES] = b"\2\2" if self.record.wal else b"\1\1"
            block = bytes(first)
            while block:
                target.write(block)
                self._watch.advance(len(block))
                block = source.read(BLOCK)
        sync_file(beside)
        _copy_ownership(self._path, beside)

    def keep(self) -> None:
        """Give every file of the old database a name in quarantine."""
        present = self._present()
        self.note(old=present.pop("", None), sides=present, kept=tuple(self._present()))
        if not self.record.kept:
            return
        make_folder(self._quarantine)
        sync_folder(self._quarantine.parent)
        copied = self.record.through or self._needs_settling()
        for suffix in self.record.kept:
            self._watch.check()
            keep(self._side(suffix), self._kept(suffix), copied=copied)

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
            with contextlib.closing(sqlite3.connect(self._path, isolation_level=None, timeout=1.0)) as connection:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.DatabaseError:
            # It cannot be opened with its log, and not without it either.
            unchanged = identify(self._path) == self.record.old
            self.note(settling=not unchanged, old=identify(self._path), sides=self._sides())
        else:
            sync_file(self._path)
            self.note(old=identify(self._path), sides=self._sides())

    def _sides(self) -> dict[str, FileId]:
        return {suffix: file for suffix, file in self._present().items() if suffix}

    def clear(self) -> None:
        """Remove the side files that were looked at, so that nothing old is replayed into the new file."""
        for suffix, known in self.record.sides.items():
            remove_known(self._side(suffix), known)
        if self._sides():
            raise _opened_meanwhile(self._path)
        sync_folder(self._path.parent)

    def place(self) -> None:
        """Put the new file at the database's name, or write it through where it cannot come there."""
        self._watch.check()
        if not self.record.through:
            try:
                swap(self._beside, self._path, self.record.old)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                self._beside.unlink(missing_ok=True)
                self._keep_a_copy()
                self.note(through=True, new=None)
            else:
                self._look_again()
                sync_folder(self._path.parent)
                return
        if identify(self._path) != self.record.old:
            raise _opened_meanwhile(self._path)
        write_through(Path(self.record.image), self._path, self._watch, wal=self.record.wal)

    def _keep_a_copy(self) -> None:
        """Replace the link in quarantine by a copy, because the file itself is written to."""
        if self.record.old is not None and self.record.old.is_file(identify(self._kept(""))):
            self._kept("").unlink()
            keep(self._path, self._kept(""), copied=True)

    def _look_again(self) -> None:
        """Go back if somebody opened the old file in the last moment: what they write would be lost."""
        if self.record.old is not None and is_locked(self._beside) and not is_locked(self._path):
            swap(self._beside, self._path, identify(self._path))
            raise _opened_meanwhile(self._path)

    def finish(self) -> None:
        """Remove what the exchange left beside the new database."""
        for suffix, known in self.record.sides.items():
            remove_known(self._side(suffix), known)
        self._beside.unlink(missing_ok=True)
        sync_quietly(self._path.parent)
        records.remove(self.file)

    # After a crash or an error

    def recover(self) -> Recovery:
        """Look at what there is, and make it the old database or the new one."""
        record, main = self.record, identify(self._path)
        if record.back:
            self.go_back()
            return Recovery(restored=False, message="The files that were there before are back.")
        if record.through and is_marked(self._path):
            return self._write_again()
        is_new = record.new is not None and record.new.is_file(main)
        if is_new or (record.through and main is not None and main != record.old):
            self.finish()
            return Recovery(restored=True, message="The exchange of the files was finished.")
        return self._undo(main)

    def _write_again(self) -> Recovery:
        image = Path(self.record.image)
        if image.exists():
            write_through(image, self._path, self._watch, wal=self.record.wal)
            self.finish()
            return Recovery(restored=True, message="The writing of the database was finished.")
        write_through(self._kept(""), self._path, self._watch)
        return self._undo(self.record.old)

    def _undo(self, main: FileId | None) -> Recovery:
        """Bring the old side files back, and remove their names in quarantine and the copy."""
        record = self.record
        same = main == record.old or (record.settling and main is not None and main.is_file(record.old))
        missing = [each for each in record.kept if each and identify(self._side(each)) is None]
        if (record.kept or record.old) and not same:
            self._beside.unlink(missing_ok=True)
            records.remove(self.file)
            kept = f" What was there before is in {self._quarantine.name}." if record.kept else ""
            return Recovery(
                restored=None, message=f"Somebody used the database in the meantime; it is left as is.{kept}"
            )
        if not record.settling:
            for suffix in missing:
                if self._kept(suffix).exists():
                    with contextlib.suppress(FileExistsError):
                        keep(self._kept(suffix), self._side(suffix), copied=False)
        self._beside.unlink(missing_ok=True)
        sync_quietly(self._path.parent)
        self._forget_quarantine()
        records.remove(self.file)
        return Recovery(restored=False, message="The files are as they were before.")

    def _forget_quarantine(self) -> None:
        if not self.record.quarantine:
            return
        for suffix in self.record.kept:
            self._kept(suffix).unlink(missing_ok=True)
            short_name(self._kept(suffix), "part").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._quarantine.rmdir()

    def go_back(self) -> None:
        """Put the files of the quarantine in the place of the database's; can be repeated from the beginning."""
        main, content = identify(self._path), self._kept("")
        if content.exists() and not self._is_back(main):
            self._beside.unlink(missing_ok=True)
            keep(content, self._beside, copied=False)
            self.note(old=main, sides=self._sides(), new=identify(self._beside))
            self.clear()
            try:
                swap(self._beside, self._path, self.record.old)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                write_through(content, self._path, self._watch)
        for suffix in self.record.kept:
            if suffix and self._kept(suffix).exists():
                with contextlib.suppress(FileExistsError):
                    keep(self._kept(suffix), self._side(suffix), copied=False)
        self._beside.unlink(missing_ok=True)
        sync_folder(self._path.parent)
        self._forget_quarantine()
        records.remove(self.file)

    def _is_back(self, main: FileId | None) -> bool:
        return self.record.new is not None and self.record.new.is_file(main)


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
