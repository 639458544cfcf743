"""The wheel, built from this checkout and installed into an environment that has nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from core.snapshots.version import __version__

pytestmark = [pytest.mark.process, pytest.mark.timeout(900)]

PROJECT = Path(__file__).resolve().parents[2]
SOURCES = ("cogs/backup_cog", "core/snapshots", "distribution")
FILES = ("setup.py", "pyproject.toml", "README.md", "LICENSE")

HOST = """
import asyncio, importlib.util, json, os, sqlite3
import discord
from discord.ext import commands

async def main():
    os.mkdir("data")
    economy = sqlite3.connect("data/game.db")
    economy.execute("CREATE TABLE players (id INTEGER PRIMARY KEY, name TEXT)")
    economy.commit()
    bot = commands.Bot(command_prefix="!", intents=discord.Intents.none())
    async with bot:
        await bot.load_extension("savepoint")
        economy.execute("INSERT INTO players (name) VALUES ('Ada')")
        economy.commit()
        bot.dispatch("marketplace_sold", card_id=42)
        await asyncio.sleep(0)
        service = bot.get_cog("BackupCog").service
        await service.settled()
        print(json.dumps({
            "extensions": list(bot.extensions),
            "reasons": [list(snapshot.reasons) for snapshot in service.known],
            "others": [name for name in ("core", "cogs", "config") if importlib.util.find_spec(name)],
        }))

asyncio.run(main())
"""


def run(*command: object, folder: Path) -> str:
    """Run a program in a folder, without this process's settings, and return its standard output."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BACKUP_", "DATABASE_", "PYTHON", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        [str(each) for each in command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(folder: Path) -> Path:
    """Build the wheel from a copy, so that the checkout stays clean."""
    copy = folder / "source"
    for name in SOURCES:
        shutil.copytree(PROJECT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy2(PROJECT / name, copy / name)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, copy, folder=folder)
    [wheel] = folder.glob("savepoint-*.whl")
    return wheel


def test_the_wheel_loads_and_works_in_an_empty_environment(tmp_path: Path) -> None:
    """One package, one extension, one command: none of the folder names that a host could have itself."""
    wheel = build(tmp_path)
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"savepoint", f"savepoint-{__version__}.dist-info"}
    modules = {name.removeprefix("savepoint/") for name in names if name.endswith(".py")}
    assert modules == {"__init__.py"} | {
        path.relative_to(PROJECT / source).as_posix()
        for source in ("cogs", "core")
        for path in (PROJECT / source).rglob("*.py")
        if path.relative_to(PROJECT).parts[1] in ("backup_cog", "snapshots")
    }
    tables = {name.removeprefix("savepoint/backup_cog/") for name in names if name.endswith(".toml")}
    cog = PROJECT / "cogs" / "backup_cog"
    assert tables == {path.relative_to(cog).as_posix() for path in cog.rglob("*.toml")}

    venv.create(tmp_path / "environment", with_pip=True)
    programs = tmp_path / "environment" / ("Scripts" if sys.platform == "win32" else "bin")
    run(programs / "python", "-m", "pip", "install", "--quiet", f"{wheel}[discord]", folder=tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    (home / "bot.py").write_text(HOST)

    assert json.loads(run(programs / "python", "bot.py", folder=home)) == {
        "extensions": ["savepoint"],
        "reasons": [["marketplace_buy_42"]],
        "others": [],
    }
    assert run(programs / "savepoint", "--version", folder=home) == f"savepoint {__version__}\n"
    listed = json.loads(run(programs / "savepoint", "list", "--json", folder=home))
    assert [snapshot["reasons"] for snapshot in listed["snapshots"]] == [["marketplace_buy_42"]]
