"""The folder in which one database is measured: a copy of a generated one, and a repository beside it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..measure import module, run
from .generator import VERSION

__all__ = ["Workspace", "generated", "workspace"]


class Workspace:
    """The folder of one measurement: ``database`` to play on, and ``repository``, which does not exist yet."""

    def __init__(self, folder: Path, original: Path) -> None:
        self.folder = folder
        self.database = folder / "game.db"
        self.repository = folder / "repository"
        self.restored = folder / "restored.db"
        shutil.copy(original, self.database)

    def second_database(self) -> Path:
        """Return another copy, for a program that needs its own database. Call it before the first one is played on."""
        return Path(shutil.copy(self.database, self.folder / "followed.db"))


@contextlib.contextmanager
def workspace(folder: Path, name: str, megabytes: int) -> Iterator[Workspace]:
    """Make a workspace with a database of a size, and remove it afterwards."""
    here = folder / name
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir(parents=True)
    try:
        yield Workspace(here, generated(folder, megabytes))
    finally:
        shutil.rmtree(here)


def generated(folder: Path, megabytes: int) -> Path:
    """Return the generated database of a size, which is made once in a folder and kept there."""
    path = folder / f"game-{megabytes}-v{VERSION}.db"
    if not path.exists():
        scratch = path.with_suffix(".new")
        scratch.unlink(missing_ok=True)
        run(*module("sqlite.generator", scratch, "--megabytes", str(megabytes)))
        scratch.rename(path)
    return path
