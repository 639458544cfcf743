"""The extension as a bot loads it, and what it may know."""

from __future__ import annotations

import ast
import threading
from pathlib import Path
from typing import Any

import discord
import pytest
from discord import app_commands
from discord.ext import commands

from tests.card_game.storage import SqliteStorage, Storage
from tests.card_game.world import ALICE
from tests.worlds.sources import syntax_tree
from tests.worlds.waiting import PATIENCE

PACKAGE = Path(__file__).resolve().parents[2] / "cogs" / "card_game"
SPEAKS_DISCORD = {"__init__", "address", "cog", "replies", "views"}


def new_bot(database_url: str | None = None) -> commands.Bot:
    """Make a bot that never logs in."""
    bot = commands.Bot(command_prefix="!", intents=discord.Intents.none(), help_command=None)
    if database_url is not None:
        bot.database_url = database_url  # type: ignore[attr-defined]
    return bot


def game_of(bot: commands.Bot) -> Any:
    """Find the game as other code of the host does."""
    return bot.get_cog("CardGame").game  # type: ignore[union-attr]


def open_connections(before: list[threading.Thread]) -> list[str]:
    """Name the threads of connections opened since then and not closed; one that is just ending gets the time."""
    threads = [
        thread
        for thread in threading.enumerate()
        if thread not in before and "_connection_worker_thread" in thread.name
    ]
    for thread in threads:
        thread.join(timeout=PATIENCE)
    return [thread.name for thread in threads if thread.is_alive()]


async def test_a_bot_that_never_logs_in_plays_and_hears_the_events(storage: Storage) -> None:
    """The tables are made, the game is found by the cog's name, and bot.dispatch carries the events."""
    heard: list[Any] = []

    async def on_pack_opened(*, user_id: int, rarities: list[str]) -> None:
        heard.append((user_id, len(rarities)))

    async with new_bot(storage.url) as bot:
        bot.add_listener(on_pack_opened)
        await bot.load_extension("cogs.card_game")
        await game_of(bot).open_pack(ALICE)
        await game_of(bot).balance(ALICE)
    assert heard == [(ALICE, 5)]
    assert storage.query("SELECT count(*) FROM cards") == [(60,)]


async def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    """And the URL's percent-encoding is undone."""
    async with new_bot(f"sqlite:///{tmp_path}/new%20folder/game.db") as bot:
        await bot.load_extension("cogs.card_game")
    assert SqliteStorage(tmp_path / "new folder" / "game.db").query("SELECT count(*) FROM cards") == [(60,)]


async def test_closing_the_bot_closes_the_database(storage: Storage) -> None:
    """No thread, no write-ahead log and no connection stay behind."""
    before = threading.enumerate()
    async with new_bot(storage.url) as bot:
        await bot.load_extension("cogs.card_game")
        await game_of(bot).open_pack(ALICE)
        assert storage.is_held()
    assert storage.is_free()
    assert open_connections(before) == []


async def test_a_reload_keeps_the_data(storage: Storage) -> None:
    """A new game takes up the database where the old one left it."""
    async with new_bot(storage.url) as bot:
        await bot.load_extension("cogs.card_game")
        opened = await game_of(bot).open_pack(ALICE)
        await bot.reload_extension("cogs.card_game")
        assert len(await game_of(bot).cards_of(ALICE)) == len(opened.cards)


async def test_without_any_setting_the_database_is_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default is data/game.db, and a later change of directory does not move it."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    async with new_bot() as bot:
        await bot.load_extension("cogs.card_game")
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        await game_of(bot).pause()
        await game_of(bot).resume()
        await game_of(bot).open_pack(ALICE)
    assert SqliteStorage(tmp_path / "data" / "game.db").query("SELECT count(*) FROM users") == [(1,)]


async def test_an_engine_that_the_game_does_not_know_stops_the_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bot told to use another database never plays on a default one instead."""
    monkeypatch.setenv("DATABASE_URL", "mysql://localhost/game")
    monkeypatch.chdir(tmp_path)
    async with new_bot() as bot:
        with pytest.raises(commands.ExtensionFailed, match="mysql"):
            await bot.load_extension("cogs.card_game")
    assert not (tmp_path / "data").exists()


async def test_a_cog_that_cannot_be_added_leaves_nothing_open(storage: Storage) -> None:
    """Where the host has a /pack of its own, the loading fails and the database is closed again."""
    before = threading.enumerate()
    async with new_bot(storage.url) as bot:
        bot.tree.add_command(app_commands.Group(name="pack", description="The host's own"))
        with pytest.raises(commands.ExtensionFailed, match="pack"):
            await bot.load_extension("cogs.card_game")
        assert open_connections(before) == []
        assert storage.is_free()


async def test_a_database_of_something_else_leaves_nothing_open(storage: Storage) -> None:
    """A start that fails in the middle is rolled back, and closes what it opened."""
    storage.query("CREATE TABLE cards (id INTEGER PRIMARY KEY, owner TEXT)")
    before = threading.enumerate()
    async with new_bot(storage.url) as bot:
        with pytest.raises(commands.ExtensionFailed, match=r"no column named|does not exist"):
            await bot.load_extension("cogs.card_game")
        assert open_connections(before) == []
        assert storage.is_free()
    assert storage.rows() == {"cards": []}


def imports_of(path: Path) -> set[str]:
    """Return the names of the top-level packages that a module imports; its own package is "."."""
    found = set()
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." if node.level == 1 else (node.module or "..").split(".")[0])
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_the_game_imports_nothing_of_the_project_and_its_rules_nothing_of_discord(path: Path) -> None:
    """It is a host like any other: events are the only link, and the rules can be played without Discord."""
    imported = imports_of(path)
    assert not imported & {"core", "cogs", "config", "main", ".."}
    assert ("discord" in imported) <= (path.stem in SPEAKS_DISCORD)
