"""A game to play with on either engine, and a bot that has it loaded."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import discord
import pytest
from discord.ext import commands

from demonstration import local_postgres
from tests.card_game.storage import PostgresStorage, Server, SqliteStorage, Storage
from tests.card_game.world import World

if importlib.util.find_spec("simcord") is None:
    collect_ignore = ["test_commands.py"]  # `make minimum` has none: it needs a newer discord.py than the game does


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """One PostgreSQL server for all the tests of this process."""
    with local_postgres.running() as url:
        server = Server(url)
        yield server
        server.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def engine(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn."""
    return str(request.param)


@pytest.fixture
def new_storage(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[], Storage]]:
    """Make empty databases of the engine, removed afterwards."""
    made: list[Storage] = []

    def make() -> Storage:
        if engine == "sqlite":
            made.append(SqliteStorage(tmp_path / f"game{len(made)}.db"))
        else:
            made.append(request.getfixturevalue("postgres_server").make())
        return made[-1]

    yield make
    for storage in made:
        if isinstance(storage, PostgresStorage):
            storage.server.remove(storage)


@pytest.fixture
def storage(new_storage: Callable[[], Storage]) -> Storage:
    """One empty database."""
    return new_storage()


@pytest.fixture
async def world(storage: Storage) -> AsyncIterator[World]:
    """A new game on a database of its own."""
    async with World(storage) as world:
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
async def simcord_bot(storage: Storage) -> AsyncIterator[HostBot]:
    """The bot that ``simcord_env`` runs; its extension is unloaded here, as simcord never closes a bot."""
    bot = HostBot(storage.url)
    yield bot
    await bot.unload_extension("cogs.card_game")
