"""The store on the local disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ...errors import RepositoryError, SnapshotNotFound
from ...files import free_space, give_to_owner, make_folder, make_private, move, sync_folder
from ..names import FOLDERS

__all__ = ["LocalStore"]

_NOT_IN_A_NAME = frozenset("/\\:\0")
"""Characters that could lead out of the folder on some platform."""


class LocalStore:
    """Published files in ``daily/``, ``critical/`` and ``shutdown/`` below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepare(self) -> None:
        """Create the folders, which only their owner can read."""
        for folder in FOLDERS:
            make_folder(self.root / folder)

    def publish(self, source: Path, name: str) -> None:
        """Move a finished file into place and sync the folder. Raises RepositoryError if the name exists already."""
        target = self._path(name)
        if target.exists():
            raise RepositoryError(f"{name} is already published; snapshots are never rewritten.", path=name)
        make_private(source)
        give_to_owner(source)
        move(source, target)

    def fetch(self, name: str) -> Path:
        """Return the path of a published file; raise SnapshotNotFound if it is missing, or a link or a pipe."""
        path = self._path(name)
        if self.size(name) is None:
            raise SnapshotNotFound(f"The snapshot file {name} is not there any more.", snapshot_id=name)
        return path

    def size(self, name: str) -> int | None:
        """Return the size of a published file in bytes, or None if it is missing, or a link or a pipe."""
        try:
            status = self._path(name).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def names(self) -> Iterator[str]:
        """Yield the names of all files in the three folders; links are not followed."""
        for folder in FOLDERS:
            path = self.root / folder
            if path.is_dir():
                with os.scandir(path) as entries:
                    yield from (f"{folder}/{entry.name}" for entry in entries if entry.is_file(follow_symlinks=False))

    def remove(self, name: str) -> None:
        """Remove a published file and sync the folder."""
        path = self._path(name)
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            sync_folder(path.parent)

    def free(self) -> int:
        """Return the free bytes of the file system that holds the root."""
        return free_space(self.root)

    def _path(self, name: str) -> Path:
        folder, slash, file = name.partition("/")
        if folder not in FOLDERS or not slash or file in ("", ".", "..") or not _NOT_IN_A_NAME.isdisjoint(file):
            raise RepositoryError(f"{name!r} does not name a snapshot file in this repository.", path=name)
        return self.root / folder / file
