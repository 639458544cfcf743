"""The doctor, on bots that have nothing of Savepoint's: what it finds, what it writes, and that it changes nothing."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from core.snapshots.cli.text_output.doctor import doctor_output
from core.snapshots.doctor import Diagnosis, examine, surroundings
from core.snapshots.engines.drivers import DRIVERS
from core.snapshots.settings.schema import load

PROJECT = Path(__file__).resolve().parents[3]

SCHEMA = """
PRAGMA journal_mode = wal;
CREATE TABLE players (user_id INTEGER PRIMARY KEY, name TEXT, profile TEXT);
CREATE TABLE inventory (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES players (user_id), cards TEXT);
CREATE TABLE trades (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES players (user_id), note TEXT);
CREATE TABLE command_log (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES players (user_id), text TEXT);
INSERT INTO players VALUES (1, 'Ada', '{"level": 3}'), (2, 'Bo', '{"level": 1}');
INSERT INTO inventory VALUES (1, 1, '["ace"]'), (2, 2, '[]');
INSERT INTO trades VALUES (1, 1, '[no JSON');
INSERT INTO command_log VALUES (1, 1, '!shop');
"""
FOUND = {
    "database.url": "sqlite:///store/economy.sqlite3",
    "database.critical_tables": ("players", "inventory", "trades"),
    "database.json_columns": ("players.profile:object", "inventory.cards"),
    "history.player": "players.user_id",
}


def make_database(path: Path, schema: str = SCHEMA) -> Path:
    """Make a database as some bot has one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema)
    return path


@pytest.fixture
def bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An unknown bot's folder, which is the working directory."""
    make_database(tmp_path / "store" / "economy.sqlite3")
    (tmp_path / "bot.py").write_text('await bot.load_extension("cogs.backup_cog")\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(surroundings, "in_container", lambda: False)
    return tmp_path


def checks(found: Diagnosis) -> list[str]:
    """Return the names of the checks that found something."""
    return [problem.check for problem in found.problems]


def test_an_unknown_bots_database_is_found_and_understood(bot: Path) -> None:
    """Its tables with their rows, its JSON by content, its players, and the settings that protect them."""
    found = examine(bot, environment={})
    assert found.database == "sqlite:///store/economy.sqlite3"
    assert found.contents.tables == {"players": 2, "inventory": 2, "trades": 1, "command_log": 1}
    assert found.settings == FOUND
    assert found.contents.player == "players.user_id"
    assert found.contents.references == ("inventory.user_id", "trades.user_id", "command_log.user_id")
    assert found.contents.player_why == "3 tables refer to it by foreign keys"
    assert found.problems == ()
    assert [(each.path, each.tables) for each in found.candidates] == [("store/economy.sqlite3", 4)]


def test_columns_that_hold_players_although_nothing_says_so_are_named(bot: Path) -> None:
    """Found by their values, where these are Discord's; a name of the settings that is not there is told too."""
    first, second = 851741364423228969, 711094350337506720
    make_database(
        bot / "store" / "economy.sqlite3",
        f"""
        DROP TABLE trades; DROP TABLE command_log; DROP TABLE inventory; DROP TABLE players;
        CREATE TABLE players (user_id TEXT PRIMARY KEY, coins);
        CREATE TABLE items (id INTEGER PRIMARY KEY, user_id TEXT REFERENCES players);
        CREATE TABLE cards (uid TEXT PRIMARY KEY, owner TEXT, level INTEGER);
        CREATE TABLE guilds (id INTEGER PRIMARY KEY, owner_id INTEGER, channel INTEGER);
        INSERT INTO players VALUES ('{first}', 1), ('{second}', 2);
        INSERT INTO cards VALUES ('a', '{first}', 1), ('b', '{first}', 2);
        INSERT INTO guilds VALUES (811111111111111111, {second}, 822222222222222222);
        """,
    )
    (problem,) = examine(bot, environment={}).problems
    assert problem.message.startswith("In cards.owner, guilds.owner_id are ids of players")
    assert '[history] also = ["cards.owner", "guilds.owner_id"]' in problem.fix
    (bot / "config").mkdir()
    (bot / "config" / "backup.toml").write_text('[history]\nalso = ["cards.owner"]\nnever = ["guilds", "bans"]\n')
    (problem,) = examine(bot, environment={}).problems
    assert problem.message == "[history] names bans, and the database has no such table or column."


def test_a_discord_id_beside_the_key_is_shown(bot: Path) -> None:
    """Whoever reads that the player is a number of the bot's own learns what else he can be named by."""
    schema = """
        DROP TABLE trades; DROP TABLE command_log; DROP TABLE inventory; DROP TABLE players;
        CREATE TABLE player (id INTEGER PRIMARY KEY, discord_id BIGINT UNIQUE);
        CREATE TABLE ball (id INTEGER PRIMARY KEY, player_id INTEGER REFERENCES player);
        INSERT INTO player VALUES (1, 851741364423228969);
    """
    make_database(bot / "store" / "economy.sqlite3", schema)
    found = examine(bot, environment={})
    assert (found.contents.player, found.contents.called) == ("player.id", ("discord_id",))
    shown = doctor_output(found, dt.datetime.now(dt.UTC), written=False)
    assert any("Player: player.id (or discord_id), since" in str(each) for each in shown)


def test_looking_changes_nothing(bot: Path) -> None:
    """No file is made, not even an empty folder of snapshots."""
    before = sorted(bot.rglob("*"))
    examine(bot, environment={})
    assert sorted(bot.rglob("*")) == before


def test_of_several_files_the_one_with_rows_that_changed_last_is_taken(bot: Path) -> None:
    """And the owner hears that it was a guess; what only looks like a database is none."""
    make_database(bot / "old.db")
    os.utime(bot / "old.db", (1, 1))
    make_database(bot / "empty.db", "CREATE TABLE none_yet (id INTEGER);")
    (bot / "Thumbs.db").write_bytes(b"no database at all")
    (bot / "zero.db").touch()
    for folder in (".venv", "node_modules", "backups", "env311"):
        make_database(bot / folder / "other.db")
    (bot / "env311" / "pyvenv.cfg").touch()
    found = examine(bot, environment={})
    assert found.database == "sqlite:///store/economy.sqlite3"
    assert {each.path for each in found.candidates} == {"store/economy.sqlite3", "old.db", "empty.db"}
    assert checks(found) == ["database"]
    assert "store/economy.sqlite3, old.db" in found.problems[0].message


def test_what_the_environment_names_comes_before_what_is_found(bot: Path) -> None:
    """DATABASE_URL is what the bot itself uses, and it needs no setting."""
    make_database(bot / "other.db", "CREATE TABLE users (id INTEGER PRIMARY KEY); INSERT INTO users VALUES (1);")
    found = examine(bot, environment={"DATABASE_URL": "sqlite:///other.db"})
    assert (found.database, found.contents.tables) == ("sqlite:///other.db", {"users": 1})
    assert "database.url" not in found.settings


@pytest.mark.parametrize(
    "line", ["DATABASE_URL=sqlite:///other.db", "export DB_URL = 'sqlite+aiosqlite:///other.db'  # x"]
)
def test_dotenv_is_read(bot: Path, line: str) -> None:
    """Most bots name their database there, and a shell does not see it."""
    make_database(bot / "other.db", "CREATE TABLE users (id INTEGER PRIMARY KEY);")
    (bot / ".env").write_text(f"# secrets\nTOKEN=abc\n{line}\n")
    found = examine(bot, environment={})
    assert found.contents.tables == {"users": 0}
    assert found.source.startswith(".env")
    assert found.settings["database.url"].endswith("///other.db")


def test_a_password_is_neither_shown_nor_written(bot: Path) -> None:
    """A settings file is copied and pushed; the URL stays where it is."""
    (bot / ".env").write_text("DATABASE_URL=postgresql://bot:hunter2@127.0.0.1:1/game?connect_timeout=1\n")
    found = examine(bot, environment={})
    assert found.database is not None
    assert "hunter2" not in repr(found)
    assert "database.url" not in found.settings
    assert "database" in checks(found)


test_a_password_is_neither_shown_nor_written = pytest.mark.socket(test_a_password_is_neither_shown_nor_written)


def test_no_database_is_a_problem_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bot that was never started has none yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(surroundings, "in_container", lambda: False)
    found = examine(tmp_path, environment={})
    assert (found.database, found.settings) == (None, {})
    assert checks(found) == ["database", "extension"]
    assert "Start the bot once" in found.problems[0].fix


def test_settings_that_are_wrong_are_a_problem_and_no_end(bot: Path) -> None:
    """The doctor is what one runs when nothing else does."""
    (bot / "config").mkdir()
    (bot / "config" / "backup.toml").write_text('[database]\ncritical_table = ["players"]\n')
    found = examine(bot, environment={})
    assert checks(found) == ["settings"]
    assert "did you mean critical_tables?" in found.problems[0].message
    assert found.contents.tables["players"] == 2


def test_tables_that_the_settings_name_must_be_there(bot: Path) -> None:
    """What is critical and missing would be an alarm for ever."""
    (bot / "config").mkdir()
    (bot / "config" / "backup.toml").write_text('[database]\ncritical_tables = ["players", "wallets"]\n')
    found = examine(bot, environment={})
    assert checks(found) == ["critical_tables"]
    assert "wallets" in found.problems[0].message


@pytest.mark.parametrize(
    ("installed", "check", "said"),
    [
        ({}, "library", "no discord.py: the cog cannot be loaded"),
        ({"py-cord": "2.6.1"}, "library", "has py-cord and no discord.py"),
        ({"disnake": "2.10"}, "library", "has disnake and no discord.py"),
        ({"py-cord": "2.6.1", "discord.py": "2.7.1"}, "library", "both installed"),
        ({"discord.py": "2.5.2"}, "library", "too old"),
        ({"discord.py": "2.7.1"}, "driver", "aiosqlite is missing"),
        ({"discord.py": "2.7.1", "aiosqlite": "0.17.0"}, "driver", "too old (0.17.0)"),
        ({"discord.py": "2.6.0", "aiosqlite": "0.20.0"}, None, ""),
    ],
)
def test_packages_that_do_not_fit_are_named(
    bot: Path, monkeypatch: pytest.MonkeyPatch, installed: dict[str, str], check: str | None, said: str
) -> None:
    """Forks, old versions and missing drivers, before the bot stumbles over them."""

    def version(name: str) -> str:
        if name in installed:
            return installed[name]
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = [each for each in surroundings.packages("sqlite") if not isinstance(each, str)]
    if check is None:
        assert found == []
    else:
        assert found[0].check == check
        assert said in found[0].message


@pytest.mark.parametrize("engine", DRIVERS)
def test_the_lowest_drivers_are_those_that_pip_is_told(engine: str) -> None:
    """The code asks for what the requirements ask for."""
    name, lowest, file = DRIVERS[engine]
    assert f"{name}>={'.'.join(map(str, lowest))}," in (PROJECT / file).read_text()


def test_a_full_disk_and_a_container_are_seen(bot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in a container's own layer is gone with the next deployment; a volume keeps it."""
    monkeypatch.setattr(surroundings, "free_space", lambda _: 1000)
    assert [each.check for each in surroundings.disk(bot / "backups", 10, 995) if not isinstance(each, str)] == [
        "space"
    ]
    monkeypatch.setattr(surroundings, "_filesystem", lambda _: "overlay")
    assert list(surroundings.place("The database", bot / "game.db", locks=True)) == []
    monkeypatch.setattr(surroundings, "in_container", lambda: True)
    [problem] = surroundings.place("The database", bot / "game.db", locks=True)
    assert not isinstance(problem, str)
    assert (problem.check, f":{bot}" in problem.fix) == ("container", True)
    monkeypatch.setattr(surroundings, "_filesystem", lambda _: "nfs4")
    [problem] = surroundings.place("The database", bot / "game.db", locks=True)
    assert not isinstance(problem, str)
    assert problem.check == "network"
    [remark] = surroundings.place("The folder of snapshots", bot / "backups", locks=False)
    assert isinstance(remark, str)


@pytest.mark.process
def test_snapshots_that_git_tracks_are_a_problem(bot: Path) -> None:
    """They hold the players' data, and the folder's own .gitignore does not untrack them."""
    git = ["git", "-C", str(bot), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert [isinstance(each, str) for each in surroundings.git(bot, bot / "backups")] == [True]
    (bot / "backups").mkdir()
    (bot / "backups" / "latest.db.gz").touch()
    subprocess.run([*git, "add", "-f", "backups"], check=True)
    [problem] = surroundings.git(bot, bot / "backups")
    assert not isinstance(problem, str)
    assert problem.fix.startswith("git rm -r --cached backups")


def shell(folder: Path, *arguments: str) -> Any:
    """Run the shell of a copy in a bot's folder and return its exit code and its output."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("BACKUP_", "DATABASE_"))}
    done = subprocess.run(
        [sys.executable, "-m", "core.snapshots", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.process
@pytest.mark.parametrize("shipped", [False, True], ids=["no settings file", "the shipped settings file"])
def test_what_it_writes_protects_the_database(bot: Path, shipped: bool) -> None:
    """From two copied folders to a verified snapshot that counts what players own: one command, and no editing."""
    shutil.copytree(PROJECT / "core" / "snapshots", bot / "core" / "snapshots")
    if shipped:
        (bot / "config").mkdir()
        shutil.copy2(PROJECT / "config" / "backup.toml", bot / "config")
    _, output, errors = shell(bot, "doctor", "--write")
    assert errors == ""
    assert "Written to" in output
    settings = load(bot / "config" / "backup.toml", {})
    assert settings.database.critical_tables == FOUND["database.critical_tables"]
    assert settings.history.player == "players.user_id"

    assert shell(bot, "now")[0] == 0
    with closing(sqlite3.connect(bot / "store" / "economy.sqlite3")) as connection:
        connection.execute("DELETE FROM players")
        connection.commit()
    assert shell(bot, "restore", "latest", "--yes")[0] == 0
    with closing(sqlite3.connect(bot / "store" / "economy.sqlite3")) as connection:
        assert connection.execute("SELECT count(*) FROM players").fetchone() == (2,)

    assert (bot / "backups" / ".gitignore").read_text() == "*\n"
    code, output, _ = shell(bot, "doctor", "--json")
    answer = json.loads(output)
    # The tests may run in a container, whose own layer holds their folders.
    assert {problem["check"] for problem in answer["problems"]} <= {"container"}
    assert (code, answer["settings"]) == (1 if answer["problems"] else 0, {})
