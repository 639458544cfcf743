"""Where one database is measured: copies of a generated one, and a repository beside them."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from .generator import VERSION
from .measure import module, run

__all__ = ["Place", "made", "placed"]


class Place:
    """The folder of one measurement; ``database`` is played on, and ``repository`` not there yet."""

    def __init__(self, folder: Path, original: Path) -> None:
        self.folder = folder
        self.database = folder / "game.db"
        self.repository = folder / "repository"
        self.restored = folder / "restored.db"
        shutil.copy(original, self.database)

    def second_database(self) -> Path:
        """Give another copy, for who must have a database to itself. Only before the first was played on."""
        return Path(shutil.copy(self.database, self.folder / "followed.db"))


@contextlib.contextmanager
def placed(folder: Path, name: str, megabytes: int) -> Iterator[Place]:
    """Make a place with a database of a size; it is removed afterwards."""
    here = folder / name
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir(parents=True)
    try:
        yield Place(here, made(folder, megabytes))
    finally:
        shutil.rmtree(here)


def made(folder: Path, megabytes: int) -> Path:
    """Give the generated database of a size, which is made once in a folder and stays there."""
    path = folder / f"game-{megabytes}-v{VERSION}.db"
    if not path.exists():
        scratch = path.with_suffix(".new")
        scratch.unlink(missing_ok=True)
        run(*module("generator", scratch, "--megabytes", str(megabytes)))
        scratch.rename(path)
    return path
