"""What lies around a database file: read-only volumes, mount points, full disks, long names, and holders out of
sight.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.snapshots.engines.sqlite.exchanging.exchange import exchange_files
from core.snapshots.engines.sqlite.replace import write_online
from core.snapshots.engines.sqlite.source import read_image
from core.snapshots.errors import DatabaseUnavailable
from core.snapshots.progress import Watch
from tests.worlds import volumes
from tests.worlds.engine_cases import bounded
from tests.worlds.game_database import OtherProcess, contents_of, make_game_database

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[4]
needs_mounts = pytest.mark.skipif(volumes.missing() is not None, reason=volumes.missing() or "")

_EXCHANGE = """
import sys
from pathlib import Path
from core.snapshots.engines.sqlite.exchanging.exchange import exchange_files
from core.snapshots.errors import DatabaseBusy
from core.snapshots.progress import Watch

game, image, quarantine, stopped = sys.argv[1:]
try:
    exchange_files(Path(game), Path(image), Path(quarantine), {}, 0.2, Watch(), stopped=stopped == "stopped")
    print("exchanged")
except DatabaseBusy as error:
    print("refused:", error)
"""


def image_of(game: Path, folder: Path) -> Path:
    """Return the image of a game as a snapshot restores it."""
    folder.mkdir()
    return read_image(game, folder / "rebuilt.db", 1.0, bounded(30)).path


def header_destroyed(game: Path) -> None:
    with game.open("r+b") as file:
        file.write(b"\xff" * 100)


def prefix_of(kind: str) -> list[str]:
    """Return the command in front of a program that cannot look into this test's processes."""
    commands = {
        "another PID namespace": ["unshare", "--pid", "--fork", "--mount-proc"],
        "fewer rights": ["setpriv", "--bounding-set", "-sys_ptrace"],
    }
    if os.geteuid() != 0 or shutil.which(commands[kind][0]) is None:
        pytest.skip(f"only root, and with {commands[kind][0]}, can begin a process in {kind}")
    return commands[kind]


@pytest.mark.parametrize("kind", ["another PID namespace", "fewer rights"])
@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
def test_files_are_not_exchanged_under_a_holder_that_cannot_be_seen(
    tmp_path: Path, kind: str, journal_mode: str
) -> None:
    """In WAL mode its lock tells, whatever a person says; an idle one in rollback mode has none, so they are asked."""
    game = make_game_database(tmp_path / "game" / "game.db", journal_mode=journal_mode, players=20)
    image, quarantine = image_of(game, tmp_path / "image"), tmp_path / "quarantine"
    with OtherProcess(game, "UPDATE users SET dust = dust"):
        if journal_mode == "wal":
            header_destroyed(game)
        before = game.read_bytes()
        stopped = "stopped" if journal_mode == "wal" else "nobody said so"
        command = [*prefix_of(kind), sys.executable, "-c", _EXCHANGE, str(game), str(image), str(quarantine), stopped]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("refused:")
    assert ("cannot be seen" if journal_mode == "wal" else "--stopped") in ran.stdout
    assert game.read_bytes() == before
    assert not quarantine.exists()


@needs_mounts
def test_a_wal_database_on_a_read_only_mount_is_read_while_the_bot_runs(tmp_path: Path) -> None:
    """Elsewhere somebody can write to it, so without its side files the cause is named, and nothing is guessed."""
    game = make_game_database(tmp_path / "data" / "game.db", players=20)
    point = tmp_path / "point"
    point.mkdir()
    with volumes.mounted(point, "--bind", str(game.parent)):
        volumes.remount(point, "bind,ro")
        with OtherProcess(game, "UPDATE users SET dust = 999 WHERE id = 1"):
            seen = read_image(point / "game.db", tmp_path / "image.db", 1.0, bounded(30)).path
            assert contents_of(seen) == contents_of(game)
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            read_image(point / "game.db", tmp_path / "second.db", 1.0, bounded(30))


@needs_mounts
@pytest.mark.kill
def test_a_wal_database_on_a_read_only_volume_is_read_where_nobody_can_write(tmp_path: Path) -> None:
    """Without a log the file is the whole state; with one that a crash left, the cause is named."""
    point = tmp_path / "point"
    point.mkdir()
    with volumes.mounted(point, "-t", "tmpfs", "-o", "size=8m", "none"):
        game = make_game_database(point / "game.db", players=20)
        rows = contents_of(game)
        volumes.remount(point, "ro")
        assert contents_of(read_image(game, tmp_path / "image.db", 1.0, bounded(30)).path) == rows
        volumes.remount(point, "rw")
        OtherProcess(game, "UPDATE users SET dust = 999 WHERE id = 1").kill()
        (point / "game.db-shm").unlink()
        volumes.remount(point, "ro")
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            read_image(game, tmp_path / "second.db", 1.0, bounded(30))


@needs_mounts
@pytest.mark.kill
def test_half_a_transaction_on_a_read_only_volume_is_never_taken_for_the_state(tmp_path: Path) -> None:
    """A disk that fails is mounted read-only by the kernel: what the killed game had not committed must be undone."""
    point = tmp_path / "point"
    point.mkdir()
    with volumes.mounted(point, "-t", "tmpfs", "-o", "size=8m", "none"):
        game = make_game_database(point / "game.db", journal_mode="delete", players=20)
        rows = contents_of(game)
        spill = ("PRAGMA cache_size = 2", "BEGIN IMMEDIATE", "UPDATE cards SET story = story || 'half'")
        OtherProcess(game, *spill, "DELETE FROM user_cards").kill()
        volumes.remount(point, "ro")
        with pytest.raises(DatabaseUnavailable, match="mount it writable"):
            read_image(game, tmp_path / "image.db", 1.0, bounded(30))
        with pytest.raises(DatabaseUnavailable, match="mount it writable"):
            write_online(game, tmp_path / "image.db", tmp_path, 1.0, bounded(30))
        volumes.remount(point, "rw")
        assert contents_of(read_image(game, tmp_path / "image.db", 1.0, bounded(30)).path) == rows


@needs_mounts
def test_a_database_that_is_a_mount_point_is_written_through(tmp_path: Path) -> None:
    """As in ``docker run -v ./game.db:/app/game.db``: rename fails with EBUSY, so the file keeps its place."""
    game = make_game_database(tmp_path / "host" / "game.db", players=20)
    image, rows = image_of(game, tmp_path / "image"), contents_of(game)
    point = tmp_path / "app" / "game.db"
    point.parent.mkdir()
    point.touch()
    with volumes.mounted(point, "--bind", str(game)):
        header_destroyed(point)
        damaged = point.read_bytes()
        exchange_files(point, image, tmp_path / "quarantine", {}, 1.0, Watch(), stopped=True)
        assert contents_of(point) == rows
        assert (tmp_path / "quarantine" / "game.db").read_bytes() == damaged
    assert contents_of(game) == rows
    assert [path.name for path in point.parent.iterdir() if path.name.startswith(".")] == []


@needs_mounts
@pytest.mark.parametrize("rename", [True, False])
def test_a_disk_with_room_for_one_copy_is_enough(tmp_path: Path, rename: bool) -> None:
    """The damaged file is kept on the quarantine's disk, and the new one written into its place."""
    point = tmp_path / "point"
    point.mkdir()
    with volumes.mounted(point, "-t", "tmpfs", "-o", "size=3m", "none"):
        game = make_game_database(point / "game.db", journal_mode="delete", players=20, size=1_800_000 if rename else 0)
        image, rows = image_of(game, tmp_path / "image"), contents_of(game)
        if not rename:  # the small database fits twice
            (point / "filler").write_bytes(bytes(1 << 20))
        header_destroyed(game)
        damaged = game.read_bytes()
        exchange_files(game, image, tmp_path / "quarantine", {}, 1.0, Watch(), stopped=True)
        assert contents_of(game) == rows
        assert (tmp_path / "quarantine" / "game.db").read_bytes() == damaged
        assert {path.name for path in point.iterdir()} <= {"game.db", "filler"}


@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
def test_the_longest_name_that_sqlite_takes_is_exchanged(tmp_path: Path, journal_mode: str) -> None:
    """SQLite needs eight bytes more than the database's name, and nothing here needs more than SQLite."""
    folder = tmp_path / "game"
    game = make_game_database(folder / ("ö" * 122 + ".db"), journal_mode=journal_mode, players=20)
    assert len(os.fsencode(game.name)) == 247
    image, rows = image_of(game, tmp_path / "image"), contents_of(game)
    header_destroyed(game)
    exchange_files(game, image, tmp_path / "quarantine", {}, 1.0, Watch(), stopped=True)
    assert contents_of(game) == rows
