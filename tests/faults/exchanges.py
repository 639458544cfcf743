"""Exchanges of files under faults: the worlds, one run with its fault, and what must be true after it."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from core.snapshots.engines.sqlite.source import read_image
from core.snapshots.progress import Watch
from tests.faults import injector
from tests.worlds.game_database import OtherProcess, contents_of, make_game_database

ROOT = Path(__file__).parents[2]
SIZE = 1 << 18


class Scenario(NamedTuple):
    """A database as a healing finds it: its journal mode, what happened to it, and how its file can be replaced."""

    name: str
    journal_mode: str
    harm: str
    through: bool = False


SCENARIOS = (
    Scenario("whole, with a log", "wal", "none"),
    Scenario("no header, with a log", "wal", "header"),
    Scenario("no file, with a log", "wal", "missing"),
    Scenario("cut short, hot journal", "delete", "truncated"),
    Scenario("whole, hot journal", "delete", "none"),
    Scenario("mount point, no header", "wal", "header", through=True),
    Scenario("mount point, whole", "delete", "none", through=True),
)


class ExchangeWorld:
    """One scenario, and the process in which its exchanges are made."""

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        self.folder, self.scenario = folder, scenario
        self.game = make_game_database(folder / "game" / "game.db", journal_mode=scenario.journal_mode, size=SIZE)
        self.quarantine = folder / "backups" / "quarantine" / "now"
        self.record = folder / "backups" / "state" / "exchange.json"
        self.image = folder / "backups" / "image" / "rebuilt.db"
        self.image.parent.mkdir(parents=True)
        read_image(self.game, self.image, 1.0, Watch())
        self.new = contents_of(self.image)
        crash = ["UPDATE users SET name = 'later ' || id"]
        if scenario.journal_mode == "wal":
            crash.insert(0, "PRAGMA wal_autocheckpoint = 0")
        else:
            # Committed rows that the image lacks, then a transaction that spills into the file and never ends.
            crash += ["PRAGMA cache_size = 1", "BEGIN IMMEDIATE", "UPDATE cards SET story = hex(randomblob(99))"]
        OtherProcess(self.game, *crash).kill()
        self._harm()
        self.old_files = {path.name: path.read_bytes() for path in self.game.parent.iterdir()}
        self.old = self.state()
        self._before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forks"],
            cwd=ROOT,
            env=injector.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _harm(self) -> None:
        if self.scenario.harm == "header":
            with self.game.open("r+b") as file:
                file.write(b"\xff" * 100)
        elif self.scenario.harm == "missing":
            self.game.unlink()
        elif self.scenario.harm == "truncated":
            with self.game.open("r+b") as file:
                file.truncate(5000)

    def reset(self) -> None:
        """Put everything back to before the exchange."""
        for path in (self.game.parent, self.folder / "backups"):
            shutil.rmtree(path, ignore_errors=True)
        for path, content in self._before.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def state(self) -> Any:
        """Return the rows of the database as the next process would find them, looked at in a copy."""
        copied = self.folder / "copied"
        shutil.rmtree(copied, ignore_errors=True)
        shutil.copytree(self.game.parent, copied)
        if not (copied / "game.db").exists():
            return "none"
        try:
            return contents_of(copied / "game.db")
        except sqlite3.DatabaseError:
            return "unreadable"

    def run(self, operation: str, **options: Any) -> tuple[int, int, str]:
        """Do an operation in a fork; return its exit status, its number of file calls, and its answer."""
        job = {
            "operation": operation,
            "root": str(self.folder),
            "database": str(self.game),
            "image": str(self.image),
            "quarantine": str(self.quarantine),
            "record": str(self.record),
            "journal_mode": self.scenario.journal_mode,
            "busy": int(self.scenario.through),
            **options,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        status, calls, output = json.loads(self._process.stdout.readline())
        return status, calls, output

    def calls(self) -> int:
        """Return how many file calls an undisturbed exchange makes."""
        self.reset()
        status, calls, output = self.run("exchange")
        assert (status, output) == (0, "done"), output
        assert self.state() == self.new
        return calls

    def play(self) -> bool:
        """Let a game that starts now commit a row, if it can; return True if it could."""
        if not self.game.exists():
            return False
        with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(sqlite3.connect(self.game)) as connection:
            connection.execute("INSERT INTO users (id, name, dust) VALUES (9999, 'came in between', 1)")
            connection.commit()
            return True
        return False

    def problem_after(self, at: int, how: int, *, from_then_on: bool = False, game: bool = False) -> str | None:
        """Disturb an exchange at one file call; return what is wrong after it, None if all is as it must be."""
        self.reset()
        status, _, output = self.run("exchange", at=at, how=how, **{"from": int(from_then_on)})
        if how == injector.KILL and status != -signal.SIGKILL:
            return f"it was not killed: {output}"
        if how != injector.KILL and status != 0:
            return f"it died of {status}"
        found = self.state()
        allowed = [self.new, self.old, *(["unreadable"] if self.scenario.through else [])]
        if found not in allowed:
            return f"neither the old nor the new database: {found if isinstance(found, str) else 'a mixture'}"
        if output == "done" and found != self.new:
            return "done, and not the new database"
        played = game and self.play()
        status, _, answer = self.run("recover")
        if status != 0 or "Error" in answer:
            return f"it could not be finished or undone: {answer}"
        return self._problem_now(found, played=played, used=answer == "None")

    def _problem_now(self, found: Any, *, played: bool, used: bool) -> str | None:
        """Return what is wrong after recovery; ``used`` if it found that somebody had changed the old file since."""
        now = self.state()
        if played:
            return None if now not in ("none", "unreadable") and _came_in_between(now) else "a committed row is lost"
        if now not in (self.new, self.old) or (found == self.new and now != self.new):
            return "not the old or the new database after the next start"
        left = [path.name for path in self.game.parent.iterdir() if path.name.startswith(".")]
        if left or self.record.exists():
            return f"left over: {left or self.record.name}"
        kept = {path.name: path.read_bytes() for path in self.quarantine.glob("*")}
        if kept != (self.old_files if now == self.new or used else {}):
            return f"in quarantine: {sorted(kept)}"
        return None

    def close(self) -> None:
        """End the process that forks."""
        self._process.communicate()


def _came_in_between(rows: Any) -> bool:
    return any(row[0] == 9999 for row in rows["users"])


@contextlib.contextmanager
def exchange_world(folder: Path, scenario: Scenario) -> Iterator[ExchangeWorld]:
    """Make the world of a scenario, and end its process."""
    world = ExchangeWorld(folder, scenario)
    try:
        yield world
    finally:
        world.close()
