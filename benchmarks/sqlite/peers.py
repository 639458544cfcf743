"""What others do with the same database in the same run: each makes a first copy, a repeat, and gives it back.

None of them verifies what it wrote. All but Litestream, which follows the log, are fed with a copy that SQLite's backup
interface makes, because none of them may read a live database's file; that copy is part of their time.

A program is looked for in ``PATH``, in the folder of this Python's programs, and where ``BENCHMARK_RESTIC``,
``BENCHMARK_BORG``, ``BENCHMARK_LITESTREAM`` or ``BENCHMARK_GZIP`` say.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import ClassVar

from ..measure import run
from .results import BACKUP_GZIP, RESTIC

__all__ = ["PEERS", "Peer", "feed", "found", "missing", "peers", "versions"]


def feed(database: Path, target: Path) -> None:
    """Copy a live database to a file by SQLite's own means."""
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


class Peer(ABC):
    """Another backup program. What it keeps is in ``store``; ``folder`` is its own."""

    name: ClassVar[str]
    program: ClassVar[str]
    version: ClassVar[str] = "--version"
    builds_on_the_last: ClassVar[bool] = True
    """True if a repeat is something else than a first copy."""
    own_database: ClassVar[bool] = False
    """True if it takes over the database's log, so that nothing else can be measured on that database."""

    def __init__(self, path: str, database: Path, folder: Path) -> None:
        self._program = path
        self._copy = folder / "feed.db"
        self.database = database
        self.folder = folder
        self.store = folder / "store"

    def begin(self) -> None:
        """Delete everything, so that the next copy is a first one. Not timed."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    @abstractmethod
    def copy(self) -> None:
        """Copy the current state of the database."""

    @abstractmethod
    def give_back(self, target: Path) -> None:
        """Write the newest copy to a new file."""

    def _environment(self) -> dict[str, str]:
        return {}

    def _run(self, *arguments: str | Path) -> None:
        run(self._program, *arguments, **self._environment())

    def _write(self, target: Path, *arguments: str | Path) -> None:
        """Run the program with its output in a file."""
        with target.open("wb") as output:
            subprocess.run([self._program, *arguments], stdout=output, check=True, env=os.environ | self._environment())


class Gzip(Peer):
    """SQLite's backup to a file, then ``gzip -6``: what most scripts do."""

    name = BACKUP_GZIP
    program = "gzip"
    builds_on_the_last = False

    def begin(self) -> None:
        """Start anew."""
        super().begin()
        self.store = self._copy.with_suffix(".db.gz")

    def copy(self) -> None:
        """Copy and compress."""
        self.store.unlink(missing_ok=True)
        feed(self.database, self._copy)
        self._run("-6", self._copy)

    def give_back(self, target: Path) -> None:
        """Run gunzip."""
        self._write(target, "-dc", self.store)


class Restic(Peer):
    """SQLite's backup to a file, then ``restic backup``, compressed as it is by default."""

    name = RESTIC
    program = "restic"
    version = "version"

    def begin(self) -> None:
        """Make a new repository."""
        super().begin()
        self._run(*self._options(), "init", "--repository-version", "2")

    def copy(self) -> None:
        """Copy and back up."""
        feed(self.database, self._copy)
        self._run(*self._options(), "backup", self._copy)

    def give_back(self, target: Path) -> None:
        """Run restic dump."""
        self._write(target, *self._options(), "dump", "latest", self._copy)

    def _options(self) -> tuple[str | Path, ...]:
        return "-q", "-r", self.store, "--cache-dir", self.folder / "cache"

    def _environment(self) -> dict[str, str]:
        return {"RESTIC_PASSWORD": "benchmark"}


class Borg(Peer):
    """SQLite's backup to a file, then ``borg create --compression zstd``."""

    name = "borg, with its feed"
    program = "borg"
    _count = 0

    def begin(self) -> None:
        """Make a new repository."""
        super().begin()
        self._run("init", "--encryption", "none", self.store)

    def copy(self) -> None:
        """Copy and create an archive."""
        self._count += 1
        feed(self.database, self._copy)
        self._run("create", "--compression", "zstd", f"{self.store}::{self._count}", self._copy)

    def give_back(self, target: Path) -> None:
        """Run borg extract."""
        self._write(target, "extract", "--stdout", f"{self.store}::{self._count}")

    def _environment(self) -> dict[str, str]:
        return {"BORG_BASE_DIR": str(self.folder / "base"), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}


class Litestream(Peer):
    """``litestream replicate -once`` to a folder, and ``litestream restore``."""

    name = "Litestream, once"
    program = "litestream"
    version = "version"
    own_database = True

    def begin(self) -> None:
        """Forget the replica, and what it notes beside the database."""
        super().begin()
        shutil.rmtree(self.database.with_name(f".{self.database.name}-litestream"), ignore_errors=True)

    def copy(self) -> None:
        """Ship what is not shipped yet."""
        self._run("replicate", "-once", self.database, f"file://{self.store}")

    def give_back(self, target: Path) -> None:
        """Run litestream restore."""
        self._run("restore", "-o", target, f"file://{self.store}")


PEERS: tuple[type[Peer], ...] = (Gzip, Restic, Borg, Litestream)


def peers(database: Path, another: Callable[[], Path], folder: Path) -> list[Peer]:
    """Return the peers that are installed; ``another`` makes a copy of the database for one that needs its own."""
    return [
        peer(program, another() if peer.own_database else database, folder.absolute() / peer.program)
        for peer in PEERS
        if (program := found(peer.program)) is not None
    ]


def missing() -> list[str]:
    """Return the names of the peers that are not installed."""
    return [peer.name for peer in PEERS if found(peer.program) is None]


def versions() -> list[str]:
    """Return the programs that are installed, with their versions."""
    named = []
    for peer in PEERS:
        if path := found(peer.program):
            output = subprocess.run([path, peer.version], capture_output=True, text=True, check=False).stdout
            number = re.search(r"[0-9]+(\.[0-9]+)+", output)
            named.append(f"{peer.program} {number[0] if number else 'of unknown version'}")
    return named


def found(program: str) -> str | None:
    """Return the path of a program, or None if it is not installed."""
    named = os.environ.get(f"BENCHMARK_{program.upper()}")
    if named:
        return shutil.which(named)
    return shutil.which(program) or shutil.which(program, path=str(Path(sys.prefix) / "bin"))
