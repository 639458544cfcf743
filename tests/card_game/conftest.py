"""A game to play with, and a bot that has it loaded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import discord
import pytest
from discord.ext import commands

from tests.card_game.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A new game on a file of its own."""
    async with World(tmp_path / "game.db") as world:
        yield world


class HostBot(commands.Bot):
    """A bot as a host writes it: one extension, commands synced at start."""

    def __init__(self, database_url: str) -> None:
        super().__init__(command_prefix="!", intents=discord.Intents.default(), help_command=None)
        self.database_url = database_url

    async def setup_hook(self) -> None:
        await self.load_extension("cogs.card_game")
        await self.tree.sync()


@pytest.fixture
async def simcord_bot(tmp_path: Path) -> AsyncIterator[HostBot]:
    """The bot that ``simcord_env`` runs; its extension is unloaded here, as simcord never closes a bot."""
    bot = HostBot(f"sqlite:///{tmp_path}/game.db")
    yield bot
    await bot.unload_extension("cogs.card_game")
