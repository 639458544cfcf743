"""Who has a file open: asked of Linux's /proc, since SQLite cannot tell for a file it cannot open (see proc(5))."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from .sidefiles import SIDE_FILES

__all__ = ["Holder", "holders"]

_PROC = Path("/proc")


class Holder(msgspec.Struct, frozen=True):
    """A process that has the database or one of its side files open."""

    pid: int
    name: str


def holders(path: Path) -> tuple[Holder, ...]:
    """Give the other processes that have the database open, also where its file was deleted meanwhile.

    Sees the processes this user may look into; gives nothing on platforms without /proc.
    """
    if not (_PROC / "self" / "fd").is_dir():
        return ()
    wanted = {str(path) + side + gone for side in SIDE_FILES for gone in ("", " (deleted)")}
    others = (entry for entry in _PROC.iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid())
    return tuple(Holder(int(entry.name), _name_of(entry)) for entry in others if _has_open(entry, wanted))


def _has_open(process: Path, wanted: set[str]) -> bool:
    try:
        return any(str(link.readlink()) in wanted for link in (process / "fd").iterdir())
    except OSError:
        return False  # it ended meanwhile, or belongs to somebody else


def _name_of(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "a process"
