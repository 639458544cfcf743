"""What every store can do. All of it blocks: call it from a thread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

__all__ = ["Store"]


class Store(Protocol):
    """A place for published snapshot files, named by their relative path with ``/``."""

    def prepare(self) -> None:
        """Create what is missing; raise RepositoryError if the place cannot be used."""

    def publish(self, source: Path, name: str) -> None:
        """Take a finished local file durably and in one step: afterwards all of it is there under ``name``, or none."""

    def fetch(self, name: str) -> Path:
        """Give a local path to read ``name`` from; raise SnapshotNotFound if it is not there."""

    def size(self, name: str) -> int | None:
        """Give the size in bytes, or None if nothing has that name."""

    def names(self) -> Iterator[str]:
        """Give the names of all published files, in no particular order."""

    def remove(self, name: str) -> None:
        """Remove a file durably; what is not there is fine."""

    def free(self) -> int:
        """Give the bytes that can still be written."""
