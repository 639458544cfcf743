"""Six shapes of host bot, each a folder into which a test drops Savepoint: two folders, one file, one line."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

__all__ = ["HOSTS", "PROGRAM", "Host", "drop_in", "make"]

PROJECT = Path(__file__).resolve().parents[2]
COPIED = (("cogs/backup_cog", "cogs/backup_cog"), ("core/snapshots", "core/snapshots"))

PROGRAM = """
import asyncio, json, logging, os, sqlite3, sys
import discord
from discord.ext import commands

{imports}

async def main():
    bot = commands.Bot(command_prefix="!", intents=discord.Intents.none())
    async with bot:
        {drop_in_line}
        await bot.load_extension({extension!r})
        economy = sqlite3.connect("data/game.db")
        economy.execute("INSERT INTO players (name) VALUES ('Ada')")
        economy.commit()
        bot.dispatch("marketplace_sold", card_id=42)
        cog = bot.get_cog("BackupCog")
        if cog is not None:
            await asyncio.sleep(0)
            await cog.service.settled()
        print(json.dumps({{
            "host": {host_value},
            "extensions": sorted(bot.extensions),
            "snapshots": [list(s.reasons) for s in cog.service.known] if cog else [],
        }}))
        economy.close()

asyncio.run(main())
"""
"""The host's own program; ``drop_in_line`` is the one line that its owner adds."""

GAME = '''
"""The host's own game."""
import sqlite3
from pathlib import Path

ANSWER = "the host's own game"

async def setup(bot):
    Path("data").mkdir(exist_ok=True)
    with sqlite3.connect("data/game.db") as database:
        database.execute("CREATE TABLE IF NOT EXISTS players (id INTEGER PRIMARY KEY, name TEXT)")
'''


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A host: its files, what its program imports, the extension it loads, and what proves that its own code ran."""

    files: Mapping[str, str]
    imports: str
    extension: str
    value: str
    expected: str


HOSTS = {
    "none of the folders": Host(
        files={"game.py": GAME},
        imports="import game",
        extension="game",
        value="game.ANSWER",
        expected="the host's own game",
    ),
    "plain cogs and core": Host(
        files={"cogs/game.py": GAME, "core/logic.py": "VALUE = 'plain core'"},
        imports="from core.logic import VALUE",
        extension="cogs.game",
        value="VALUE",
        expected="plain core",
    ),
    "both as packages with code": Host(
        files={
            "cogs/__init__.py": "LOADED = 'cogs package'",
            "cogs/game.py": GAME,
            "core/__init__.py": "from .logic import VALUE\\nSTARTED = VALUE + ' and core package'".replace("\\n", "\n"),
            "core/logic.py": "VALUE = 'logic'",
            "config/__init__.py": "TOKEN = 'none'",
        },
        imports="import cogs, core, config",
        extension="cogs.game",
        value="cogs.LOADED + ', ' + core.STARTED + ', ' + config.TOKEN",
        expected="cogs package, logic and core package, none",
    ),
    "modules core.py and config.py": Host(
        files={"core.py": "VALUE = 'core module'", "config.py": "TOKEN = 'config module'", "game.py": GAME},
        imports="import config, core",
        extension="game",
        value="core.VALUE + ', ' + config.TOKEN",
        expected="core module, config module",
    ),
    "its own cogs/backup.py": Host(
        files={"cogs/game.py": GAME, "cogs/backup.py": "NAME = 'the host backs up too'"},
        imports="from cogs import backup",
        extension="cogs.game",
        value="backup.NAME",
        expected="the host backs up too",
    ),
    "its own core/retention.py": Host(
        files={"cogs/game.py": GAME, "core/retention.py": "DAYS = 'retention of the host'"},
        imports="from core import retention",
        extension="cogs.game",
        value="retention.DAYS",
        expected="retention of the host",
    ),
}


def make(host: Host, folder: Path) -> dict[str, bytes]:
    """Write a host without Savepoint into a folder; return its files, to see later that none was overwritten."""
    for name, content in host.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    write_program(host, folder, line="pass")
    return {name: (folder / name).read_bytes() for name in host.files}


def write_program(host: Host, folder: Path, *, line: str) -> None:
    """Write the host's program with the line that its owner adds."""
    (folder / "bot.py").write_text(
        PROGRAM.format(imports=host.imports, drop_in_line=line, extension=host.extension, host_value=host.value)
    )


def drop_in(host: Host, folder: Path) -> list[str]:
    """Do what the README says, and return the paths that were there before and would have been overwritten."""
    clashes = []
    for source, target in COPIED:
        for path in (PROJECT / source).rglob("*.py"):
            place = folder / target / path.relative_to(PROJECT / source)
            if place.exists():
                clashes.append(str(place))
        shutil.copytree(
            PROJECT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
        )
    if (folder / "config/backup.toml").exists():
        clashes.append("config/backup.toml")
    (folder / "config").mkdir(exist_ok=True)
    settings = (PROJECT / "config/backup.toml").read_text()
    settings = settings.replace('["users", "cards", "creator_packs", "user_cards"]', '["players"]')
    settings = settings.replace('["creator_packs.cards_data"]', "[]")
    (folder / "config/backup.toml").write_text(settings)
    write_program(host, folder, line='await bot.load_extension("cogs.backup_cog")')
    return clashes


def python() -> str:
    """Return the interpreter that has the requirements."""
    return sys.executable
