"""A look finds the rows of a key or a player, and says in a sentence why it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.errors import QueryError, SnapshotDamaged
from core.snapshots.history.look import look, look_at_player
from core.snapshots.history.player import find_player
from core.snapshots.history.questions import PlayerSettings
from core.snapshots.history.tables import read_tables
from core.snapshots.models import PlayerTables
from tests.worlds.past.history_world import HistoryWorld
from tests.worlds.service_world import flip_byte

GAME = (
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)",
    "CREATE TABLE user_cards (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id), card TEXT)",
    "CREATE TABLE trades (id INTEGER PRIMARY KEY, seller_id INTEGER REFERENCES users, buyer INTEGER)",
    "CREATE TABLE settings (user_id INTEGER PRIMARY KEY, color TEXT)",
    "CREATE TABLE bans (user_id INTEGER, why TEXT)",
    "CREATE TABLE cards (id INTEGER PRIMARY KEY, name TEXT)",
    "INSERT INTO users VALUES (1, 'Ann'), (2, 'Bo'), (3, 'Bo')",
    "INSERT INTO user_cards VALUES (1, 1, 'moon'), (2, 2, 'sun'), (3, 1, 'star')",
    "INSERT INTO trades VALUES (1, 1, 2), (2, 3, 1)",
    "INSERT INTO settings VALUES (1, 'red')",
    "INSERT INTO bans VALUES (1, 'none')",
)
WAYS = pytest.mark.parametrize("archives", [True, False], ids=["archives", "rebuild"])


@WAYS
def test_a_player_has_the_rows_that_refer_to_him(tmp_path: Path, archives: bool) -> None:
    """By foreign keys and by columns of the same name; also more columns and fewer tables, as the settings say."""
    world = HistoryWorld(tmp_path)
    point = world.snapshot(*GAME)
    world.commit("DELETE FROM user_cards")
    with world.past(archives=archives) as past:
        found = look_at_player(past, point, "1", PlayerSettings(also=("trades.buyer",), never=("bans",)))
        assert found.tables == {
            "users": [{"id": 1, "name": "Ann"}],
            "user_cards": [{"id": 1, "user_id": 1, "card": "moon"}, {"id": 3, "user_id": 1, "card": "star"}],
            "trades": [{"id": 1, "seller_id": 1, "buyer": 2}, {"id": 2, "seller_id": 3, "buyer": 1}],
            "settings": [{"user_id": 1, "color": "red"}],
        }
        now = look_at_player(past, None, "Ann", PlayerSettings(never=("bans.user_id",)))
        assert (now.at, set(now.tables)) == ("now", {"users", "trades", "settings"})
        assert now.tables["trades"] == [{"id": 1, "seller_id": 1, "buyer": 2}]


def player_in(world: HistoryWorld, *statements: str, settings: PlayerSettings | None = None) -> PlayerTables:
    """Return who the player is in a schema."""
    point = world.snapshot(*statements)
    with world.past() as past, past.opened(point) as database:
        return find_player(read_tables(database), settings or PlayerSettings())


def test_without_foreign_keys_the_column_name_that_recurs_names_the_player(tmp_path: Path) -> None:
    """It is the key of a table, or a table is called like it."""
    found = player_in(
        HistoryWorld(tmp_path),
        "CREATE TABLE economy (user_id INTEGER PRIMARY KEY, coins)",
        "CREATE TABLE inventory (user_id, item_id, amount)",
        "CREATE TABLE quests (quest_id INTEGER PRIMARY KEY, user_id)",
    )
    assert (found.table, found.column) == ("economy", "user_id")
    assert set(found.references) == {("economy", "user_id"), ("inventory", "user_id"), ("quests", "user_id")}


def test_a_table_that_is_called_like_the_column_is_the_players(tmp_path: Path) -> None:
    """``player_id`` is a column of ``players``' rows elsewhere."""
    found = player_in(
        HistoryWorld(tmp_path),
        "CREATE TABLE players (id INTEGER PRIMARY KEY, name)",
        "CREATE TABLE decks (id INTEGER PRIMARY KEY, player_id)",
        "CREATE TABLE fights (player_id, enemy)",
    )
    assert (found.table, found.column, found.why) == ("players", "id", "player_id is a column of 2 tables")
    assert set(found.references) == {("players", "id"), ("decks", "player_id"), ("fights", "player_id")}


def test_the_settings_win_over_what_is_guessed(tmp_path: Path) -> None:
    """And a column that is not there is refused with its name."""
    world = HistoryWorld(tmp_path)
    found = player_in(world, *GAME, settings=PlayerSettings(player="cards.id"))
    assert (found.table, found.references) == ("cards", (("cards", "id"),))
    with pytest.raises(QueryError, match=r"users\.key"):
        player_in(world, settings=PlayerSettings(player="users.key"))


def test_a_schema_in_which_nobody_is_a_player_says_what_to_set(tmp_path: Path) -> None:
    """One table without a word of others."""
    with pytest.raises(QueryError, match="set \\[history\\] player"):
        player_in(HistoryWorld(tmp_path), "CREATE TABLE things (a, b)")


@WAYS
@pytest.mark.parametrize(
    ("table", "key", "sentence"),
    [
        ("nothing", ("1",), "no table 'nothing' in snapshot 000000000001. The tables there: c, t, typeless, w"),
        ("t", ("one",), "'one' is no key of t: a is a whole number"),
        ("t", ("1.5",), "a is a whole number"),
        ("t", (str(1 << 70),), "a number of 64 bits"),
        ("t", (None,), "NULL in a tells no single row"),
        ("c", ("1",), r"told by 2 values \(a, b\), not by 1"),
        ("w", ("1", "2"), r"told by 1 value \(r\), not by 2"),
        ("w", ("much",), "r is a number"),
    ],
)
def test_a_key_that_cannot_be_asked_for_is_a_sentence(
    tmp_path: Path, archives: bool, table: str, key: tuple[str | None, ...], sentence: str
) -> None:
    """An unknown table, another type, NULL, and too few or too many values."""
    world = HistoryWorld(tmp_path)
    point = world.snapshot(
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b)",
        "CREATE TABLE c (a INTEGER, b TEXT, PRIMARY KEY (a, b))",
        "CREATE TABLE w (r REAL PRIMARY KEY) WITHOUT ROWID",
        "CREATE TABLE typeless (x PRIMARY KEY)",
    )
    with world.past(archives=archives) as past, pytest.raises(QueryError, match=sentence):
        look(past, point, table, key)


def test_keys_of_every_type_find_their_rows(tmp_path: Path) -> None:
    """Whole numbers, numbers, texts that look like numbers, blobs, and rows without a key by their number."""
    world = HistoryWorld(tmp_path)
    point = world.snapshot(
        "CREATE TABLE t (k TEXT PRIMARY KEY)",
        "CREATE TABLE r (k REAL PRIMARY KEY)",
        "CREATE TABLE b (k BLOB PRIMARY KEY)",
        "CREATE TABLE n (v)",
        "CREATE TABLE rowid_taken (rowid TEXT)",
        "INSERT INTO t VALUES ('7')",
        "INSERT INTO r VALUES (7), ('inf')",
        "INSERT INTO b VALUES (x'00ff'), (7)",
        "INSERT INTO n VALUES (9e999)",
        "INSERT INTO rowid_taken VALUES ('here')",
    )
    with world.past() as past:
        assert look(past, point, "t", ("7",)).tables == {"t": [{"k": "7"}]}
        assert look(past, point, "r", ("7",)).tables == {"r": [{"k": 7.0}]}
        assert look(past, point, "b", ("x'00ff'",)).tables == {"b": [{"k": {"blob": "00ff"}}]}
        assert look(past, point, "b", ("7",)).tables == {"b": [{"k": 7}]}
        assert look(past, point, "n", ("1",)).tables == {"n": [{"v": {"real": "inf"}}]}
        assert look(past, point, "rowid_taken", ("1",)).tables == {"rowid_taken": [{"rowid": "here"}]}


@WAYS
def test_players_who_cannot_be_told_are_a_sentence(tmp_path: Path, archives: bool) -> None:
    """Two of one name, nobody of that name, and a key that nothing belongs to."""
    world = HistoryWorld(tmp_path)
    point = world.snapshot(*GAME)
    with world.past(archives=archives) as past:
        with pytest.raises(QueryError, match="several players in snapshot 000000000001: name one by 2, 3"):
            look_at_player(past, point, "Bo", PlayerSettings())
        with pytest.raises(QueryError, match="no player 'Cy'"):
            look_at_player(past, point, "Cy", PlayerSettings())
        with pytest.raises(QueryError, match="No row in snapshot 000000000001 belongs to a player '99'"):
            look_at_player(past, point, "99", PlayerSettings())


@WAYS
def test_damage_is_an_error_that_names_the_snapshot(tmp_path: Path, archives: bool) -> None:
    """Whichever way the archives are read."""
    world = HistoryWorld(tmp_path)
    point = world.snapshot(*GAME)
    flip_byte(world.file(point))
    with world.past(archives=archives) as past, pytest.raises(SnapshotDamaged):
        look(past, point, "users", ("1",))


def test_that_a_row_is_told_by_its_number_is_said_where_there_is_none(tmp_path: Path) -> None:
    """Who asks for a player's id in a table without a key would take it for the truth that he has no row."""
    world = HistoryWorld(tmp_path)
    point = world.snapshot("CREATE TABLE bank (user_id, coins)", "INSERT INTO bank VALUES (77, 5)")
    with world.past() as past:
        assert look(past, point, "bank", ("77",)).notes == ("bank has no key, so its rows are told by their number.",)
        assert look(past, point, "bank", ("1",)).notes == ()
