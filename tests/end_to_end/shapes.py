"""A host's program that is started in its own folder and plays bots of several shapes, one after the other.

Each shape loads Savepoint and the host's game in its own way, commits and dispatches an event. The last line is a JSON
object: what was loaded, what failed to load, and the reasons of the snapshot that covers the event.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import discord
from discord.ext import commands

SAVEPOINT, GAME = "cogs.backup_cog", "cogs.game"
FAILED: list[str] = []
"""The extensions that a loader tried and could not load, with the errors' names."""


async def played(bot: commands.Bot, card: int) -> dict[str, Any]:
    """Commit and dispatch an event; return what there is to see when it is covered."""
    cog: Any = bot.get_cog("BackupCog")
    economy = sqlite3.connect("data/game.db")
    economy.execute("INSERT INTO players (name) VALUES ('Ada')")
    economy.commit()
    economy.close()
    bot.dispatch("marketplace_sold", card_id=card)
    await asyncio.sleep(0)
    await cog.service.settled()
    failed = FAILED[:]
    FAILED.clear()
    return {
        "cogs": sorted(bot.cogs),
        "extensions": sorted(bot.extensions),
        "failed": failed,
        "reasons": list(cog.service.known[0].reasons),
    }


def bot_of(kind: type[commands.Bot], **options: Any) -> Any:
    """Make a bot without intents."""
    return kind(command_prefix="!", intents=discord.Intents.none(), help_command=None, **options)


class Listed(commands.Bot):
    """Loads a list of names, which stands in its settings, in its setup hook."""

    async def setup_hook(self) -> None:
        for name in (SAVEPOINT, GAME):
            await self.load_extension(name)


class Sharded(commands.AutoShardedBot):
    """The same with shards."""

    setup_hook = Listed.setup_hook


class EveryFile(commands.Bot):
    """Loads every file below its folder, and logs those that are no extensions."""

    async def setup_hook(self) -> None:
        for path in sorted(Path("cogs").rglob("*.py")):
            name = ".".join(path.with_suffix("").parts)
            try:
                await self.load_extension(name)
            except commands.ExtensionError as error:
                FAILED.append(f"{name}: {type(error).__name__}")


class OnReady(commands.Bot):
    """Loads its cogs when it is ready, and nothing if there is a cog already."""

    async def on_ready(self) -> None:
        if self.cogs:
            return
        for name in (SAVEPOINT, GAME):
            await self.load_extension(name)


class Plain(Listed):
    """Is started by ``bot.run()``, with a Discord that says nothing."""

    answer: dict[str, Any]

    async def login(self, token: str) -> None:
        await self._async_setup_hook()
        await self.setup_hook()

    async def connect(self, *, reconnect: bool = True) -> None:
        self.answer = await played(self, 5)


def documented_loader() -> type[commands.Bot]:
    """Return a bot that loads what the loader of docs/hosts.md finds, taken out of the page."""
    blocks: list[str] = re.findall(r"```python\n(.*?)```", Path(os.environ["PAGE"]).read_text(), flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(next(block for block in blocks if "rglob" in block), names)
    found: Callable[[Path], list[str]] = names["extensions"]

    class ByFolder(commands.Bot):
        async def setup_hook(self) -> None:
            for name in sorted(found(Path("cogs"))):
                await self.load_extension(name)

    return ByFolder


async def hooked(kind: Any, card: int, **options: Any) -> dict[str, Any]:
    """Play a bot that loads its extensions before it is connected."""
    async with bot_of(kind, **options) as bot:
        await bot.setup_hook()
        return await played(bot, card)


async def readied() -> dict[str, Any]:
    """Play a bot that loads them when it is ready, which Discord says more than once."""
    async with bot_of(OnReady) as bot:
        await bot.on_ready()
        await bot.on_ready()
        return await played(bot, 4)


def ran() -> dict[str, Any]:
    """Play a bot by ``run``, which sets up the library's logging."""
    bot = bot_of(Plain)
    bot.run("a token")
    answer: dict[str, Any] = bot.answer
    return answer


def main() -> None:
    """Play every shape."""
    answers = {
        "setup hook with a list": asyncio.run(hooked(Listed, 1)),
        "AutoShardedBot": asyncio.run(hooked(Sharded, 2, shard_count=2)),
        "loader of docs/hosts.md": asyncio.run(hooked(documented_loader(), 3)),
        "guard in on_ready": asyncio.run(readied()),
        "loader of every file": asyncio.run(hooked(EveryFile, 6)),
        "plain bot.run": ran(),
    }
    sys.stdout.write(json.dumps(answers) + "\n")


if __name__ == "__main__":
    main()
