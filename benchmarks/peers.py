"""What others do with the same database in the same run: each makes a first copy, a repeat, and gives it back.

None of them proves what it wrote. All but Litestream, which follows the log, are fed with a copy that SQLite's backup
interface makes, because none of them may read a live database's file; that copy is part of their time.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import ClassVar, Protocol

from .measure import run

__all__ = ["Peer", "feed", "missing", "peers", "versions"]


class Peer(Protocol):
    """One of them; what it keeps is in ``store``."""

    name: ClassVar[str]
    program: ClassVar[str]
    store: Path

    def begin(self) -> None:
        """Forget everything: the next copy is a first one. Not timed."""

    def copy(self) -> None:
        """Keep the database as it is now."""

    def give_back(self, target: Path) -> None:
        """Write the newest copy to a new file."""


def feed(database: Path, target: Path) -> None:
    """Copy a live database to a file by SQLite's own means."""
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


class Gzip:
    """SQLite's backup to a file, then ``gzip -6``: what most scripts do."""

    name: ClassVar[str] = "backup + gzip -6"
    program: ClassVar[str] = "gzip"

    def __init__(self, database: Path, folder: Path) -> None:
        self._database = database
        self.store = folder
        self._copy = folder / "feed.db"
        self._packed = folder / "feed.db.gz"

    def begin(self) -> None:
        """Start anew."""
        _emptied(self.store)

    def copy(self) -> None:
        """Copy and compress."""
        feed(self._database, self._copy)
        run("gzip", "-6", "-f", self._copy)

    def give_back(self, target: Path) -> None:
        """Run gunzip."""
        with target.open("wb") as output:
            subprocess.run(["gunzip", "-c", str(self._packed)], stdout=output, check=True)


class Restic:
    """SQLite's backup to a file, then ``restic backup``, compressed as it is by default."""

    name: ClassVar[str] = "restic, with its feed"
    program: ClassVar[str] = "restic"

    def __init__(self, database: Path, folder: Path) -> None:
        self._database = database
        self.store = folder / "repository"
        self._folder = folder
        self._copy = folder / "feed.db"

    def begin(self) -> None:
        """Make a new repository."""
        _emptied(self._folder)
        self._restic("init", "--repository-version", "2")

    def copy(self) -> None:
        """Copy and back up."""
        feed(self._database, self._copy)
        self._restic("backup", self._copy)

    def give_back(self, target: Path) -> None:
        """Run restic dump."""
        with target.open("wb") as output:
            command = [*self._command(), "dump", "latest", str(self._copy.absolute())]
            subprocess.run(command, stdout=output, stderr=subprocess.PIPE, check=True, env=self._environment())

    def _command(self) -> list[str]:
        return ["restic", "-r", str(self.store), "--cache-dir", str(self._folder / "cache"), "-q"]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "RESTIC_PASSWORD": "benchmark"}

    def _restic(self, *arguments: str | Path) -> None:
        run(*self._command(), *arguments, **self._environment())


class ResticDump(Restic):
    """``sqlite3 .dump`` straight into restic: no copy on the disk, but text."""

    name: ClassVar[str] = "restic, fed with .dump"

    def copy(self) -> None:
        """Dump into restic."""
        with subprocess.Popen(["sqlite3", str(self._database), ".dump"], stdout=subprocess.PIPE) as dump:
            command = [*self._command(), "backup", "--stdin", "--stdin-filename", "game.sql"]
            subprocess.run(command, stdin=dump.stdout, capture_output=True, check=True, env=self._environment())

    def give_back(self, target: Path) -> None:
        """Replay the dump."""
        command = [*self._command(), "dump", "latest", "/game.sql"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=self._environment()) as dump:
            subprocess.run(["sqlite3", str(target)], stdin=dump.stdout, check=True)


class Borg:
    """SQLite's backup to a file, then ``borg create --compression zstd``."""

    name: ClassVar[str] = "borg, with its feed"
    program: ClassVar[str] = "borg"

    def __init__(self, database: Path, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self.store = folder / "repository"
        self._copy = folder / "feed.db"
        self._count = 0

    def begin(self) -> None:
        """Make a new repository."""
        _emptied(self._folder)
        self._borg("init", "--encryption", "none", self.store)

    def copy(self) -> None:
        """Copy and create an archive."""
        self._count += 1
        feed(self._database, self._copy)
        self._borg("create", "--compression", "zstd", f"{self.store}::{self._count}", self._copy)

    def give_back(self, target: Path) -> None:
        """Run borg extract."""
        with target.open("wb") as output:
            command = ["borg", "extract", "--stdout", f"{self.store}::{self._count}"]
            subprocess.run(command, stdout=output, check=True, env=self._environment())

    def _environment(self) -> dict[str, str]:
        folder = str(self._folder.absolute() / "base")
        return {**os.environ, "BORG_BASE_DIR": folder, "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}

    def _borg(self, *arguments: str | Path) -> None:
        run("borg", *arguments, **self._environment())


class Litestream:
    """``litestream replicate -once`` to a folder. It takes over the database's log, so it has a copy of its own."""

    name: ClassVar[str] = "Litestream, once"
    program: ClassVar[str] = "litestream"

    def __init__(self, database: Path, folder: Path) -> None:
        self._database = database
        self.store = folder / "replica"

    def begin(self) -> None:
        """Forget the replica."""
        _emptied(self.store.parent)
        shutil.rmtree(self._database.with_name(f".{self._database.name}-litestream"), ignore_errors=True)

    def copy(self) -> None:
        """Ship what is not shipped yet."""
        run(
            _found(self.program) or self.program,
            "replicate",
            "-once",
            self._database,
            f"file://{self.store.absolute()}",
        )

    def give_back(self, target: Path) -> None:
        """Run litestream restore."""
        target.unlink(missing_ok=True)
        run(_found(self.program) or self.program, "restore", "-o", target, f"file://{self.store.absolute()}")


_FED: tuple[type[Gzip | Restic | ResticDump | Borg], ...] = (Gzip, Restic, ResticDump, Borg)


def peers(database: Path, followed: Path, folder: Path) -> list[Peer]:
    """Give those that are installed; Litestream follows ``followed``, a copy on which the same is played."""
    found: list[Peer] = [
        each(database, folder / each.__name__.lower()) for each in _FED if _found(each.program) and _complete(each)
    ]
    if _found(Litestream.program):
        found.append(Litestream(followed, folder / "litestream"))
    return found


def missing() -> list[str]:
    """Name those that are not installed."""
    absent = [each.name for each in _FED if not (_found(each.program) and _complete(each))]
    return absent if _found(Litestream.program) else [*absent, Litestream.name]


def versions() -> list[str]:
    """Name those programs that are installed, with their versions."""
    asked = (("gzip", "--version"), ("restic", "version"), ("borg", "--version"), ("litestream", "version"))
    found = []
    for program, question in asked:
        if path := _found(program):
            said = subprocess.run([path, question], capture_output=True, text=True, check=False).stdout
            number = re.search(r"[0-9]+(\.[0-9]+)+", said)
            found.append(f"{program} {number[0] if number else '?'}")
    return found


def _complete(peer: type[object]) -> bool:
    return peer is not ResticDump or _found("sqlite3") is not None


def _found(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path=str(Path(sys.prefix) / "bin"))


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
