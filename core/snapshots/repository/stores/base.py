"""The protocol of a store. All methods block."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

__all__ = ["Store"]


class Store(Protocol):
    """A store of published snapshot files, named by their relative path with ``/``."""

    def prepare(self) -> None:
        """Create what is missing; raise RepositoryError if the store cannot be used."""

    def publish(self, source: Path, name: str) -> None:
        """Move a finished local file into the store, durably: after a crash it is there as a whole or not at all."""

    def fetch(self, name: str) -> Path:
        """Return a local path from which ``name`` can be read; raise SnapshotNotFound if it is missing."""

    def size(self, name: str) -> int | None:
        """Return the size in bytes, or None if there is no such file."""

    def names(self) -> Iterator[str]:
        """Yield the names of all published files, in no particular order."""

    def remove(self, name: str) -> None:
        """Remove a file durably; do nothing if it is missing."""

    def free(self) -> int:
        """Return how many bytes can still be written."""
