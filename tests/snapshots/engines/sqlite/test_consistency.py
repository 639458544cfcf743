"""One committed state, whatever the game commits meanwhile; and the game does not notice.

The reader is slowed down on purpose and the writer is another process: a fast reader, or a writer in the same process,
would pass with a copy that is torn.
"""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
from pathlib import Path

import pytest

from core.snapshots.engines.sqlite.engine import SqliteEngine
from core.snapshots.engines.sqlite.source import read_image
from core.snapshots.errors import DatabaseBusy, DeadlineExceeded
from core.snapshots.models import Form
from core.snapshots.progress import Watch
from tests.worlds.chain_world import Chain
from tests.worlds.engine_cases import CHECKS, bounded, slow_watch
from tests.worlds.game_database import (
    CRITICAL_TABLES,
    OtherProcess,
    Writer,
    assert_consistent,
    connected,
    make_game_database,
)
from tests.worlds.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.process

JOURNAL_MODES = ("wal", "delete")
MIB = 1 << 20
GROW = "UPDATE cards SET story = story || '.' WHERE id % 5 = 0"


@pytest.fixture(params=JOURNAL_MODES)
def game(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A game's database of several steps of the reader, in both journal modes."""
    return make_game_database(tmp_path / "game.db", journal_mode=request.param, size=6 * MIB)


@pytest.fixture
def wal_game(tmp_path: Path) -> Path:
    return make_game_database(tmp_path / "game.db", journal_mode="wal", size=6 * MIB)


@pytest.fixture
def rollback_game(tmp_path: Path) -> Path:
    return make_game_database(tmp_path / "game.db", journal_mode="delete", size=6 * MIB)


def cards_given(path: Path) -> int:
    """How many game actions were committed so far: each gives one card."""
    with connected(path, timeout=30) as connection:
        return int(connection.execute("SELECT count(*) FROM user_cards").fetchone()[0])


def take_each_way(chain: Chain) -> None:
    """Take a full, what changed since, a full with copied members, and find nothing changed."""
    forms = [chain.take(incremental=incremental, watch=bounded(PATIENCE)).form for incremental in (True, True, False)]
    assert forms == [Form.FULL, Form.INCREMENTAL, Form.FULL]
    assert chain.take(skip_unchanged=True, watch=bounded(PATIENCE)).unchanged


def digest(path: Path) -> str:
    """What a file holds. Only for files that no connection of this process has open."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.kill
def test_an_image_is_one_committed_state_while_the_game_writes(game: Path, tmp_path: Path) -> None:
    """A slow copy beside a fast writer gives a state between its beginning and its end, and never a mixture.

    Afterwards the writer gets through again, also in rollback mode, where it had to wait.
    """
    with Writer(game) as writer:
        earliest = cards_given(game)
        image = read_image(game, tmp_path / "image.db", 10.0, slow_watch(0.06, deadline_at=10_000))
        latest = cards_given(game)
        while cards_given(game) == latest:
            assert writer.process.poll() is None
    assert_consistent(image.path)
    assert earliest <= cards_given(image.path) <= latest
    assert image.path.stat().st_size == image.size


@pytest.mark.kill
def test_a_snapshot_is_one_committed_state_while_the_game_writes(game: Path, tmp_path: Path) -> None:
    """What is rebuilt from a slow snapshot is one state the game committed, whichever way the engine reads it.

    A full first, then what changed since, then a full of which the rest is copied.
    """
    chain = Chain(tmp_path / "taken", SqliteEngine(game, 10.0))
    with Writer(game) as writer:
        for form, incremental in ((Form.FULL, True), (Form.INCREMENTAL, True), (Form.FULL, False)):
            earliest = cards_given(game)
            taken = chain.take(incremental=incremental, watch=slow_watch(0.06, deadline_at=10_000))
            latest = cards_given(game)
            while cards_given(game) == latest:
                assert writer.process.poll() is None
            assert taken.form is form
            rebuilt = chain.rebuild()
            assert_consistent(rebuilt)
            assert earliest <= cards_given(rebuilt) == taken.rows["user_cards"] <= latest
            rebuilt.unlink()


@pytest.mark.kill
def test_the_game_writes_on_while_a_wal_database_is_read(wal_game: Path, tmp_path: Path) -> None:
    """In WAL mode a reader holds nobody up: hundreds of commits happen before it has read on."""
    during: list[int] = []

    def look(_phase: str, _done: int, _total: int) -> None:
        before = cards_given(wal_game)
        wait_until(lambda: cards_given(wal_game) >= before + 20, "the game committed while it is read")
        during.append(cards_given(wal_game))

    with Writer(wal_game, seconds=4 * PATIENCE):
        clock = iter(range(1_000_000))
        read_image(wal_game, tmp_path / "image.db", 10.0, Watch(progress=look, monotonic=lambda: float(next(clock))))
    assert len(during) > 5
    assert cards_given(tmp_path / "image.db") <= during[0]


def test_a_rollback_database_is_let_go_as_soon_as_it_is_read(rollback_game: Path, tmp_path: Path) -> None:
    """In rollback mode writers wait for the reader, so it compares, compresses and proves after letting go."""
    blocked: dict[str, bool] = {}
    chain = Chain(tmp_path / "taken", SqliteEngine(rollback_game, 1.0))
    with connected(rollback_game, timeout=0.0) as player:

        def play(phase: str, _done: int, _total: int) -> None:
            try:
                player.execute("UPDATE users SET dust = dust + 1 WHERE id = 1")
            except sqlite3.OperationalError:
                blocked[phase] = True
            else:
                blocked.setdefault(phase, False)

        clock = itertools.count(0.0, 1.0).__next__
        assert chain.take(watch=Watch(progress=play, monotonic=clock)).form is Form.FULL
        assert blocked == {"read": True, "compress": False, "check": False}
        blocked.clear()
        assert chain.take(watch=Watch(progress=play, monotonic=clock)).form is Form.INCREMENTAL
        assert blocked == {"read": True, "compare": False, "compress": False, "check": False}


def test_a_check_of_a_rollback_database_does_not_stop_the_game(rollback_game: Path, tmp_path: Path) -> None:
    """A check takes long, so in rollback mode it looks at a copy; only reading that holds writers up."""
    blocked: dict[str, bool] = {}
    with connected(rollback_game, timeout=0.0) as player:

        def play(phase: str, _done: int, _total: int) -> None:
            try:
                player.execute("UPDATE users SET dust = dust + 1 WHERE id = 1")
            except sqlite3.OperationalError:
                blocked[phase] = True
            else:
                blocked.setdefault(phase, False)

        watch = Watch(progress=play, monotonic=iter(map(float, range(1_000_000))).__next__)
        report = SqliteEngine(rollback_game, 1.0).integrity(CHECKS, tmp_path, watch)
    assert report.findings == ()
    assert blocked == {"read": True, "check": False}


def test_a_slow_read_ends_at_its_deadline_and_lets_the_game_go_on(game: Path, tmp_path: Path) -> None:
    """Past its deadline a read is given up, however busy the writer is, and no lock stays behind."""
    chain = Chain(tmp_path / "taken", SqliteEngine(game, 10.0))
    with Writer(game) as writer:
        with pytest.raises(DeadlineExceeded):
            chain.take(watch=slow_watch(0.02, deadline_at=6))
        before = cards_given(game)
        writer.stop()
    assert chain.unfinished() == []
    with connected(game, timeout=0.0) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("COMMIT")
    assert cards_given(game) >= before
    assert_consistent(game)


def test_a_lock_that_keeps_readers_out_ends_in_busy(rollback_game: Path, tmp_path: Path) -> None:
    """Somebody who holds an exclusive lock for ever costs the busy timeout, never a hang."""
    engine = SqliteEngine(rollback_game, 0.3)
    with OtherProcess(rollback_game, "BEGIN EXCLUSIVE"):
        with pytest.raises(DatabaseBusy):
            Chain(tmp_path / "taken", engine).take(watch=bounded(PATIENCE))
        with pytest.raises(DatabaseBusy):
            engine.inspect(CRITICAL_TABLES, bounded(PATIENCE))
        with pytest.raises(DatabaseBusy):
            engine.integrity(CHECKS, tmp_path, bounded(PATIENCE))
    assert engine.inspect(CRITICAL_TABLES, bounded(PATIENCE)).openable


def test_a_deadline_bounds_the_wait_for_a_lock(rollback_game: Path) -> None:
    """A lock is not waited for longer than the whole operation may take."""
    engine = SqliteEngine(rollback_game, 3600.0)
    with OtherProcess(rollback_game, "BEGIN EXCLUSIVE"), pytest.raises((DatabaseBusy, DeadlineExceeded)):
        engine.inspect(CRITICAL_TABLES, bounded(0.3))


@pytest.mark.parametrize("statement", ["BEGIN IMMEDIATE", "BEGIN; SELECT * FROM users LIMIT 1"])
def test_other_peoples_transactions_do_not_disturb(game: Path, tmp_path: Path, statement: str) -> None:
    """A writer that has not committed, and a reader that holds on, neither delay a snapshot nor are in it."""
    with OtherProcess(game, *statement.split("; ")):
        image = read_image(game, tmp_path / "image.db", 0.0, bounded(PATIENCE))
    assert_consistent(image.path)


def test_a_wal_database_is_left_as_it_was_to_the_byte(wal_game: Path, tmp_path: Path) -> None:
    """A snapshot neither writes nor checkpoints: file and log keep their bytes and times, and the game goes on."""
    log = wal_game.with_name("game.db-wal")
    with OtherProcess(wal_game, "PRAGMA wal_autocheckpoint = 0", GROW) as game_process:
        before = [(digest(path), path.stat().st_mtime_ns) for path in (wal_game, log)]
        engine = SqliteEngine(wal_game, 1.0)
        take_each_way(Chain(tmp_path / "taken", engine))
        engine.inspect(CRITICAL_TABLES, bounded(PATIENCE))
        assert engine.integrity(CHECKS, tmp_path, bounded(PATIENCE)).ok
        assert [(digest(path), path.stat().st_mtime_ns) for path in (wal_game, log)] == before
        assert log.stat().st_size > MIB
        game_process.execute("UPDATE users SET dust = dust + 1 WHERE id = 1")
        game_process.execute("UPDATE users SET dust = dust - 1 WHERE id = 1")
    assert_consistent(wal_game)


@pytest.mark.kill
def test_the_last_one_out_does_not_checkpoint(wal_game: Path, tmp_path: Path) -> None:
    """With the game down, the snapshot's connection is the last to close, and still leaves file and log alone."""
    log = wal_game.with_name("game.db-wal")
    dead = OtherProcess(wal_game, "PRAGMA wal_autocheckpoint = 0", GROW)
    dead.kill()
    assert log.stat().st_size > MIB
    before = [(digest(path), path.stat().st_mtime_ns) for path in (wal_game, log)]
    engine = SqliteEngine(wal_game, 1.0)
    take_each_way(Chain(tmp_path / "taken", engine))
    engine.inspect(CRITICAL_TABLES, bounded(PATIENCE))
    assert engine.integrity(CHECKS, tmp_path, bounded(PATIENCE)).ok
    assert [(digest(path), path.stat().st_mtime_ns) for path in (wal_game, log)] == before


def test_a_rollback_database_is_left_as_it_was_to_the_byte(rollback_game: Path, tmp_path: Path) -> None:
    """Nothing is written, and nothing appears beside it."""
    before = digest(rollback_game), rollback_game.stat().st_mtime_ns
    scratch = tmp_path / "scratch"
    engine = SqliteEngine(rollback_game, 1.0)
    take_each_way(Chain(scratch, engine))
    engine.inspect(CRITICAL_TABLES, bounded(PATIENCE))
    assert engine.integrity(CHECKS, scratch, bounded(PATIENCE)).ok
    assert (digest(rollback_game), rollback_game.stat().st_mtime_ns) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["game.db", "scratch"]


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_an_image_stands_alone_in_rollback_mode(tmp_path: Path, page_size: int) -> None:
    """Whoever opens an image finds all of it in one file, whatever mode and page size its source has."""
    game = make_game_database(tmp_path / "game.db", page_size=page_size)
    image = read_image(game, tmp_path / "image.db", 1.0, bounded(PATIENCE))
    assert (image.journal_mode, image.page_size) == ("wal", page_size)
    with connected(image.path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("PRAGMA page_size").fetchone() == (page_size,)
        connection.execute("SELECT count(*) FROM users")
    assert sorted(path.name for path in tmp_path.glob("image*")) == ["image.db"]
    assert image.path.stat().st_mode & 0o777 == 0o600
