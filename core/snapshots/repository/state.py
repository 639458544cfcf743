"""Small JSON documents in ``state/`` that must last: they are synced and replaced in one step.

Files in ``.work/`` can be deleted; these should be kept. A document that cannot be read is renamed and treated as
missing, because none of them is important enough to stop the bot.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import filelock
import msgspec

from ..errors import Busy
from ..files import PRIVATE_FILE, make_folder, write_atomically

__all__ = ["STATE", "StateFile"]

log = logging.getLogger(__name__)

STATE = "state"
"""The folder in the repository."""

_LOCK_SECONDS = 10.0
"""How long a change waits for one by another process; each takes milliseconds."""

Document = TypeVar("Document", bound=msgspec.Struct)


class StateFile(Generic[Document]):
    """One JSON document in ``state/``. Its methods block."""

    def __init__(self, root: Path, name: str, kind: type[Document]) -> None:
        self.path = root / STATE / f"{name}.json"
        self._kind = kind

    def read(self) -> Document | None:
        """Return the document, or None if it is missing or unreadable. Raises OSError if the disk fails."""
        try:
            content = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return msgspec.json.decode(content, type=self._kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
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
        lock = filelock.FileLock(self.path.with_suffix(".lock"), timeout=_LOCK_SECONDS, mode=PRIVATE_FILE)
        try:
            with lock:
                before = self.read()
                after = change(before)
                if after != before:
                    self.write(after)
                return after
        except filelock.Timeout as error:
            message = f"Another process holds {self.path.name} for too long."
            raise Busy(message, operation="a change of its state", pid=None) from error

    def remove(self) -> None:
        """Remove the document, if there is one."""
        self.path.unlink(missing_ok=True)
