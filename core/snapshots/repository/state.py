"""Small JSON documents in ``state/`` that must last: they are synced and replaced in one step.

Files in ``.work/`` can be deleted; these should be kept. A document that cannot be read is renamed and treated as
missing, because none of them is important enough to stop the bot.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from ..files import make_folder, write_atomically

__all__ = ["STATE", "StateFile"]

log = logging.getLogger(__name__)

STATE = "state"
"""The folder in the repository."""

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

    def remove(self) -> None:
        """Remove the document, if there is one."""
        self.path.unlink(missing_ok=True)
