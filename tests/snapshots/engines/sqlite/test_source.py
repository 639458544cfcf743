"""The quick reader against its slow twin: SQLite's own backup, through the same connection in the same transaction."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.snapshots.engines.sqlite import source as source_module
from core.snapshots.engines.sqlite import wal
from core.snapshots.engines.sqlite.connections import read_transaction, reading
from core.snapshots.engines.sqlite.engine import SqliteEngine
from core.snapshots.engines.sqlite.replace import same_content
from core.snapshots.engines.sqlite.source import NotRecognised, copy_pinned, open_copy, open_live
from core.snapshots.progress import Watch
from tests.worlds.chain_world import Chain
from tests.worlds.game_database import OtherProcess, connected, contents_of, make_game_database

WRITER = """
import random, sqlite3, sys, time
path, page_cache, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
game = sqlite3.connect(path, timeout=30, isolation_level=None)
game.execute("PRAGMA synchronous = OFF")
game.execute(f"PRAGMA cache_size = {page_cache}")
game.execute(f"PRAGMA wal_autocheckpoint = {(1000, 20, 0)[seed % 3]}")
dice, until, number = random.Random(seed), time.monotonic() + 60, 0
print("began", flush=True)
while time.monotonic() < until:
    number += 1
    chance = dice.random()
    if chance < 0.5:
        game.execute("INSERT INTO pages (content) VALUES (?)", (dice.randbytes(dice.randrange(3000)),))
    elif chance < 0.95:
        content = dice.randbytes(dice.randrange(3000))
        game.execute("UPDATE pages SET content = ? WHERE id = ?", (content, dice.randrange(1, 500)))
    elif chance < 0.96:
        game.execute("DELETE FROM pages WHERE id > 600")
    elif chance < 0.97:
        game.execute("PRAGMA wal_checkpoint(%s)" % dice.choice(("PASSIVE", "FULL", "RESTART", "TRUNCATE")))
    elif chance < 0.972:
        game.execute("VACUUM")
    else:
        game.execute("BEGIN")
        for _ in range(30):
            game.execute("INSERT INTO pages (content) VALUES (?)", (dice.randbytes(900),))
        game.execute(dice.choice(("COMMIT", "ROLLBACK")))
"""
"""Grows, shrinks, checkpoints in every way, rebuilds the file, and spills transactions that it takes back."""


def make_pages(path: Path, page_size: int, journal_mode: str) -> Path:
    """Make a database of random pages."""
    with connected(path) as game:
        game.execute(f"PRAGMA page_size = {page_size}")
        game.execute(f"PRAGMA journal_mode = {journal_mode}")
        game.execute("CREATE TABLE pages (id INTEGER PRIMARY KEY, content BLOB)")
        game.execute("BEGIN")
        game.executemany("INSERT INTO pages (content) VALUES (randomblob(?))", ((900,) for _ in range(500)))
        game.execute("COMMIT")
    return path


@contextlib.contextmanager
def written(path: Path, seed: int) -> Iterator[None]:
    """Start another process that writes as fast as it can."""
    command = [sys.executable, "-c", WRITER, str(path), "10", str(seed)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "began\n"
        yield
        assert writer.poll() is None, "the writer did not last"
    finally:
        writer.kill()
        writer.communicate()


def image_of(source: source_module.Source, target: Path, *, pause: float = 0.0) -> Path:
    """Record what the quick reader returns, block by block, with a pause after some of them."""
    with target.open("wb") as file:
        for number, block in enumerate(source.blocks(Watch())):
            file.write(block)
            if number % 5 == 0:
                time.sleep(pause)
    return target


@pytest.mark.process
@pytest.mark.kill
@pytest.mark.parametrize(("page_size", "seed"), [(512, 1), (1024, 2), (4096, 3), (4096, 4), (65536, 5)])
def test_the_image_is_its_twins_to_the_byte_while_another_process_writes(
    tmp_path: Path, page_size: int, seed: int
) -> None:
    """Fifty times each, with the reader slowed down, over checkpoints, VACUUM, growth, shrinking and rollbacks."""
    game = make_pages(tmp_path / "game.db", page_size, "wal")
    same, overlaid, unrecognised = 0, 0, 0
    with written(game, seed):
        for _ in range(50):
            twin = tmp_path / "twin.db"
            twin.unlink(missing_ok=True)
            try:
                with open_live(game, 10.0, Watch()) as source:
                    image = image_of(source, tmp_path / "image.db", pause=0.001)
                    copy_pinned(source.connection, twin, Watch())
                    overlaid += bool(source.overlay.offsets)
            except NotRecognised:
                unrecognised += 1  # a log that is being started over; the slow way is taken then
                continue
            assert same_content(image, twin, Watch())
            same += 1
    assert same >= 40, unrecognised
    assert overlaid >= 20


@pytest.mark.process
@pytest.mark.kill
def test_a_rollback_database_is_read_the_same_and_let_go_at_once(tmp_path: Path) -> None:
    """The copy is private: the writer goes on while it is looked at."""
    game = make_pages(tmp_path / "game.db", 4096, "delete")
    with written(game, 6):
        for number in range(20):
            scratch = tmp_path / f"scratch-{number}"
            scratch.mkdir()
            with open_copy(game, scratch, 10.0, Watch()) as source:
                assert source.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                image = image_of(source, tmp_path / "image.db")
                assert same_content(image, scratch / "image.db", Watch())


@pytest.mark.process
def test_uncommitted_frames_and_what_follows_the_last_commit_are_left_out(tmp_path: Path) -> None:
    """A transaction that spilled into the log and is not committed is not there."""
    game = make_pages(tmp_path / "game.db", 4096, "wal")
    with OtherProcess(game, "PRAGMA cache_size = 5", "UPDATE pages SET content = randomblob(10) WHERE id = 1") as other:
        other.execute("BEGIN")
        other.execute("UPDATE pages SET content = randomblob(1000)")
        with open_live(game, 5.0, Watch()) as source:
            image = image_of(source, tmp_path / "image.db")
            twin = tmp_path / "twin.db"
            copy_pinned(source.connection, twin, Watch())
            assert source.state is not None
            frames = (game.with_name("game.db-wal").stat().st_size - 32) // (24 + 4096)
            assert frames > source.state.frames
        assert same_content(image, twin, Watch())


@pytest.mark.process
@pytest.mark.kill
def test_a_writer_that_was_killed_leaves_an_image_that_is_its_last_commit(tmp_path: Path) -> None:
    """Its log is recovered by SQLite when the transaction begins; what is read is what SQLite sees."""
    game = make_game_database(tmp_path / "game.db")
    with OtherProcess(game, "UPDATE users SET cards_owned = cards_owned + 1") as other:
        other.execute("BEGIN")
        other.execute("DELETE FROM user_cards")
        other.kill()
    with open_live(game, 5.0, Watch()) as source:
        image = image_of(source, tmp_path / "image.db")
    assert contents_of(image) == contents_of(game)


def test_what_the_quick_way_does_not_recognise_is_read_the_slow_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of an archive too: no part of the first attempt stays."""
    game = make_game_database(tmp_path / "game.db")
    before = contents_of(game)
    blocks = source_module.Source.blocks

    def breaks_off(source: source_module.Source, watch: Watch) -> Iterator[bytes]:
        yield next(iter(blocks(source, watch)))
        raise NotRecognised("the log ended while it was read")

    monkeypatch.setattr(
        source_module.Source,
        "blocks",
        lambda source, watch: breaks_off(source, watch) if source.state is not None else blocks(source, watch),
    )
    chain = Chain(tmp_path / "taken", SqliteEngine(game, 5.0))
    chain.take()
    assert list(chain.scratch.iterdir()) == []
    assert contents_of(chain.rebuild()) == before


def test_an_index_whose_copies_differ_is_not_believed(tmp_path: Path) -> None:
    """A header that is being written says nothing."""
    index = tmp_path / "index"
    index.write_bytes(bytes(48) + b"\1" + bytes(87))
    with index.open("rb") as file, pytest.raises(NotRecognised):
        wal.read_index_header(file.fileno())


def test_the_lock_byte_page_is_zeros_and_a_short_file_is_filled_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite never writes the page at the lock byte, and reads zeros beyond the end."""
    monkeypatch.setattr(source_module, "_LOCK_BYTE", 3 * 4096)
    file = tmp_path / "file"
    file.write_bytes(b"x" * (4096 * 5 + 100))
    with contextlib.closing(sqlite3.connect(":memory:")) as connection, file.open("rb") as opened:
        nothing = wal.Overlay({})
        source = source_module.Source(connection, 4096, 7, "delete", None, opened.fileno(), -1, nothing)
        image = b"".join(source.blocks(Watch()))
    assert len(image) == 7 * 4096
    assert image[3 * 4096 : 4 * 4096] == bytes(4096)
    assert image[4 * 4096 :] == b"x" * (4096 + 100) + bytes(2 * 4096 - 100)
    assert image[18:20] == b"\1\1"


@pytest.mark.process
@pytest.mark.parametrize("copied", ["all", "some"])
def test_commits_and_checkpoints_as_it_begins_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: str
) -> None:
    """Between the beginning and the reading of the log: it is started over, or a page is passed over that came again.

    A checkpoint copies no page of which the log has a newer frame than the transaction sees, and says all the same that
    it copied everything that the transaction sees.
    """
    game = make_pages(tmp_path / "game.db", 4096, "wal")
    with connected(game) as keeping:
        keeping.execute("PRAGMA wal_autocheckpoint = 0")
        keeping.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        keeping.execute("UPDATE pages SET content = randomblob(900) WHERE id < 20")
        if copied == "all":
            keeping.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        began: list[wal.LogState] = []

        def meanwhile(log: int, state: wal.LogState, **options: int) -> wal.Overlay:
            update = "UPDATE pages SET content = randomblob(900) WHERE id < 10"
            with OtherProcess(game, update, "PRAGMA wal_checkpoint(PASSIVE)"):
                began.append(state)
                return wal.read_overlay(log, state, **options)

        monkeypatch.setattr(source_module, "read_overlay", meanwhile)
        twin = tmp_path / "twin.db"
        with open_live(game, 5.0, Watch()) as source:
            image = image_of(source, tmp_path / "image.db")
            copy_pinned(source.connection, twin, Watch())
    assert [state.backfilled for state in began] == [copied == "all"]
    assert same_content(image, twin, Watch())


@pytest.mark.process
def test_a_log_that_was_started_over_is_not_read(tmp_path: Path) -> None:
    """What it says then is of another state."""
    game = make_pages(tmp_path / "game.db", 4096, "wal")
    with connected(game) as keeping:
        keeping.execute("INSERT INTO pages (content) VALUES (randomblob(9))")
        keeping.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        insert = "INSERT INTO pages (content) VALUES (randomblob(9))"
        with open_live(game, 5.0, Watch()) as source, OtherProcess(game, insert):
            assert source.state is not None
            with pytest.raises(NotRecognised, match="the log's header is not the one"):
                wal.read_overlay(source.log, source.state, first=2)


@pytest.mark.slow
def test_a_database_of_more_than_a_gib_is_its_twins_around_the_lock_byte(tmp_path: Path) -> None:
    """The real page, whatever stands there: SQLite takes its locks on it, and never reads or writes it."""
    game = tmp_path / "game.db"
    with connected(game) as connection:
        for pragma in ("page_size = 65536", "journal_mode = off", "synchronous = off"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE pages (content BLOB)")
        connection.executemany("INSERT INTO pages VALUES (zeroblob(?))", [(550_000_000,), (550_000_000,)])
        connection.execute("PRAGMA journal_mode = wal")
    with game.open("r+b") as file:
        file.seek(1 << 30)
        file.write(b"of no meaning")
    twin = tmp_path / "twin.db"
    with open_live(game, 10.0, Watch()) as source:
        copy_pinned(source.connection, twin, Watch())
        assert source.size > 1 << 30
        with twin.open("rb") as file:
            for number, block in enumerate(source.blocks(Watch())):
                assert block == file.read(len(block)) or number == 0
        assert source.block((1 << 30) // 65536) == bytes(65536)
    twin.unlink()
    game.unlink()


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="looks at /proc/locks, which only Linux has")
def test_the_descriptors_do_not_drop_the_locks_that_hold_the_state_still(tmp_path: Path) -> None:
    """Closing one of them early would; so they outlive the connection."""
    game = make_game_database(tmp_path / "game.db")
    with reading(game, 5.0, Watch()), open_live(game, 5.0, Watch()) as source:
        inode = game.with_name("game.db-shm").stat().st_ino
        next(iter(source.blocks(Watch())))
        assert f":{inode} " in Path("/proc/locks").read_text()


@contextlib.contextmanager
def changed_before(monkeypatch: pytest.MonkeyPatch, game: sqlite3.Connection, *statements: str) -> Iterator[None]:
    """Let another connection change the database right before the reader's transaction begins, once."""
    begin, done = read_transaction, False

    @contextlib.contextmanager
    def begin_late(connection: sqlite3.Connection) -> Iterator[None]:
        nonlocal done
        if not done:
            done = True
            for statement in statements:
                game.execute(statement)
        with begin(connection):
            yield

    with monkeypatch.context() as patch:
        patch.setattr(source_module, "read_transaction", begin_late)
        yield


@pytest.mark.parametrize(
    "statements",
    [
        ("PRAGMA journal_mode = wal", "PRAGMA wal_autocheckpoint = 0", "UPDATE pages SET content = zeroblob(700)"),
        ("PRAGMA page_size = 1024", "VACUUM"),
        ("PRAGMA page_size = 8192", "VACUUM"),
    ],
    ids=["to WAL", "to smaller pages", "to larger pages"],
)
def test_a_change_of_mode_or_page_size_right_before_the_transaction_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statements: tuple[str, ...]
) -> None:
    """What was read before the transaction held the database still is not relied on: every row, and a sound image."""
    path = make_pages(tmp_path / "game.db", 4096, "delete")
    with connected(path) as game, changed_before(monkeypatch, game, *statements):
        with open_copy(path, tmp_path, 5.0, Watch()) as source:
            image = image_of(source, tmp_path / "read.db")
        expected = contents_of(path)
    with connected(image) as read:
        assert read.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert contents_of(image) == expected
