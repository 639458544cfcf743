"""Writing a snapshot into a SQLite database that others have open: all of it or nothing, and nobody is disturbed."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from core.snapshots.engines import ReplaceResult
from core.snapshots.engines.sqlite.engine import SqliteEngine
from core.snapshots.engines.sqlite.source import read_image
from core.snapshots.errors import DatabaseBusy, DatabaseError, DeadlineExceeded, OperationCancelled
from core.snapshots.models import Check, Method, Severity
from core.snapshots.progress import Watch
from tests.worlds.engine_cases import CHECKS, bounded
from tests.worlds.game_database import (
    OtherProcess,
    Writer,
    assert_consistent,
    connected,
    contents_of,
    make_game_database,
)

JOURNAL_MODES = ("wal", "delete")
MIB = 1 << 20


@pytest.fixture(params=JOURNAL_MODES)
def journal_mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def game(tmp_path: Path, journal_mode: str) -> Path:
    return make_game_database(tmp_path / "game.db", journal_mode=journal_mode, players=60, size=2 * MIB)


@pytest.fixture
def image(game: Path, tmp_path: Path) -> Path:
    """The image of a snapshot, after which the game went on."""
    folder = tmp_path / "restore"
    folder.mkdir()
    rebuilt = read_image(game, folder / "rebuilt.db", 1.0, bounded(30)).path
    change(game)
    return rebuilt


def change(game: Path) -> None:
    with connected(game) as connection:
        connection.execute("UPDATE users SET dust = dust + 1")
        connection.execute("DELETE FROM user_cards WHERE id % 2 = 0")
        connection.execute("CREATE TABLE later (id INTEGER PRIMARY KEY)")


def replace(game: Path, image: Path, *, busy_timeout: float = 10.0, watch: Watch | None = None) -> ReplaceResult:
    return SqliteEngine(game, busy_timeout).replace(
        image, Method.ONLINE, game.with_name("quarantine"), {}, CHECKS, watch or bounded(60)
    )


def steps() -> Any:
    """A clock that leaps, so that a watch reports every step."""
    return iter(map(float, range(1_000_000))).__next__


@pytest.mark.process
def test_an_idle_connection_sees_the_restored_rows(game: Path, image: Path, journal_mode: str) -> None:
    """A bot that is connected and does nothing just goes on, with the restored state, in the same journal mode."""
    before = contents_of(image)
    with OtherProcess(game, "SELECT count(*) FROM later") as bot:
        replaced = replace(game, image)
        assert (replaced.identical, replaced.integrity.findings) == (True, ())
        assert bot.execute("SELECT count(*) FROM user_cards") == [[len(before["user_cards"])]]
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            bot.execute("SELECT * FROM later")
        bot.execute("UPDATE users SET dust = dust WHERE id = 1")
        assert bot.execute("PRAGMA journal_mode") == [[journal_mode]]
    assert contents_of(game) == before
    assert_consistent(game)


@pytest.mark.process
@pytest.mark.parametrize("journal_mode", ["wal"], indirect=True)
def test_an_open_reader_keeps_what_it_sees(game: Path, image: Path) -> None:
    """In WAL mode a transaction that is reading goes on reading the old state, and sees the new one afterwards."""
    old = len(contents_of(game)["user_cards"])
    with OtherProcess(game, "BEGIN", "SELECT count(*) FROM users") as reader:
        assert replace(game, image).identical is True
        assert reader.execute("SELECT count(*) FROM user_cards") == [[old]]
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM user_cards") == [[len(contents_of(image)["user_cards"])]]


@pytest.mark.process
@pytest.mark.parametrize(
    ("journal_mode", "statements"),
    [
        ("wal", ("BEGIN IMMEDIATE",)),
        ("delete", ("BEGIN IMMEDIATE",)),
        ("delete", ("BEGIN EXCLUSIVE",)),
        ("delete", ("BEGIN", "SELECT count(*) FROM users")),
    ],
    indirect=["journal_mode"],
)
def test_a_transaction_that_does_not_end_is_busy_and_nothing_changed(
    game: Path, image: Path, statements: tuple[str, ...]
) -> None:
    """A writer, or in rollback mode a reader, that holds on for the busy timeout stops the restore."""
    old = contents_of(game)
    with OtherProcess(game, *statements) as holder:
        with pytest.raises(DatabaseBusy):
            replace(game, image, busy_timeout=0.4)
        holder.execute("COMMIT")
    assert contents_of(game) == old
    assert replace(game, image).identical is True


@pytest.mark.process
@pytest.mark.parametrize("statement", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_lock_that_is_let_go_in_time_is_waited_for(game: Path, image: Path, statement: str) -> None:
    """Only a lock held for longer than the busy timeout is busy."""
    with OtherProcess(game, statement) as holder:
        timer = threading.Timer(0.7, holder.execute, ["COMMIT"])
        timer.start()
        try:
            assert replace(game, image, busy_timeout=20.0).identical is True
        finally:
            timer.join()


@pytest.mark.process
def test_a_game_that_keeps_writing_is_restored_all_the_same(game: Path, image: Path) -> None:
    """A fast writer neither starves the restore nor gets half of it; what it does afterwards builds on the snapshot."""
    with connected(game) as connection:
        connection.execute("UPDATE users SET dust = dust - 1")
        connection.execute("UPDATE users SET cards_owned = (SELECT count(*) FROM user_cards WHERE user_id = users.id)")
    with Writer(game) as writer:
        replaced = replace(game, image)
        assert replaced.identical is not False
        assert replaced.integrity.ok
        writer.stop()
    assert_consistent(game)
    assert "later" not in contents_of(game)


@pytest.mark.process
@pytest.mark.parametrize(("before", "now"), [(4096, 512), (512, 4096), (4096, 65536), (65536, 1024)])
def test_page_sizes_may_differ(tmp_path: Path, journal_mode: str, before: int, now: int) -> None:
    """A snapshot from the time of another page size is restored, rows and row numbers and all."""
    old = make_game_database(tmp_path / "old.db", page_size=before, journal_mode=journal_mode, seed=1)
    with connected(old) as connection:
        connection.execute("CREATE TABLE log (text TEXT)")
        connection.execute("INSERT INTO log (rowid, text) VALUES (7, 'seven'), (70, 'seventy')")
        connection.execute("PRAGMA user_version = 3")
    (tmp_path / "restore").mkdir()
    image = read_image(old, tmp_path / "restore" / "rebuilt.db", 1.0, bounded(30)).path
    expected = contents_of(image)
    game = make_game_database(tmp_path / "game.db", page_size=now, journal_mode=journal_mode, seed=2)
    with OtherProcess(game, "SELECT count(*) FROM users") as bot:
        replaced = replace(game, image)
        assert (replaced.identical, replaced.integrity.findings) == (True, ())
        assert bot.execute("PRAGMA journal_mode") == [[journal_mode]]
        assert bot.execute("SELECT rowid FROM log") == [[7], [70]]
        assert bot.execute("PRAGMA user_version") == [[3]]
    assert contents_of(game) == expected
    assert_consistent(game)


@pytest.mark.parametrize("of_image", JOURNAL_MODES)
def test_the_journal_mode_stays_what_it_is(tmp_path: Path, journal_mode: str, of_image: str) -> None:
    """It is a matter of the database in use, not of the time the snapshot comes from."""
    old = make_game_database(tmp_path / "old.db", journal_mode=of_image, seed=1)
    (tmp_path / "restore").mkdir()
    image = read_image(old, tmp_path / "restore" / "rebuilt.db", 1.0, bounded(30)).path
    game = make_game_database(tmp_path / "game.db", journal_mode=journal_mode, seed=2)
    assert replace(game, image).identical is True
    with connected(game) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == (journal_mode,)


def test_a_restore_stopped_at_any_step_changes_nothing_or_everything(game: Path, image: Path) -> None:
    """Cancelled at each of its reports in turn, the database is the old one until it is the new one."""
    old, new = contents_of(game), contents_of(image)
    restored = []
    for last in range(1, 40):
        reports: list[int] = []
        watch = Watch(
            progress=lambda _phase, done, _total, reports=reports: reports.append(done),  # type: ignore[misc]
            monotonic=steps(),
            cancelled=lambda last=last, reports=reports: len(reports) > last,  # type: ignore[misc]
        )
        try:
            replace(game, image, watch=watch)
        except OperationCancelled:
            assert contents_of(game) in (old, new)
            restored.append(contents_of(game) == new)
        else:
            break
    assert restored[0] is False
    assert restored == sorted(restored)
    assert contents_of(game) == new


@pytest.mark.process
@pytest.mark.parametrize("journal_mode", ["delete"], indirect=True)
def test_a_lock_taken_after_the_restore_is_not_a_failed_restore(game: Path, image: Path) -> None:
    """Once it is written it is restored: that nobody could look at it says nothing, and the report says so."""
    new = contents_of(image)
    with OtherProcess(game) as other:

        def lock(phase: str, done: int, total: int) -> None:
            if phase == "write" and done == total:
                other.execute("BEGIN EXCLUSIVE")

        replaced = replace(game, image, busy_timeout=0.3, watch=Watch(progress=lock, monotonic=steps()))
        other.execute("COMMIT")
    assert replaced.identical is None
    assert [(finding.check, finding.severity) for finding in replaced.integrity.findings] == [
        (Check.ACCESS, Severity.WARNING)
    ]
    assert contents_of(game) == new


@pytest.mark.parametrize("during", ["write", "read", "compare", "check"])
def test_a_deadline_after_the_restore_is_not_a_failed_restore(game: Path, image: Path, during: str) -> None:
    """The deadline bounds the proof too, but what is written stays written and is not called a failure."""
    new = contents_of(image)
    late = False

    def look(phase: str, done: int, total: int) -> None:
        nonlocal late
        late = late or (phase == during and done == total)

    clock = steps()
    watch = Watch(progress=look, monotonic=lambda: clock() + (1e9 if late else 0.0), deadline_at=1e8)
    replaced = replace(game, image, watch=watch)
    assert replaced.identical is (True if during == "check" else None)
    assert replaced.integrity.ok
    assert len(replaced.integrity.warnings) == 1
    assert contents_of(game) == new


def test_a_deadline_before_the_end_changes_nothing(game: Path, image: Path) -> None:
    """While it is being written a restore can be given up, and then nothing happened."""
    old = contents_of(game)
    late = False

    def look(phase: str, done: int, _total: int) -> None:
        nonlocal late
        late = phase == "write" and done > 0

    clock = steps()
    with pytest.raises(DeadlineExceeded):
        replace(
            game, image, watch=Watch(progress=look, monotonic=lambda: clock() + (1e9 if late else 0.0), deadline_at=1e8)
        )
    assert contents_of(game) == old


@pytest.mark.process
def test_somebody_who_writes_right_after_the_restore_is_told_apart(game: Path, image: Path) -> None:
    """A commit between restore and proof is not a restore that went wrong: identical is unknown then."""
    with OtherProcess(game) as other:

        def write(phase: str, done: int, total: int) -> None:
            if phase == "write" and done == total:
                other.execute("UPDATE users SET dust = dust + 9 WHERE id = 1")

        replaced = replace(game, image, watch=Watch(progress=write, monotonic=steps()))
    assert replaced.identical is None
    assert replaced.integrity.ok


def test_a_missing_or_destroyed_database_cannot_be_restored_online(game: Path, image: Path) -> None:
    """In place means through SQLite: where that cannot open the file, nothing is done to it."""
    bytes_before = b"no longer a database".ljust(8192, b"\xff")
    game.write_bytes(bytes_before)
    with pytest.raises(DatabaseError):
        replace(game, image)
    assert game.read_bytes() == bytes_before
    game.unlink()
    with pytest.raises(DatabaseError):
        replace(game, image)
    assert not game.exists()


def test_converting_the_page_size_can_be_stopped(tmp_path: Path) -> None:
    """Bringing an image to another page size is one long statement, and is stopped in the middle of it."""
    image = make_game_database(tmp_path / "rebuilt.db", journal_mode="delete", page_size=512, players=6000)
    game = make_game_database(tmp_path / "game.db", page_size=4096)
    old = contents_of(game)
    phases: list[str] = []
    looks = iter([False] * 2 + [True] * 1_000_000)
    watch = Watch(progress=lambda phase, _done, _total: phases.append(phase), cancelled=looks.__next__)
    with pytest.raises(OperationCancelled):
        replace(game, image, watch=watch)
    assert "write" not in phases
    assert contents_of(game) == old
