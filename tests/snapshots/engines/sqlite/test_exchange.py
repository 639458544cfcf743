"""Exchanging the files of a SQLite database that cannot be opened: nothing old is replayed, nothing is thrown away."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.snapshots.engines import ReplaceResult
from core.snapshots.engines.sqlite.engine import SqliteEngine
from core.snapshots.engines.sqlite.exchanging import moves, record, steps
from core.snapshots.engines.sqlite.exchanging.exchange import recover
from core.snapshots.engines.sqlite.exchanging.holders import holders
from core.snapshots.engines.sqlite.exchanging.moves import identify
from core.snapshots.engines.sqlite.exchanging.record import Record
from core.snapshots.engines.sqlite.source import read_image
from core.snapshots.errors import DatabaseBusy, DatabaseMissing
from core.snapshots.files import short_name
from core.snapshots.models import Method
from core.snapshots.progress import Watch
from tests.worlds.engine_cases import CHECKS, bounded
from tests.worlds.game_database import OtherProcess, connected, contents_of, make_game_database

pytestmark = pytest.mark.process

SIDES = ("", "-wal", "-shm", "-journal")


@pytest.fixture
def game(tmp_path: Path) -> Path:
    return make_game_database(tmp_path / "game" / "game.db", players=60)


@pytest.fixture
def image(game: Path, tmp_path: Path) -> Path:
    """The image of a snapshot, after which the game went on."""
    folder = tmp_path / "restore"
    folder.mkdir()
    rebuilt = read_image(game, folder / "rebuilt.db", 1.0, bounded(30)).path
    with connected(game) as connection:
        connection.execute("UPDATE users SET name = 'after the snapshot ' || id")
    return rebuilt


@pytest.fixture
def quarantine(tmp_path: Path) -> Path:
    return tmp_path / "backups" / "quarantine" / "20261123T080000.000Z"


def exchange(
    game: Path,
    image: Path,
    quarantine: Path,
    *,
    journal_mode: str = "wal",
    busy_timeout: float = 10.0,
    watch: Watch | None = None,
) -> ReplaceResult:
    details = {"journal_mode": journal_mode}
    return SqliteEngine(game, busy_timeout).replace(
        image, Method.SWAP, quarantine, details, CHECKS, watch or bounded(60), stopped=True
    )


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())} if folder.is_dir() else {}


def header_destroyed(game: Path) -> None:
    with game.open("r+b") as file:
        file.write(b"\xff" * 100)


def truncated(game: Path) -> None:
    with game.open("r+b") as file:
        file.truncate(9000)


def emptied(game: Path) -> None:
    game.write_bytes(b"")


def gone(game: Path) -> None:
    game.unlink()


def gone_with_its_folder(game: Path) -> None:
    shutil.rmtree(game.parent)


@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
@pytest.mark.parametrize("damage", [header_destroyed, truncated, emptied, gone, gone_with_its_folder])
def test_every_kind_of_unusable_file_is_exchanged(
    game: Path, image: Path, quarantine: Path, damage: Callable[[Path], None], journal_mode: str
) -> None:
    """Whatever happened to the file, the snapshot is there afterwards, in its journal mode, and the rest is kept."""
    expected = contents_of(image)
    damage(game)
    before = files_of(game.parent)
    replaced = exchange(game, image, quarantine, journal_mode=journal_mode)
    assert (replaced.identical, replaced.integrity.findings) == (True, ())
    assert replaced.quarantine == (quarantine.name if before else None)
    assert files_of(quarantine) == before
    # A read-only connection leaves an empty log beside a WAL database.
    assert set(files_of(game.parent)) <= {"game.db", "game.db-wal", "game.db-shm"}
    assert files_of(game.parent).get("game.db-wal", b"") == b""
    assert contents_of(game) == expected
    with connected(game) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == (journal_mode,)


@pytest.mark.kill
@pytest.mark.parametrize("damage", [header_destroyed, emptied, gone, None])
def test_a_log_that_was_left_behind_is_not_replayed(
    game: Path, image: Path, quarantine: Path, damage: Callable[[Path], None] | None
) -> None:
    """The log of the old file lies beside: SQLite would write its pages over the restored ones without a word."""
    expected = contents_of(image)
    OtherProcess(game, "PRAGMA wal_autocheckpoint = 0", "UPDATE users SET name = 'from the old log ' || id").kill()
    if damage is not None:
        damage(game)
    before = files_of(game.parent)
    assert len(before["game.db-wal"]) > 0
    assert exchange(game, image, quarantine).identical is True
    assert contents_of(game) == expected
    assert files_of(quarantine) == before


@pytest.mark.kill
def test_a_journal_that_was_left_behind_is_not_rolled_back(tmp_path: Path, quarantine: Path) -> None:
    """The journal of a crash belongs to the file it was written for, and goes into quarantine with it."""
    game = make_game_database(tmp_path / "game" / "game.db", journal_mode="delete", players=60, size=1 << 20)
    (tmp_path / "restore").mkdir()
    image = read_image(game, tmp_path / "restore" / "rebuilt.db", 1.0, bounded(30)).path
    expected = contents_of(image)
    crash = ("PRAGMA cache_size = 5", "BEGIN IMMEDIATE", "UPDATE cards SET story = 'half'", "UPDATE users SET dust = 1")
    OtherProcess(game, *crash).kill()
    header_destroyed(game)
    before = files_of(game.parent)
    assert len(before["game.db-journal"]) > 0
    assert exchange(game, image, quarantine, journal_mode="delete").identical is True
    assert contents_of(game) == expected
    assert files_of(quarantine) == before


@pytest.mark.kill
def test_what_a_crashed_exchange_left_does_not_get_into_the_next(game: Path, image: Path, quarantine: Path) -> None:
    """A half-made copy with a log of its own beside the database is not mixed into a new one."""
    expected = contents_of(image)
    beside = game.with_name(".game.db.restoring")
    shutil.copy(game, beside)
    OtherProcess(beside, "PRAGMA wal_autocheckpoint = 0", "UPDATE users SET name = 'from a crash ' || id").kill()
    header_destroyed(game)
    assert exchange(game, image, quarantine).identical is True
    assert contents_of(game) == expected
    assert [path.name for path in game.parent.iterdir() if "restoring" in path.name] == []


@pytest.mark.parametrize("mode", [0o640, 0o600, 0o664])
def test_the_new_file_has_the_rights_of_the_old(game: Path, image: Path, quarantine: Path, mode: int) -> None:
    """The worker's files are private; the game's keeps the mode it had, so that whoever read it still can."""
    header_destroyed(game)
    game.chmod(mode)
    umask = os.umask(0o077)
    try:
        exchange(game, image, quarantine)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(game.stat().st_mode) == mode


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("damage", [header_destroyed, gone])
def test_root_gives_the_new_file_to_the_owner_of_the_old(
    game: Path, image: Path, quarantine: Path, damage: Callable[[Path], None]
) -> None:
    """A restore by root leaves a file that the bot's user can open; without an old one, its folder's owner counts."""
    for path in (game.parent, game):
        os.chown(path, 12345, 23456)
    damage(game)
    exchange(game, image, quarantine)
    assert (game.stat().st_uid, game.stat().st_gid) == (12345, 23456)


def test_files_in_use_are_not_exchanged(game: Path, image: Path, quarantine: Path) -> None:
    """Whoever has the file open would go on writing into quarantine: the error names the process, nothing is moved."""
    before = game.read_bytes()
    with OtherProcess(game, "SELECT count(*) FROM users") as bot:
        with pytest.raises(DatabaseBusy) as caught:
            exchange(game, image, quarantine, busy_timeout=0.2)
        assert caught.value.pids == [bot.pid]
        assert str(bot.pid) in str(caught.value)
    assert game.read_bytes() == before
    assert not quarantine.exists()
    assert [path.name for path in game.parent.iterdir() if "restoring" in path.name] == []
    assert exchange(game, image, quarantine).identical is True


def test_a_file_that_is_closed_in_time_is_waited_for(game: Path, image: Path, quarantine: Path) -> None:
    """A bot that is just going down gets the busy timeout to let go."""
    bot = OtherProcess(game, "SELECT count(*) FROM users")
    looks = 0

    def look() -> bool:
        nonlocal looks
        looks += 1
        if holders(game) and looks > 3:
            bot.__exit__()
        return False

    assert exchange(game, image, quarantine, watch=Watch(cancelled=look)).identical is True


@pytest.mark.parametrize("side", ["", "-wal", "-shm"])
def test_holders_sees_who_has_any_of_the_files_open(game: Path, side: str) -> None:
    """A process counts by whichever file it holds, also after that file was deleted; this process does not."""
    with OtherProcess(game, "UPDATE users SET dust = dust + 1") as bot, connected(game) as own:
        own.execute("SELECT count(*) FROM users").fetchone()
        assert [holder.pid for holder in holders(game)] == [bot.pid]
        assert holders(game.with_name("other.db")) == ()
    reader = "import sys; file = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    path = game.with_name("game.db" + side)
    path.touch()
    process = subprocess.Popen(
        [sys.executable, "-c", reader, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        path.unlink()
        assert [holder.pid for holder in holders(game)] == [process.pid]


@pytest.mark.kill
def test_put_back_brings_every_file_back(game: Path, image: Path, quarantine: Path) -> None:
    """Afterwards the damaged files are exactly where they were, log and all, and nothing of the new ones is left."""
    OtherProcess(game, "PRAGMA wal_autocheckpoint = 0", "UPDATE users SET name = 'from the old log ' || id").kill()
    before = files_of(game.parent)
    exchange(game, image, quarantine)
    with OtherProcess(game, "UPDATE users SET dust = dust + 1") as bot:
        bot.kill()
    SqliteEngine(game, 1.0).put_back(quarantine, bounded(30))
    assert files_of(game.parent) == before
    assert files_of(quarantine) == {}


def test_nothing_is_put_back_from_nowhere(game: Path, quarantine: Path) -> None:
    """Without a file in quarantine nothing at the database's place is touched."""
    before = files_of(game.parent)
    with pytest.raises(DatabaseMissing):
        SqliteEngine(game, 1.0).put_back(quarantine, bounded(30))
    assert files_of(game.parent) == before


@pytest.mark.kill
@pytest.mark.parametrize("fails_at", ["game.db", "game.db-wal", "game.db-shm"])
def test_a_quarantine_that_takes_no_more_leaves_everything_in_its_place(
    game: Path, image: Path, quarantine: Path, monkeypatch: pytest.MonkeyPatch, fails_at: str
) -> None:
    """The quarantine may lie on another disk, and that may be full: then the old files stay, all of them."""
    OtherProcess(game, "PRAGMA wal_autocheckpoint = 0", "UPDATE users SET name = 'from the old log ' || id").kill()
    before = files_of(game.parent)

    def full(source: Path, target: Path, *, copied: bool) -> None:
        if source.name == fails_at and target.parent == quarantine:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        moves.keep(source, target, copied=copied)

    monkeypatch.setattr(steps, "keep", full)
    with pytest.raises(OSError, match="No space"):
        exchange(game, image, quarantine)
    assert files_of(game.parent) == before


def test_a_deadline_after_the_exchange_is_not_a_failed_restore(game: Path, image: Path, quarantine: Path) -> None:
    """Once the files are exchanged they are; that there was no time to compare them is only not known."""
    expected = contents_of(image)
    late = False

    def look(phase: str, _done: int, _total: int) -> None:
        nonlocal late
        late = late or phase == "compare"

    clock = iter(map(float, range(1_000_000))).__next__
    watch = Watch(progress=look, monotonic=lambda: clock() + (1e9 if late else 0.0), deadline_at=1e8)
    replaced = exchange(game, image, quarantine, watch=watch)
    assert (replaced.identical, replaced.integrity.ok) == (None, True)
    assert contents_of(game) == expected


def test_the_game_writes_into_the_new_file(game: Path, image: Path, quarantine: Path) -> None:
    """The exchanged file is an ordinary database: a game opens it, commits, and finds its commits again."""
    header_destroyed(game)
    exchange(game, image, quarantine)
    with OtherProcess(game, "UPDATE users SET name = 'new ' || id") as bot:
        assert bot.execute("SELECT name FROM users WHERE id = 7") == [["new 7"]]
    with sqlite3.connect(game) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("planted", ["beside", "kept", "sides"])
def test_a_planted_record_removes_nothing(game: Path, quarantine: Path, tmp_path: Path, planted: str) -> None:
    """Whoever can write a record into the repository must not choose what is removed elsewhere."""
    precious, expected = tmp_path / "precious", contents_of(game)
    precious.write_bytes(b"of somebody else")
    way = f"/../../../../{tmp_path.name}/../{tmp_path.name}/precious"
    (quarantine / game.name).mkdir(parents=True)
    plain = Record(
        database=str(game), image="", beside=str(short_name(game, "restoring")), quarantine=str(quarantine), wal=True
    )
    known = identify(precious)
    assert known is not None
    changes: dict[str, Any] = {"beside": str(precious), "kept": ("", way), "sides": {"/../../precious": known}}
    file = tmp_path / "backups" / "state" / "exchange.json"
    record.write(file, msgspec.structs.replace(plain, clearing=True, **{planted: changes[planted]}))
    assert recover(game, file, bounded(30)) is None
    assert precious.read_bytes() == b"of somebody else"
    assert contents_of(game) == expected
    assert not file.exists()
