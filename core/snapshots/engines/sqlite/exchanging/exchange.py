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
from pathlib import Path
from typing import Any

from ....errors import DatabaseMissing
from ....files import make_folder, short_name, sync_folder
from ....progress import Watch
from ...base import Recovery
from . import record as records
from .holders import SIDE_FILES
from .moves import FileId, identify, keep, swap, sync_quietly
from .steps import Steps
from .write_through import is_marked, write_through

__all__ = ["exchange_files", "put_back", "recover"]


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
    recover(path, record, watch)
    exchange = Steps(path, record, watch)
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
    exchange = Steps(path, record, watch)
    exchange.wait_until_closed(0.0)
    content = quarantine / path.name
    exchange.note(image=str(content), quarantine=str(quarantine), wal=False, back=True, kept=kept)
    _go_back(exchange)


def recover(path: Path, record: Path | None, watch: Watch) -> Recovery | None:
    """Finish or undo an exchange that was interrupted; return what the database is now, None if there was none."""
    exchange = Steps(path, record, watch)
    found = records.read(exchange.file)
    if found is None:
        records.remove(exchange.file)  # half of one, which a crash left before anything was done
        return None
    if found.database != str(path):
        return None
    if found.beside != exchange.record.beside or not {*found.kept, *found.sides} <= set(SIDE_FILES):
        records.remove(exchange.file)  # nobody here wrote it: following it would remove files anywhere
        return None
    exchange.record = found
    return _recover(exchange)


def _recover(steps: Steps) -> Recovery:
    """Look at what there is, and make it the old database or the new one."""
    record, main = steps.record, identify(steps.path)
    if record.back:
        _go_back(steps)
        return Recovery(restored=False, message="The files that were there before are back.")
    if record.through and is_marked(steps.path):
        return _write_again(steps)
    is_new = record.new is not None and record.new.is_file(main)
    if is_new or (record.through and main is not None and main != record.old):
        steps.finish()
        return Recovery(restored=True, message="The exchange of the files was finished.")
    return _undo(steps, main)


def _write_again(steps: Steps) -> Recovery:
    image = Path(steps.record.image)
    if image.exists():
        write_through(image, steps.path, steps.watch, wal=steps.record.wal)
        steps.finish()
        return Recovery(restored=True, message="The writing of the database was finished.")
    write_through(steps.kept(""), steps.path, steps.watch)
    return _undo(steps, steps.record.old)


def _undo(steps: Steps, main: FileId | None) -> Recovery:
    """Bring the old side files back, and remove their names in quarantine and the copy."""
    record = steps.record
    same = main == record.old or (record.settling and main is not None and main.is_file(record.old))
    missing = [each for each in record.kept if each and identify(steps.side(each)) is None]
    if record.clearing and (record.kept or record.old) and not same:
        steps.beside.unlink(missing_ok=True)
        records.remove(steps.file)
        kept = f" What was there before is in {steps.quarantine.name}." if record.kept else ""
        return Recovery(restored=None, message=f"Somebody used the database in the meantime; it is left as is.{kept}")
    if record.clearing and not record.settling:
        for suffix in missing:
            if steps.kept(suffix).exists():
                with contextlib.suppress(FileExistsError):
                    keep(steps.kept(suffix), steps.side(suffix), copied=False)
    steps.beside.unlink(missing_ok=True)
    sync_quietly(steps.path.parent)
    _forget_quarantine(steps)
    records.remove(steps.file)
    return Recovery(restored=False, message="The files are as they were before.")


def _forget_quarantine(steps: Steps) -> None:
    if not steps.record.quarantine:
        return
    for suffix in steps.record.kept:
        steps.kept(suffix).unlink(missing_ok=True)
        short_name(steps.kept(suffix), "part").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        steps.quarantine.rmdir()


def _go_back(steps: Steps) -> None:
    """Put the files of the quarantine in the place of the database's; can be repeated from the beginning."""
    main, content = identify(steps.path), steps.kept("")
    if content.exists() and not _is_back(steps, main):
        steps.beside.unlink(missing_ok=True)
        keep(content, steps.beside, copied=False)
        steps.note(old=main, sides=steps.sides(), new=identify(steps.beside))
        steps.clear()
        try:
            swap(steps.beside, steps.path, steps.record.old)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            write_through(content, steps.path, steps.watch)
    for suffix in steps.record.kept:
        if suffix and steps.kept(suffix).exists():
            with contextlib.suppress(FileExistsError):
                keep(steps.kept(suffix), steps.side(suffix), copied=False)
    steps.beside.unlink(missing_ok=True)
    sync_folder(steps.path.parent)
    _forget_quarantine(steps)
    records.remove(steps.file)


def _is_back(steps: Steps, main: FileId | None) -> bool:
    return steps.record.new is not None and steps.record.new.is_file(main)
