"""A small game database, settings for it, and a host bot, as the cog's tests use them; everything on a real disk."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import discord
from discord.ext import commands

from cogs.backup_cog.cog import BackupCog
from cogs.backup_cog.notices.alerts import Alerts
from core.snapshots import Kind, Settings, Snapshot, SnapshotService, load
from tests.worlds.waiting import PATIENCE

OWNER_ID = 4242
NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
EXTENSION = "cogs.backup_cog"

_SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE cards (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE creator_packs (id INTEGER PRIMARY KEY, cards_data TEXT);
CREATE TABLE user_cards (user_id INTEGER REFERENCES users(id), card_id INTEGER REFERENCES cards(id));
INSERT INTO users VALUES (1, 'alice'), (2, 'bob');
INSERT INTO cards VALUES (1, 'ace'), (2, 'king'), (3, 'queen');
INSERT INTO creator_packs VALUES (1, '["ace"]');
INSERT INTO user_cards VALUES (1, 1), (2, 2);
"""


def make_database(path: Path) -> None:
    """Make the game's database with a few rows."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_SCHEMA)


def settings_in(folder: Path, **variables: str) -> Settings:
    """Return settings for ``game.db`` and ``backups`` in a folder; variables are names without BACKUP_."""
    environment = {
        "DATABASE_URL": f"sqlite:///{folder}/game.db",
        "BACKUP_REPOSITORY_PATH": str(folder / "backups"),
        "BACKUP_REPOSITORY_MIN_FREE": "1 MiB",
        "BACKUP_SCHEDULE_CRITICAL_SPACING": "0s",
        "BACKUP_DISCORD_HANDLE_SIGTERM": "false",
    }
    return load(None, environment | {f"BACKUP_{name}": value for name, value in variables.items()})


class HostBot(commands.Bot):
    """A bot as a host writes it, with the settings of its backups as an attribute."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        intents = discord.Intents.default()
        intents.members = True
        super().__init__(command_prefix="!", intents=intents, help_command=None, owner_ids={OWNER_ID}, **options)
        self.backup_settings = settings


class World:
    """A folder with a game in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "game.db"
        self.repository = folder / "backups"
        make_database(self.database)

    def settings(self, **variables: str) -> Settings:
        """Return settings for this folder."""
        return settings_in(self.folder, **variables)

    def bot(self, **variables: str) -> HostBot:
        """Make a bot that never logs in."""
        return HostBot(self.settings(**variables))

    def write(self, sql: str) -> None:
        """Commit something, as the game would."""
        with closing(sqlite3.connect(self.database)) as connection:
            connection.execute(sql)
            connection.commit()

    def read(self, sql: str) -> list[Any]:
        """Return the rows of a query, by a connection of its own."""
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(sql).fetchall()

    def add_user(self, number: int) -> None:
        """Commit one more user."""
        self.write(f"INSERT INTO users VALUES ({number}, 'user {number}')")

    def names(self) -> list[str]:
        """Return the users' names, by a connection of its own."""
        return [name for (name,) in self.read("SELECT name FROM users ORDER BY id")]

    def files(self, folder: str) -> list[str]:
        """Return the names of the snapshot files in a folder of the repository."""
        found = self.repository / folder
        return sorted(path.name for path in found.iterdir()) if found.exists() else []


class Clock:
    """A clock that stands still until somebody moves it: UTC for people, seconds for intervals."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> dt.datetime:
        """Return the moment."""
        return NOON + dt.timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Return the seconds."""
        return self.seconds

    def advance(self, **amount: float) -> None:
        """Move on."""
        self.seconds += dt.timedelta(**amount).total_seconds()


def alerts_to(
    post: Callable[..., None], clock: Clock, *, stale_after: float, known: tuple[Snapshot, ...] = (), **options: Any
) -> Alerts:
    """Make alerts that keep nothing on disk; an option is an argument of theirs."""
    options.setdefault("store", lambda _, then=None: then and then(None))
    return Alerts(post, stale_after=stale_after, monotonic=clock.monotonic, now=clock, known=lambda: known, **options)


async def add_cog(bot: HostBot, clock: Clock) -> BackupCog:
    """Add the cog as the extension does, with a clock of the test's own."""
    service = SnapshotService(bot.backup_settings, clock=clock, monotonic=clock.monotonic)
    cog = present_class()(bot, service, monotonic=clock.monotonic)
    await bot.add_cog(cog)
    return cog


def present_class() -> type[BackupCog]:
    """Return the cog's class as it is imported now: whoever unloads the extension removes its modules, and what was
    imported before does not find what it refers to.
    """
    found: type[BackupCog] = importlib.import_module(BackupCog.__module__).BackupCog
    return found


def listener_of(bot: commands.Bot, event: str) -> list[Any]:
    """Collect what an event of ours carries."""
    heard: list[Any] = []

    async def hear(payload: Any) -> None:
        heard.append(payload)

    bot.add_listener(hear, f"on_{event}")
    return heard


def cog_of(bot: commands.Bot) -> Any:
    """Return the loaded cog; as Any, because a reload makes its classes anew."""
    cog = bot.get_cog("BackupCog")
    assert cog is not None
    return cog


async def covered(bot: commands.Bot) -> None:
    """Wait until a snapshot covers every event that was dispatched up to now."""
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        await cog_of(bot).service.settled()


def of_kind(bot: commands.Bot, kind: Kind) -> list[Snapshot]:
    """Return the known snapshots of a kind, newest first."""
    return [snapshot for snapshot in cog_of(bot).service.known if snapshot.kind is kind]


def text_of(embed: discord.Embed) -> str:
    """Return all text of an embed."""
    parts = [embed.title or "", embed.description or "", embed.footer.text or ""]
    parts += [f"{field.name}: {field.value}" for field in embed.fields]
    return "\n".join(parts)
