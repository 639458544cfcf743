"""Small JSON documents in ``state/`` that must last: they are synced and replaced in one step.

Files in ``.work/`` can be deleted; these should be kept. A document that cannot be read is renamed and treated as
missing, because none of them is important enough to stop the bot.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from ..errors import Busy, RepositoryError
from ..files import make_folder, read_regular, write_atomically
from .file_lock import FileLock

__all__ = ["STATE", "StateFile"]

log = logging.getLogger(__name__)

STATE = "state"
"""The folder in the repository."""

_LOCK_SECONDS, _POLL = 10.0, 0.005
"""How long a change waits for one by another process, and how often it looks; each takes milliseconds."""

Document = TypeVar("Document", bound=msgspec.Struct)


class StateFile(Generic[Document]):
    """One JSON document in ``state/``. Its methods block."""

    def __init__(self, root: Path, name: str, kind: type[Document]) -> None:
        self.path = root / STATE / f"{name}.json"
        self._kind = kind

    def read(self) -> Document | None:
        """Return the document, or None if it is missing or unreadable. Raises OSError if the disk fails."""
        try:
            return msgspec.json.decode(read_regular(self.path), type=self._kind)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, RepositoryError) as error:
            log.warning("%s cannot be read and is set aside: %s", self.path, error)
            self.path.replace(self.path.with_suffix(".unreadable"))
            return None

    def write(self, document: Document) -> None:
        """Write the document durably. Raises OSError."""
        make_folder(self.path.parent)
        content = msgspec.json.format(msgspec.json.encode(document)) + b"\n"
        write_atomically(self.path, content, scratch=self.path.with_suffix(".new"))

    def change(self, change: Callable[[Document | None], Document]) -> Document:
        """Replace the document by what ``change`` makes of it, one process at a time, and return the new one.

        Raises OSError, or Busy if another process holds the file for too long.
        """
        make_folder(self.path.parent)
        with self._locked():
            before = self.read()
            after = change(before)
            if after != before:
                self.write(after)
            return after

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock, until = FileLock(self.path.with_suffix(".lock")), time.monotonic() + _LOCK_SECONDS
        while not lock.acquire():
            if time.monotonic() > until:
                message = f"Another process holds {self.path.name} for too long."
                raise Busy(message, operation="a change of its state", pid=None)
            time.sleep(_POLL)
        try:
            yield
        finally:
            lock.release()

    def remove(self) -> None:
        """Remove the document, if there is one."""
        self.path.unlink(missing_ok=True)
