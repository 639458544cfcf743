"""Who may write where a WAL database lies: readers need its side files, and can make it unusable by leaving their own.

A connection in WAL mode needs ``-wal`` and ``-shm`` beside the database, even to read, and creates them if it may
(https://www.sqlite.org/wal.html, "Read-Only Databases"). On a read-only volume it cannot. As another user than the
bot's it can create files that the bot may not write, and then the game cannot write any more.
"""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import DatabaseUnavailable

__all__ = [
    "interrupted_error",
    "is_frozen",
    "is_on_read_only_volume",
    "read_only_error",
    "require_harmless",
    "require_writable",
]

_MOUNTS = Path("/proc/self/mountinfo")
_READ_ONLY = "ro"


def is_on_read_only_volume(path: Path) -> bool:
    """Return True if the file system of a path is mounted read-only here."""
    if not hasattr(os, "statvfs"):
        return False
    return bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)


def is_frozen(path: Path) -> bool:
    """Return True if nobody can write to a database: its file system is read-only itself, and it has no log.

    A read-only mount of a file system that is mounted writable elsewhere is not enough: there a game can begin to write
    at any moment. See proc_pid_mountinfo(5): the last field has the options of the file system.
    """
    log = path.with_name(path.name + "-wal")
    if not is_on_read_only_volume(path) or (log.exists() and log.stat().st_size > 0):
        return False
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = [line.split() for line in _MOUNTS.read_text().splitlines()]
    except OSError:
        return False
    found = [fields[-1].split(",") for fields in lines if fields[2] == wanted]
    return bool(found) and all(_READ_ONLY in options for options in found)


def read_only_error(path: Path) -> DatabaseUnavailable:
    """Return the error for a WAL database that cannot be read because its volume is read-only."""
    return DatabaseUnavailable(
        f"The database {path.name} is in WAL mode on a volume that is mounted read-only here, and the -wal and -shm "
        "files that SQLite needs to read it are not there, or were left by a crash: that is so while the bot is not "
        "running. Take the snapshot while it runs, or mount the volume writable.",
        path=str(path),
    )


def interrupted_error(path: Path) -> DatabaseUnavailable:
    """Return the error for a database whose last transaction must be undone first, on a read-only volume.

    The file alone is a mixture then: rows of the transaction that never ended are in it.
    """
    return DatabaseUnavailable(
        f"The database {path.name} was interrupted in the middle of a transaction, which SQLite must undo from "
        "its -journal file before anybody reads it, and its volume is mounted read-only here. Look at the disk and "
        "mount it writable.",
        path=str(path),
    )


def require_writable(path: Path) -> None:
    """Raise DatabaseUnavailable if the volume of a database is mounted read-only here, before it is written to."""
    if is_on_read_only_volume(path):
        raise DatabaseUnavailable(
            f"The volume of the database {path.name} is mounted read-only here: nothing can be restored to it. Look at "
            "the disk and mount it writable.",
            path=str(path),
        )


def require_harmless(path: Path) -> None:
    """Raise DatabaseUnavailable if reading a WAL database would leave side files that its owner could not write.

    Call it before the database is opened: it reads the header by itself.
    """
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        return  # SQLite gives what root creates to the owner of the database
    status = path.stat()
    sides = [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")]
    if status.st_uid == os.geteuid() or all(side.exists() for side in sides) or not os.access(path.parent, os.W_OK):
        return
    folder = path.parent.stat()
    group = folder.st_gid if folder.st_mode & 0o2000 else os.getegid()
    by_group = status.st_mode & 0o020 and group == status.st_gid
    if status.st_mode & 0o002 or by_group or not _is_wal(path):
        return
    raise DatabaseUnavailable(
        f"The database {path.name} belongs to {_name_of(status.st_uid)}, and to read it now this user would have to "
        "create its -wal and -shm files, which the bot could not write afterwards. Run this as "
        f"{_name_of(status.st_uid)}, or while the bot is running.",
        path=str(path),
    )


def _is_wal(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(20)[18:20] == b"\2\2"


def _name_of(uid: int) -> str:
    try:
        import pwd

        return f"the user {pwd.getpwuid(uid).pw_name}"
    except (ImportError, KeyError):
        return f"the user number {uid}"
