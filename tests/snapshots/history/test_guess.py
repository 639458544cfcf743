"""Who the player is in the schemas that bots have: by guild, without keys, with ids of the bot's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.errors import QueryError
from core.snapshots.history.look import look_at_player
from core.snapshots.history.loss import namer
from core.snapshots.history.player import find_player, sqlite_matching
from core.snapshots.history.questions import PlayerSettings
from core.snapshots.history.tables import read_tables
from core.snapshots.models import PlayerTables
from tests.worlds.past.history_world import HistoryWorld

BY_GUILD = (
    "CREATE TABLE guilds (id BIGINT PRIMARY KEY, prefix TEXT)",
    "CREATE TABLE members (guild_id BIGINT REFERENCES guilds, user_id BIGINT, wallet, PRIMARY KEY (guild_id, user_id))",
    "CREATE TABLE inventory (guild_id BIGINT, user_id BIGINT, item, PRIMARY KEY (guild_id, user_id, item), "
    "FOREIGN KEY (guild_id, user_id) REFERENCES members (guild_id, user_id))",
    "CREATE TABLE shops (id INTEGER PRIMARY KEY, guild_id BIGINT REFERENCES guilds)",
)
OWN_IDS = (
    "CREATE TABLE player (id INTEGER PRIMARY KEY, discord_id BIGINT NOT NULL UNIQUE, money)",
    "CREATE TABLE ball (id INTEGER PRIMARY KEY, country)",
    "CREATE TABLE ballinstance (id INTEGER PRIMARY KEY, ball_id REFERENCES ball, player_id REFERENCES player)",
    "CREATE TABLE special (id INTEGER PRIMARY KEY, ball_id REFERENCES ball)",
    "CREATE TABLE wish (id INTEGER PRIMARY KEY, ball_id REFERENCES ball)",
    "INSERT INTO player VALUES (1, 851741364423228969, 10), (2, 711094350337506720, 20)",
    "INSERT INTO ballinstance VALUES (7, 3, 1), (8, 3, 2)",
)


def player_in(folder: Path, *statements: str, settings: PlayerSettings | None = None) -> PlayerTables:
    """Return who the player is in a schema."""
    world = HistoryWorld(folder)
    point = world.snapshot(*statements)
    with world.past() as past, past.opened(point) as database:
        return find_player(read_tables(database), settings or PlayerSettings())


@pytest.mark.parametrize(
    ("statements", "column", "references"),
    [
        pytest.param(BY_GUILD, "members.user_id", {"members.user_id", "inventory.user_id"}, id="by guild"),
        pytest.param(OWN_IDS, "player.id", {"player.id", "ballinstance.player_id"}, id="more references to cards"),
        pytest.param(
            ("CREATE TABLE bank (userID BIGINT, wallet)", "CREATE TABLE inv (userID BIGINT, phone)"),
            "bank.userID",
            {"bank.userID", "inv.userID"},
            id="no keys",
        ),
        pytest.param(
            ("CREATE TABLE levels (level, xp, user INT, guild INT)", "CREATE TABLE prefixes (guild INT, prefix)"),
            "levels.user",
            {"levels.user"},
            id="a bare name",
        ),
        pytest.param(
            (
                "CREATE TABLE items (id INTEGER PRIMARY KEY, name)",
                "CREATE TABLE owned (id INTEGER PRIMARY KEY, user_id, item_id REFERENCES items)",
                "CREATE TABLE guild_settings (guild_id INTEGER PRIMARY KEY)",
                "CREATE TABLE drops (guild_id, item_id REFERENCES items)",
            ),
            "owned.user_id",
            {"owned.user_id"},
            id="references to items alone",
        ),
        pytest.param(
            ("CREATE TABLE warns (id TEXT, user TEXT)", "CREATE TABLE users (user_id INTEGER UNIQUE, balance)"),
            "users.user_id",
            {"users.user_id"},
            id="a key that can be NULL",
        ),
        pytest.param(
            (
                'CREATE TABLE "Pokémon" (uid TEXT PRIMARY KEY, "TrainerID" TEXT)',
                'CREATE TABLE "Users" ("UserID" TEXT, "GuildID" TEXT, PRIMARY KEY ("UserID", "GuildID"))',
            ),
            "Users.UserID",
            {"Users.UserID"},
            id="what is called as players are",
        ),
    ],
)
def test_a_player_is_called_as_players_are(
    tmp_path: Path, statements: tuple[str, ...], column: str, references: set[str]
) -> None:
    """Not the guild or the card that more tables refer to: a rescue of it would put back everybody's rows."""
    found = player_in(tmp_path, *statements)
    assert f"{found.table}.{found.column}" == column
    assert {f"{table}.{name}" for table, name in found.references} == references


@pytest.mark.parametrize("settings", [PlayerSettings(), PlayerSettings(player="player.discord_id")], ids=repr)
@pytest.mark.parametrize("given", ["851741364423228969", "1"])
def test_a_discord_id_names_a_player_whose_key_is_another_number(
    tmp_path: Path, settings: PlayerSettings, given: str
) -> None:
    """The tables that refer to him do it by that number."""
    world = HistoryWorld(tmp_path)
    point = world.snapshot(*OWN_IDS)
    with world.past() as past:
        found = look_at_player(past, point, given, settings)
        assert found.tables["ballinstance"] == [{"id": 7, "ball_id": 3, "player_id": 1}]
        with past.opened(point) as database:
            tables = read_tables(database)
            named = namer(tables, find_player(tables, settings), sqlite_matching(database))
            assert named(1) == "851741364423228969"
        with pytest.raises(QueryError, match="no player 'Bo'"):
            look_at_player(past, point, "Bo", settings)


def test_a_table_of_cooldowns_is_nobodys_collection(tmp_path: Path) -> None:
    """The bot keeps its players in JSON by guild: better no answer than that there is nothing to put back."""
    with pytest.raises(QueryError, match="set \\[history\\] player"):
        player_in(tmp_path, "CREATE TABLE guilds (id INTEGER PRIMARY KEY, data)", "CREATE TABLE cooldown (user_id)")


def test_a_table_of_the_settings_that_was_not_there_yet_is_no_error(tmp_path: Path) -> None:
    """Otherwise nobody could look at, or be rescued from, a day before the table was made."""
    found = player_in(tmp_path, *OWN_IDS, settings=PlayerSettings(also=("trade.buyer_id",)))
    assert ("trade", "buyer_id") not in found.references
