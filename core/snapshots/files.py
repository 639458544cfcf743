"""File operations: atomic writes, synced folders, private permissions, free space.

All functions block: call them from a thread or from the worker. On POSIX file systems a rename is durable only after
these steps: write, flush, fsync, rename, fsync the folder (see fsync(2) on directories).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import threading
from pathlib import Path
from typing import BinaryIO

from .errors import NotEnoughSpace, RepositoryError
from .units import size_text

__all__ = [
    "device_of",
    "free_space",
    "give_to_owner",
    "make_folder",
    "make_private",
    "move",
    "open_regular",
    "open_to_read",
    "read_at",
    "read_regular",
    "remove",
    "require_space",
    "short_name",
    "sync_file",
    "sync_folder",
    "translate_os_error",
    "write_at",
    "write_atomically",
]

_offset_lock = threading.Lock()
"""Held while a descriptor's offset is moved, which only Windows needs: it has no pread and no pwrite."""

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600
_LONGEST_NAME = 255
"""Bytes: NAME_MAX of nearly every file system."""
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
"""What locking fails with where a file system has no locks (flock(2), fcntl(2)): NFS without lockd, FUSE, CIFS."""


def make_folder(path: Path) -> None:
    """Create a folder that only its owner can enter, with its parents, durably; leave an existing one as it is.

    What root creates is given to the owner of the folder around it; see ``give_to_owner``.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise RepositoryError(
            f"{path} is in the way: it is a file where a folder is needed.", path=str(path)
        ) from error
    for folder in reversed(missing):
        give_to_owner(folder)
        sync_folder(folder.parent)


def device_of(path: Path) -> int:
    """Return the device (``st_dev``) of a path, or of the nearest folder above it that exists."""
    for place in (path, *path.parents):
        try:
            return place.stat().st_dev
        except OSError:
            continue
    return 0


def give_to_owner(path: Path) -> None:
    """Give a new file or folder to the owner of the folder it is in, if this process is root's.

    A shell in a container is often root's, and what it leaves must not lock the bot's own user out.
    """
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    owner = path.parent.stat()
    if owner.st_uid != 0:
        with contextlib.suppress(OSError):  # where owners cannot be changed, everybody may write anyway
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def make_private(path: Path) -> None:
    """Let only the owner read a file, where the file system has rights: CIFS and exFAT refuse to change them."""
    with contextlib.suppress(PermissionError, NotImplementedError):
        path.chmod(PRIVATE_FILE)


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open a file of the repository, and only a file: no link is followed, no pipe waited for, no device read.

    Returns the descriptor. Raises RepositoryError if something else is there, otherwise OSError like ``os.open``.
    """
    extra = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags | extra | getattr(os, "O_BINARY", 0), PRIVATE_FILE)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO):
            raise _no_file(path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _no_file(path)
    return descriptor


def _no_file(path: Path) -> RepositoryError:
    return RepositoryError(
        f"{path} is not an ordinary file but a link, a pipe or a device, so it was not opened. Somebody put it there: "
        "look at who may write to the folder, and remove it.",
        path=str(path),
    )


def open_to_read(path: Path, buffering: int = -1) -> BinaryIO:
    """Open a file of the repository for reading; see ``open_regular``."""
    # Unlike os.fdopen, this gives the file its name.
    return open(path, "rb", buffering, opener=lambda name, flags: open_regular(Path(name), flags))


def read_regular(path: Path) -> bytes:
    """Return the content of a file of the repository; see ``open_regular``."""
    with open_to_read(path) as file:
        return file.read()


def short_name(path: Path, ending: str, *, hidden: bool = True) -> Path:
    """Return a name beside ``path`` that no file system finds too long; it is always the same one."""
    before = "." if hidden else ""
    name = f"{before}{path.name}.{ending}"
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = f"{before}{hashlib.blake2b(os.fsencode(path.name), digest_size=8).hexdigest()}.{ending}"
    return path.with_name(name)


def read_at(descriptor: int, length: int, offset: int) -> bytes:
    """Read at most ``length`` bytes at an offset. Safe to call from any thread."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, length, offset)
    with _offset_lock:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, length)


def write_at(descriptor: int, content: bytes, offset: int) -> None:
    """Write all of ``content`` at an offset. Safe to call from any thread."""
    rest = memoryview(content)
    while rest:
        if hasattr(os, "pwrite"):
            written = os.pwrite(descriptor, rest, offset)
        else:
            with _offset_lock:
                os.lseek(descriptor, offset, os.SEEK_SET)
                written = os.write(descriptor, rest)
        rest, offset = rest[written:], offset + written


def sync_folder(path: Path) -> None:
    """Make renames and removals in a folder durable. Do nothing on Windows, which cannot sync a folder."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems refuse fsync on a folder, and have nothing better.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make the content of a file durable. Never call it on a live SQLite database in the bot's process."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: bytes, *, scratch: Path) -> None:
    """Replace the content of ``path``. At any moment the old file or the new one is there as a whole.

    ``scratch`` is a temporary path on the same file system.
    """
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        give_to_owner(scratch)
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def move(source: Path, target: Path) -> None:
    """Move a file durably and in one step. To another file system, it is copied, synced, renamed and then removed."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        part = short_name(target, "part")
        try:
            shutil.copy2(source, part)
            sync_file(part)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)
        source.unlink()
    sync_folder(target.parent)
    with contextlib.suppress(FileNotFoundError):
        sync_folder(source.parent)


def remove(path: Path) -> None:
    """Remove a file, or a folder with its content; do nothing if it does not exist."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def free_space(path: Path) -> int:
    """Return how many bytes an ordinary user can still write on the file system of ``path``, which need not exist."""
    existing = path.absolute()
    while not existing.exists():
        existing = existing.parent
    return shutil.disk_usage(existing).free


def require_space(path: Path, needed: int, minimum: int) -> None:
    """Raise NotEnoughSpace with the figures if writing ``needed`` bytes would leave less than ``minimum`` free."""
    free = free_space(path)
    if free - needed < minimum:
        raise NotEnoughSpace(
            f"Not enough disk space for a snapshot: {size_text(free)} free, about {size_text(needed)} needed, and "
            f"{size_text(minimum)} must stay free ([repository] min_free). Free some space or lower the minimum.",
            free=free,
            needed=needed,
            minimum=minimum,
        )


def translate_os_error(error: OSError, path: Path | None = None) -> RepositoryError:
    """Return an error of the operating system in the repository as a RepositoryError with a message for the owner."""
    place = str(error.filename or path or "the repository")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NotEnoughSpace(f"The disk filled up while writing {place}; nothing half-written was left.", path=place)
    if error.errno in _NO_LOCKS:
        return RepositoryError(
            f"File locks do not work at {place} ({error.strerror}): keep the repository on a disk that has them, and "
            "not on a network mount without a lock service.",
            path=place,
        )
    if error.errno == errno.EROFS:
        return RepositoryError(f"{place} is on a read-only file system: nothing can be written there.", path=place)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        message = f"Too many files are open in this process or on this machine, so {place} could not be opened."
        return RepositoryError(message, path=place)
    if error.errno in (errno.EACCES, errno.EPERM):
        return RepositoryError(
            f"No permission to read or write {place}: check who owns it ({error.strerror}).", path=place
        )
    return RepositoryError(
        f"{place} cannot be used: {error.strerror or str(error) or type(error).__name__}.", path=place
    )
