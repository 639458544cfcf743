"""What an exchange of files is about to do, written down before each step, so that anybody can finish or undo it.

The document lies in the repository's ``state/``, or beside the database where the repository is read-only. It exists
only while an exchange is under way.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from ....files import make_folder, read_regular, short_name, write_atomically
from .moves import FileId, sync_quietly

__all__ = ["RECORD", "Record", "default_path", "read", "remove", "write"]

RECORD = "exchange.json"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange under way: ``new`` at ``beside`` takes the place of ``old`` at ``database``.

    ``sides`` are the other files of the old database that go away, by suffix; ``kept`` are the suffixes of the files
    that ``quarantine`` keeps. ``settling`` is True once SQLite was told to move the old log into the old file, after
    which that log must never come back. ``clearing`` is True once side files may have been removed; before that nothing
    at the database's place was changed. ``through`` is True if the content of ``image`` is written into the file
    itself. ``back`` marks the way back, on which the files in ``quarantine`` are the new ones.
    """

    database: str
    image: str
    beside: str
    quarantine: str
    wal: bool
    old: FileId | None = None
    new: FileId | None = None
    sides: dict[str, FileId] = {}
    kept: tuple[str, ...] = ()
    settling: bool = False
    clearing: bool = False
    through: bool = False
    back: bool = False


def default_path(database: Path) -> Path:
    """Return the path of the document beside a database."""
    return short_name(database, RECORD)


def read(path: Path) -> Record | None:
    """Return the document, None if there is none or it cannot be understood. Raises OSError if the disk fails."""
    try:
        return msgspec.json.decode(read_regular(path), type=Record)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def write(path: Path, record: Record) -> None:
    """Write the document durably. Raises OSError."""
    make_folder(path.parent)
    write_atomically(path, msgspec.json.encode(record) + b"\n", scratch=path.with_suffix(".new"))


def remove(path: Path) -> None:
    """Remove the document. One that a power cut brings back is about files that look finished, so it does nothing."""
    path.with_suffix(".new").unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    if path.parent.is_dir():
        sync_quietly(path.parent)
