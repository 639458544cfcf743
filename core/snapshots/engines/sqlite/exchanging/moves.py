"""Moving files so that nothing is lost or overwritten unseen: exchange two names, link or copy to a free name.

``swap`` uses renameat2(2) with RENAME_EXCHANGE where there is one: at every instant both names have a file. What was at
the other name is looked at afterwards, and the exchange is undone if it was not the file that was expected.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import sys
from pathlib import Path

import msgspec

from ....errors import DatabaseBusy
from ....files import short_name, sync_file, sync_folder

__all__ = ["FileId", "identify", "keep", "put_new", "remove_known", "swap", "sync_quietly"]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP)
_NO_LINK = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EACCES)


class FileId(msgspec.Struct, frozen=True):
    """What tells a file from every other one, and from itself after it was written to."""

    device: int
    inode: int
    size: int
    modified: int

    def is_file(self, other: FileId | None) -> bool:
        """Return True if ``other`` is the same file, whatever its content."""
        return other is not None and (self.device, self.inode) == (other.device, other.inode)


def identify(path: Path) -> FileId | None:
    """Return the identity of the file at a path, or None if there is none. Raises OSError if that cannot be known."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return FileId(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def swap(new: Path, target: Path, expected: FileId | None) -> None:
    """Put the file ``new`` at ``target``, and what was there at ``new``; nothing is left at ``new`` if nothing was.

    ``expected`` is the file that was looked at there, None if there was none. Raises DatabaseBusy if there is another
    one, and OSError (EBUSY for a mount point); then nothing is changed.
    """
    if expected is None:
        put_new(new, target)
        return
    if _exchange(new, target):
        found = identify(new)
        if found != expected:
            _exchange(new, target)
            raise _changed(target)
        return
    # No exchange on this file system. Between the look and the rename another file could still come there.
    if identify(target) != expected:
        raise _changed(target)
    new.replace(target)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; return False if the system or the file system cannot do that."""
    if sys.platform != "linux":
        return False
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    if function(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(other))


def _changed(target: Path) -> DatabaseBusy:
    return DatabaseBusy(
        f"The file {target.name} was changed or replaced by somebody else while it was being restored, so nothing was "
        "put in its place. Stop what uses it, then restore again.",
        path=str(target),
    )


def put_new(source: Path, target: Path) -> None:
    """Move a file to a name that is free, on the same disk. Raises FileExistsError if it is not."""
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        if target.exists():  # no links here: the look and the rename are two steps
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        source.rename(target)
    else:
        source.unlink()


def keep(source: Path, target: Path, *, copied: bool) -> None:
    """Give a file a second, free name durably: as a link where that is possible, otherwise as a synced copy.

    With ``copied`` always as a copy, because the file will be written to. Raises FileExistsError if the name is taken.
    """
    if not copied:
        try:
            target.hardlink_to(source)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
        else:
            sync_folder(target.parent)
            return
    part = short_name(target, "part")
    part.unlink(missing_ok=True)
    try:
        shutil.copyfile(source, part)
        shutil.copystat(source, part)
        sync_file(part)
        put_new(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def remove_known(path: Path, known: FileId) -> None:
    """Remove a file if it is still the one that was looked at."""
    if known.is_file(identify(path)):
        path.unlink(missing_ok=True)


def sync_quietly(folder: Path) -> None:
    """Sync a folder as well as the disk lets us: on the way back a rename that was made stays made."""
    with contextlib.suppress(OSError):
        sync_folder(folder)
