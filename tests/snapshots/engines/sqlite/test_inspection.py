"""Inspecting a SQLite file in any state: what is damage, what is missing, and what says nothing about either."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from core.snapshots.engines import engine_for
from core.snapshots.engines.sqlite.engine import SqliteEngine
from core.snapshots.errors import DatabaseDamaged, DatabaseMissing, DatabaseUnavailable
from core.snapshots.models import Method
from core.snapshots.settings.database_url import parse
from tests.worlds.chain_world import empty_base
from tests.worlds.engine_cases import CHECKS, HEAD, bounded
from tests.worlds.game_database import CRITICAL_TABLES, OtherProcess, connected, contents_of, make_game_database, url_of


@pytest.fixture
def game(tmp_path: Path) -> Path:
    return make_game_database(tmp_path / "game.db", journal_mode="delete", players=32)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def garbage(path: Path) -> None:
    path.write_bytes(b"\xde\xad\xbe\xef" * 4096)


def short_garbage(path: Path) -> None:
    path.write_bytes(b"oops")


def truncated(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def header_only(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(100)


def schema_page_zeroed(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(bytes(3000))


@pytest.mark.parametrize("damage", [garbage, short_garbage, truncated, header_only, schema_page_zeroed])
def test_damage_is_a_state_and_a_finding_and_stops_a_snapshot(
    game: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """What SQLite refuses to read is there but not openable, fails its check, and gives no snapshot."""
    damage(game)
    before = game.read_bytes()
    engine = SqliteEngine(game, 1.0)
    state = engine.inspect(CRITICAL_TABLES, bounded(30))
    assert (state.exists, state.openable, state.size) == (True, False, len(before))
    assert "damaged" in str(state.problem)
    assert not engine.integrity(CHECKS, tmp_path, bounded(30)).ok
    with pytest.raises(DatabaseDamaged):
        engine.snapshot(tmp_path / "archive", tmp_path, HEAD, CRITICAL_TABLES, empty_base(tmp_path), bounded(30))
    assert not (tmp_path / "archive").exists()
    assert game.read_bytes() == before


def test_a_file_that_ends_within_its_last_page_fails_its_check(game: Path, tmp_path: Path) -> None:
    """SQLite opens such a file and reads zeros for the rest; the check sees what is not there."""
    with game.open("r+b") as file:
        file.truncate(game.stat().st_size - 1000)
    engine = SqliteEngine(game, 1.0)
    assert engine.inspect(CRITICAL_TABLES, bounded(30)).exists
    assert not engine.integrity(CHECKS, tmp_path, bounded(30)).ok


def test_an_empty_file_is_a_missing_database(game: Path, tmp_path: Path) -> None:
    """A file of no bytes is what SQLite makes before the first write: there is nothing in it to lose or to save."""
    emptied(game)
    engine = SqliteEngine(game, 1.0)
    state = engine.inspect(CRITICAL_TABLES, bounded(30))
    assert (state.exists, state.openable, state.size) == (False, False, 0)
    assert "empty" in str(state.problem)
    with pytest.raises(DatabaseMissing):
        engine.snapshot(tmp_path / "archive", tmp_path, HEAD, CRITICAL_TABLES, empty_base(tmp_path), bounded(30))


@pytest.mark.process
@pytest.mark.kill
def test_the_log_of_an_emptied_database_is_left_for_the_quarantine(tmp_path: Path) -> None:
    """SQLite deletes the log beside an empty file when it opens it. Looking must not destroy what could be rescued."""
    game = make_game_database(tmp_path / "game.db", journal_mode="wal")
    OtherProcess(game, "PRAGMA wal_autocheckpoint = 0", "UPDATE users SET name = 'K' || id").kill()
    log = game.with_name("game.db-wal")
    emptied(game)
    before = log.read_bytes()
    assert before
    engine = SqliteEngine(game, 1.0)
    assert not engine.inspect(CRITICAL_TABLES, bounded(30)).openable
    engine.integrity(CHECKS, tmp_path, bounded(30))
    with pytest.raises(DatabaseMissing):
        engine.snapshot(tmp_path / "archive", tmp_path, HEAD, CRITICAL_TABLES, empty_base(tmp_path), bounded(30))
    assert log.read_bytes() == before


def test_a_folder_in_the_place_of_the_database_is_no_damage(tmp_path: Path) -> None:
    """A wrong path says nothing about the data: it is neither missing nor damaged, and an error."""
    engine = SqliteEngine(tmp_path, 1.0)
    for look in (
        lambda: engine.inspect(CRITICAL_TABLES, bounded(30)),
        lambda: engine.integrity(CHECKS, tmp_path, bounded(30)),
        lambda: engine.snapshot(
            tmp_path / "archive", tmp_path, HEAD, CRITICAL_TABLES, empty_base(tmp_path), bounded(30)
        ),
    ):
        with pytest.raises(DatabaseUnavailable, match="folder"):
            look()


def test_a_path_through_a_file_is_a_missing_database(game: Path) -> None:
    """Where a part of the path is a file there can be no database behind it."""
    state = SqliteEngine(game / "inner.db", 1.0).inspect(CRITICAL_TABLES, bounded(30))
    assert (state.exists, state.openable) == (False, False)


def test_a_symbolic_link_is_followed_before_anything_else(game: Path, tmp_path: Path) -> None:
    """SQLite names the log after the file that a link leads to; whatever moves the two must do the same."""
    link = tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(game)
    engine = engine_for(parse(url_of(link)), 1.0)
    assert engine.inspect(CRITICAL_TABLES, bounded(30)).openable
    image = tmp_path / "image.db"
    shutil.copy(game, image)
    engine.replace(image, Method.SWAP, tmp_path / "q", {}, CHECKS, bounded(30))
    assert link.is_symlink()
    assert (tmp_path / "q" / "game.db").exists()


def test_a_link_that_leads_nowhere_is_a_missing_database(tmp_path: Path) -> None:
    """The file at the link's end is what counts."""
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "nowhere.db")
    state = engine_for(parse(url_of(link)), 1.0).inspect(CRITICAL_TABLES, bounded(30))
    assert (state.exists, state.openable) == (False, False)


def test_a_changed_byte_in_the_first_page_is_damage_or_nothing(game: Path, tmp_path: Path) -> None:
    """No single byte of header and schema, set to anything, is taken for a wrong path or a failing disk."""
    image = game.read_bytes()
    places = [*range(100), *range(100, 140), *range(4096 - 1100, 4096, 7)]
    for place in places:
        for value in (0x00, 0xFF, image[place] ^ 0x20):
            changed = bytearray(image)
            changed[place] = value
            game.write_bytes(changed)
            engine = SqliteEngine(game, 0.2)
            engine.inspect(CRITICAL_TABLES, bounded(30))
            engine.integrity(CHECKS, tmp_path, bounded(30))
            assert not game.with_name("game.db-journal").exists()


def test_names_of_any_kind_can_be_counted(tmp_path: Path) -> None:
    """Tables are named as SQLite names them: with spaces, quotes, any letters, in any case."""
    names = ("user's cards", 'say "hello"', "карты", "select", "日本語 [x]", "a.b")
    path = tmp_path / "game.db"
    with connected(path) as connection:
        for number, name in enumerate(names):
            quoted = '"' + name.replace('"', '""') + '"'
            connection.execute(f"CREATE TABLE {quoted} (id INTEGER PRIMARY KEY, data TEXT) ")
            connection.executemany(f"INSERT INTO {quoted} (data) VALUES (?)", [("[]",)] * number)
        connection.execute("CREATE TABLE pairs (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID")
        connection.execute("INSERT INTO pairs VALUES (1, 2), (1, 3)")
    state = SqliteEngine(path, 1.0).inspect((*names, "PAIRS"), bounded(30))
    assert state.rows == {**{name: number for number, name in enumerate(names)}, "PAIRS": 2}


def test_a_view_with_the_name_of_a_critical_table_is_counted(game: Path) -> None:
    """A host that renamed its table and kept a view under the old name has lost nothing."""
    with connected(game) as connection:
        connection.execute("ALTER TABLE user_cards RENAME TO kept")
        connection.execute("CREATE VIEW user_cards AS SELECT * FROM kept")
    assert SqliteEngine(game, 1.0).inspect(CRITICAL_TABLES, bounded(30)).rows["user_cards"] > 0


def test_a_collation_of_the_hosts_own_does_not_stop_counting_and_snapshots(game: Path, tmp_path: Path) -> None:
    """A host may index by a collation that only its own connections know."""
    with connected(game) as connection:
        connection.create_collation("by_player", lambda one, other: (one > other) - (one < other))
        connection.execute("CREATE INDEX user_cards_odd ON user_cards (card_id COLLATE by_player)")
        connection.execute("DROP INDEX user_cards_by_user")
    with connected(game) as connection, pytest.raises(sqlite3.OperationalError, match="no such collation"):
        connection.execute("SELECT count(*) FROM user_cards")
    before = len(contents_of(game)["user_cards"])
    engine = SqliteEngine(game, 1.0)
    assert engine.inspect(CRITICAL_TABLES, bounded(30)).rows["user_cards"] == before
    taken = engine.snapshot(tmp_path / "archive", tmp_path, HEAD, CRITICAL_TABLES, empty_base(tmp_path), bounded(30))
    assert taken.rows["user_cards"] == before
