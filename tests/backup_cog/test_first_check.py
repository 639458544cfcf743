"""The first check: a bot that cannot carry the cog hears why in one sentence, and never gets a silent half of it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import logging
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import discord
import pytest
from discord.ext import commands

from cogs.backup_cog import first_check, setup
from cogs.backup_cog.first_check import UnsuitableHost, require_suitable
from core.snapshots import DatabaseUnavailable
from core.snapshots.doctor import surroundings
from core.snapshots.engines import probe_for
from core.snapshots.settings.database_url import parse
from tests.backup_cog.world import EXTENSION, World

PROJECT = Path(__file__).resolve().parents[2]


class Suitable:
    """What the first check looks for in a bot."""

    tree = None

    def add_cog(self) -> None:
        """Add a cog."""


def refusal(caplog: pytest.LogCaptureFixture, bot: object) -> str:
    """Return the sentence with which a bot is refused, which is logged as an error too."""
    with caplog.at_level(logging.ERROR), pytest.raises(UnsuitableHost) as caught:
        require_suitable(bot)
    logged = [record.getMessage() for record in caplog.records if record.name == first_check.__name__]
    assert logged == [str(caught.value)]
    assert str(caught.value).startswith("Savepoint cannot be loaded: ")
    return str(caught.value)


def test_a_bot_of_discord_py_passes() -> None:
    """Nothing is said where nothing is wrong."""
    require_suitable(Suitable())


@pytest.mark.parametrize("library", ["disnake", "nextcord"])
def test_a_fork_with_a_name_of_its_own_is_refused(caplog: pytest.LogCaptureFixture, library: str) -> None:
    """Its bot class says which library it is, whatever else is installed."""
    base = type("Bot", (Suitable,), {"__module__": f"{library}.ext.commands.bot"})
    bot = type("MyBot", (base,), {})()
    assert f"this bot uses {library}; the shell works without the library" in refusal(caplog, bot)


def test_py_cord_is_refused_though_it_is_called_discord(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its package has the name of discord.py's; its title is its own."""
    monkeypatch.setattr(discord, "__title__", "pycord")
    assert "this bot uses py-cord" in refusal(caplog, Suitable())


@pytest.mark.parametrize(("version", "passes"), [((2, 5, 2), False), ((2, 6, 0), True), ((3, 0, 0), True)])
def test_an_old_discord_py_is_refused(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], passes: bool
) -> None:
    """The sentence names what is there, what is needed, and the command that helps."""
    monkeypatch.setattr(discord, "version_info", version)
    monkeypatch.setattr(discord, "__version__", ".".join(map(str, version)))
    if passes:
        require_suitable(Suitable())
    else:
        said = refusal(caplog, Suitable())
        assert "needs discord.py 2.6 or newer, and this is 2.5.2; update it: pip install -U" in said


def test_an_old_python_is_refused(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything that it cannot read is imported."""
    monkeypatch.setattr(sys, "version_info", (3, 10, 14))
    assert "needs Python 3.11 or newer, and this is 3.10" in refusal(caplog, Suitable())


def test_a_client_without_extensions_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """``discord.Client`` cannot have a cog; its owner calls ``setup`` by hand at most."""
    client = discord.Client(intents=discord.Intents.none())
    said = refusal(caplog, client)
    assert "this bot is a discord.client.Client, which has no extensions; make it a commands.Bot" in said
    with pytest.raises(UnsuitableHost):
        _ = setup(client)  # type: ignore[arg-type]


def test_a_missing_package_is_named(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a traceback from the middle of an import: what is missing, in which Python, and how to get it."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "blake3" else find(name))
    said = refusal(caplog, Suitable())
    assert f"this Python ({sys.executable}) lacks blake3" in said
    assert "pip install blake3" in said


@pytest.mark.process
def test_the_check_comes_before_every_import_that_could_fail() -> None:
    """In a Python without any package, the extension imports, and setup says what is missing."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import cogs.backup_cog as extension\n"
        "try: extension.setup(object())\n"
        "except RuntimeError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(PROJECT)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "discord.py cannot be imported (No module named 'discord'); install it: pip install" in done.stdout


def test_a_library_that_does_not_await_setup_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """In disnake the library calls ``setup`` and drops what it returns: the check must not be in what is dropped."""
    monkeypatch.setattr(discord, "__title__", "pycord")
    assert not asyncio.iscoroutinefunction(setup)
    with pytest.raises(UnsuitableHost):
        _ = setup(Suitable())  # type: ignore[arg-type]


async def test_the_host_gets_an_extension_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaders that catch ExtensionError go on as with any extension that fails, and no cog is left behind."""
    async with world.bot() as bot:
        monkeypatch.setattr(discord, "version_info", (2, 3, 2))
        with pytest.raises(commands.ExtensionError, match=r"needs discord\.py 2\.6 or newer"):
            await bot.load_extension(EXTENSION)
        assert (dict(bot.extensions), dict(bot.cogs)) == ({}, {})


async def test_settings_that_are_wrong_are_logged_too(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Many hosts print no more than the name of an extension that failed."""
    async with world.bot() as bot:
        bot.backup_settings = types.SimpleNamespace()  # type: ignore[assignment]
        with caplog.at_level(logging.ERROR), pytest.raises(commands.ExtensionError):
            await bot.load_extension(EXTENSION)
    assert "Savepoint cannot be loaded: bot.backup_settings is a SimpleNamespace" in caplog.text


@pytest.mark.parametrize(
    ("url", "driver", "version", "said"),
    [
        ("sqlite:///game.db", "aiosqlite", "0.19.0", "needs aiosqlite 0.20 or newer, and this Python"),
        ("sqlite:///game.db", "aiosqlite", None, "lacks it"),
        ("postgresql://host/game", "asyncpg", None, "pip install -U -r requirements-postgresql.txt"),
        ("postgresql://host/game", "asyncpg", "0.9.0", "has 0.9.0"),
    ],
)
def test_a_driver_that_is_missing_or_old_is_named(
    monkeypatch: pytest.MonkeyPatch, url: str, driver: str, version: str | None, said: str
) -> None:
    """Each engine needs its own driver and no other."""

    def installed(name: str) -> Any:
        if name == driver and version is not None:
            return version
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", installed)
    with pytest.raises(DatabaseUnavailable) as caught:
        probe_for(parse(url))
    assert said in str(caught.value)


def test_the_files_of_requirements_say_the_same() -> None:
    """What the checks ask for is what pip installs; the core's file has neither a driver nor discord.py."""

    def listed(name: str) -> dict[str, str]:
        lines = (PROJECT / name).read_text().splitlines()
        return dict(line.split(">=", 1) for line in lines if line[:1].isalpha())

    core = listed("requirements.txt")
    assert set(first_check.NEEDED) <= set(core)
    assert core.keys().isdisjoint({"discord.py", "aiosqlite", "asyncpg"})
    assert listed("requirements-sqlite.txt")["aiosqlite"].startswith("0.20,")
    assert listed("requirements-postgresql.txt")["asyncpg"].startswith("0.30,")
    lowest = ".".join(map(str, first_check.LOWEST_DISCORD))
    assert listed("requirements-discord.txt")["discord.py"].startswith(f"{lowest},")
    assert first_check.LOWEST_DISCORD == surroundings.LOWEST_DISCORD
