"""The snippets of docs/hosts.md, taken out of the page and run in a bot with a real database."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import discord
import pytest
from discord.ext import commands

from core.snapshots import Kind, SnapshotError, load
from core.snapshots.settings.triggers import OWN_EVENTS
from tests.backup_cog.world import EXTENSION, World, cog_of, covered, settings_in

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "hosts.md").read_text()


@pytest.fixture
def snippets() -> dict[str, Any]:
    """All names that the snippets define."""
    names: dict[str, Any] = {
        "commands": commands,
        "asyncio": asyncio,
        "Kind": Kind,
        "SnapshotError": SnapshotError,
        "load": load,
    }
    for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        exec(block, names)
    return names


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A game that has never been backed up."""
    return World(tmp_path)


def make(kind: Any, world: World) -> Any:
    """Make a bot of a snippet's class, whose own game is one extension that needs a sound database."""
    bot = kind(command_prefix="!", intents=discord.Intents.none(), help_command=None)
    bot.backup_settings = settings_in(world.folder)
    bot.own_extensions = ["tests.documents.own_game"]
    return bot


@pytest.mark.process
async def test_setup_hook_loads_it_before_the_game(snippets: dict[str, Any], world: World) -> None:
    """The first in the list is loaded first."""
    async with make(snippets["Game"], world) as bot:
        await bot.setup_hook()
        assert list(bot.extensions) == [EXTENSION, "tests.documents.own_game"]


@pytest.mark.process
async def test_a_guard_in_on_ready_lets_the_game_load(snippets: dict[str, Any], world: World) -> None:
    """Once, however often Discord says that it is ready."""
    async with make(snippets["Guarded"], world) as bot:
        await bot.on_ready()
        await bot.on_ready()
        assert list(bot.cogs) == ["BackupCog", "OwnGame"]


@pytest.mark.process
async def test_several_bots_in_one_process_keep_to_themselves(snippets: dict[str, Any], tmp_path: Path) -> None:
    """Each has its own settings, its own repository, and hears only its own events."""
    bots: dict[commands.Bot, Path] = {}
    for name in ("red", "blue"):
        (tmp_path / name).mkdir()
        World(tmp_path / name)
        file = tmp_path / name / "backup.toml"
        file.write_text(
            f'[database]\nurl = "sqlite:///{tmp_path / name}/game.db"\n'
            f'[repository]\npath = "{tmp_path / name}/backups"\nmin_free = "1 MiB"\n'
        )
        bots[commands.Bot(command_prefix="!", intents=discord.Intents.none())] = file
    red, blue = bots
    async with red, blue:
        await snippets["load_all"](bots)
        red.dispatch("marketplace_sold", card_id=1)
        await covered(red)
        assert [snapshot.reasons for snapshot in cog_of(red).service.known] == [("marketplace_buy_1",)]
        assert cog_of(blue).service.known == ()


def test_the_folder_says_what_to_load(snippets: dict[str, Any], tmp_path: Path) -> None:
    """A file is an extension, a package is one, and the files in a package are none."""
    folder = tmp_path / "cogs"
    for name in (
        "shop.py",
        "fun/dice.py",
        "backup_cog/__init__.py",
        "backup_cog/cog.py",
        "backup_cog/notices/__init__.py",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "backup_cog" / "notices" / "texts.py").touch()
    assert sorted(snippets["extensions"](folder)) == ["cogs.backup_cog", "cogs.fun.dice", "cogs.shop"]


@pytest.mark.process
async def test_the_season_waits_for_its_snapshot(snippets: dict[str, Any], world: World) -> None:
    """The ticket's snapshot is the answer; and the error, where there can be none."""
    async with world.bot() as bot:
        await bot.load_extension(EXTENSION)
        said = await snippets["end_season"](bot)
        [snapshot] = cog_of(bot).service.known
        assert said == f"Season over; go back with {snapshot.id}."
        assert snapshot.reasons == ("season_end",)
        await cog_of(bot).service.close()
        assert (await snippets["end_season"](bot)).startswith("The season goes on: ")


@pytest.mark.process
async def test_play_pauses_around_a_restore(snippets: dict[str, Any], world: World) -> None:
    """Nobody plays while the database changes, and nobody remembers what is gone."""
    async with world.bot() as bot:
        await bot.load_extension(EXTENSION)
        service = cog_of(bot).service
        cache = {"users": 2}
        pause = snippets["Pause"]([cache])
        await bot.add_cog(pause)
        states = []

        @bot.listen("on_backup_restore_starting")
        async def look(plan: object) -> None:
            await asyncio.sleep(0)
            states.append(pause.playing.is_set())
            with pytest.raises(commands.CheckFailure):
                await pause.bot_check(SimpleNamespace())

        created = await service.create(Kind.MANUAL)
        world.add_user(3)
        await service.restore(created.snapshot.id)
        assert states == [False]
        assert (pause.playing.is_set(), cache) == (True, {})
        assert await pause.bot_check(SimpleNamespace())
        assert len(world.names()) == 2


def test_the_page_names_every_event_that_is_dispatched() -> None:
    """And no other."""
    assert re.findall(r"^\| `(backup_\w+)\(", PAGE, flags=re.MULTILINE) == list(OWN_EVENTS)
