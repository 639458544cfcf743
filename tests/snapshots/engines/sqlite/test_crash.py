"""A process killed at any point, and a disk that fills up: the old database or the new one, never a mixture."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.snapshots.engines.sqlite.engine import SqliteEngine
from core.snapshots.engines.sqlite.source import read_image
from tests.worlds.engine_cases import bounded
from tests.worlds.game_database import OtherProcess, assert_consistent, contents_of, make_game_database

pytestmark = [pytest.mark.process, pytest.mark.kill]

ROOT = Path(__file__).parents[4]
MIB = 1 << 20


class World:
    """A database in use, and the image of an older state of it."""

    def __init__(self, folder: Path, journal_mode: str) -> None:
        self._engine = subprocess.Popen(
            [sys.executable, "-m", "tests.worlds.crashing_engine"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.folder = folder
        self.journal_mode = journal_mode
        self.game = game = make_game_database(
            folder / "game" / "game.db", journal_mode=journal_mode, players=60, size=3 * MIB // 2
        )
        self.quarantine = folder / "quarantine"
        self.restore = folder / "restore"
        self.restore.mkdir()
        image = read_image(game, self.restore / "rebuilt.db", 1.0, bounded(30)).path
        # The game's later commits stay in the log, so that file and log belong together.
        OtherProcess(
            game,
            "PRAGMA wal_autocheckpoint = 0",
            "UPDATE users SET name = 'later ' || id",
            "UPDATE cards SET story = 'later'",
        ).kill()
        self.new = contents_of(image)
        self.old_files = {path.name: path.read_bytes() for path in game.parent.iterdir()}
        self.old = contents_of(self.copy())
        self.remember()

    def remember(self) -> None:
        """Keep the present files as those that ``reset`` goes back to."""
        self._before = {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}

    def reset(self) -> None:
        """Put everything back to before the operation."""
        for path in (self.game.parent, self.quarantine, self.restore):
            shutil.rmtree(path, ignore_errors=True)
        for path, content in self._before.items():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    def copy(self) -> Path:
        """Return a copy of the database with its log, so that looking into it changes nothing."""
        copied = self.folder / "copied"
        shutil.rmtree(copied, ignore_errors=True)
        shutil.copytree(self.game.parent, copied)
        return copied / "game.db"

    def run(self, operation: str, other: Path | None = None, **options: Any) -> tuple[int, str]:
        """Run an operation in a process of its own; return its exit status and output."""
        job = {
            "operation": operation,
            "database": str(self.game),
            "other": str(other or self.restore / "rebuilt.db"),
            "quarantine": str(self.quarantine),
            "journal_mode": self.journal_mode,
            **options,
        }
        assert self._engine.stdin is not None
        assert self._engine.stdout is not None
        self._engine.stdin.write(json.dumps(job) + "\n")
        self._engine.stdin.flush()
        status, output = json.loads(self._engine.stdout.readline())
        return status, output

    def close(self) -> None:
        """End the process that forks the others."""
        self._engine.communicate()

    def points(self, operation: str, spread: int) -> list[int]:
        """Return the points at which to die: each rename and what comes after it, and ``spread`` of the others."""
        status, output = self.run(operation)
        assert status == 0
        events = output.split()
        changes = ("os.rename", "os.link", "os.remove")
        renames = {number for number, event in enumerate(events, start=1) if event in changes}
        others = {1 + round(part * (len(events) - 1) / (spread - 1)) for part in range(spread)}
        return sorted(others | renames | {number + 1 for number in renames})


@pytest.fixture(params=["wal", "delete"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, request.param)
    yield made
    made.close()


def test_a_restore_in_place_that_dies_leaves_the_old_or_the_new(world: World) -> None:
    """Killed at points spread over the whole restore, the database is complete either way, and first old, then new."""
    states = []
    for at in world.points("online", 8):
        world.reset()
        assert world.run("online", at=at) == (-signal.SIGKILL, "")
        contents = contents_of(world.game)
        assert contents in (world.old, world.new), at
        assert_consistent(world.game)
        states.append(contents == world.new)
    assert states[0] is False
    assert states[-1] is True
    assert states == sorted(states)


def test_an_exchange_that_dies_leaves_the_old_or_the_new_at_its_place(world: World) -> None:
    """Never none, never the new file beside an old log, nor the old one without it; recovery makes it one or the
    other, and leaves nothing over.
    """
    states = []
    for at in world.points("swap", 5):
        world.reset()
        assert world.run("swap", at=at) == (-signal.SIGKILL, "")
        contents = contents_of(world.copy())
        assert contents in (world.old, world.new), at
        SqliteEngine(world.game, 1.0).recover(None, bounded(30))
        assert contents_of(world.copy()) == contents, at
        assert not [path for path in world.game.parent.iterdir() if path.name.startswith(".")], at
        kept = {path.name: path.read_bytes() for path in world.quarantine.glob("*")}
        assert kept == (world.old_files if contents == world.new else {}), at
        states.append(contents == world.new)
    assert states[0] is False
    assert states[-1] is True
    assert states == sorted(states)


def test_an_exchange_after_one_that_died_succeeds(world: World) -> None:
    """Whatever a crash left, the next restore works."""
    for at in world.points("swap", 3)[::2]:
        world.reset()
        world.run("swap", at=at)
        assert (world.restore / "rebuilt.db").exists()
        world.quarantine = world.folder / f"quarantine-{at}"
        assert world.run("swap")[0] == 0
        assert contents_of(world.game) == world.new
        assert not [path for path in world.game.parent.iterdir() if "restoring" in path.name]


def test_a_way_back_that_dies_loses_nothing(world: World) -> None:
    """Killed while the old files come back from quarantine, each of them is in one of the two places."""
    world.run("swap")
    world.remember()
    for at in itertools.count(1):
        world.reset()
        status, _ = world.run("put back", at=at)
        for name, content in world.old_files.items():
            places = [path for path in (world.quarantine / name, world.game.parent / name) if path.exists()]
            assert content in [path.read_bytes() for path in places], (at, name)
        if status == 0:
            break
    assert at > 4
    assert contents_of(world.game) == world.old


@pytest.mark.parametrize(
    ("operation", "during", "room"),
    [
        ("copy", "read", MIB),
        ("snapshot", "compress", 32 * 1024),
        ("online", "write", MIB),
        ("swap", "copy", MIB),
    ],
)
def test_a_full_disk_leaves_no_file_and_the_old_database(world: World, operation: str, during: str, room: int) -> None:
    """No room while the image is read, packed, written or copied: an error, nothing half-written, nothing changed."""
    if (operation, during, world.journal_mode) == ("snapshot", "read", "wal"):
        pytest.skip("in WAL mode no image is copied before it is packed")
    status, output = world.run(
        operation, world.restore if operation in ("copy", "snapshot") else None, full=room, during=during
    )
    assert status == 0
    assert output not in ("done", "")
    assert not (world.restore / "archive").exists()
    assert not world.quarantine.exists()
    assert not [path for path in world.game.parent.iterdir() if "restoring" in path.name]
    assert contents_of(world.game) == world.old
