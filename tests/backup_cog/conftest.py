"""A folder with a game's database in it, a clock that stands still, and a simulated Discord around the cog."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.backup_cog.world import EXTENSION, Clock, World

if TYPE_CHECKING:
    from simcord.env import Env

    from tests.backup_cog.stage import Stage, StageBot

if importlib.util.find_spec("simcord") is None:
    # `make minimum` has none: simcord needs a newer discord.py than the cog does.
    collect_ignore = [
        "players",
        "restoring/test_kept_outcomes.py",
        "snapshots/test_details.py",
        "snapshots/test_list.py",
        "snapshots/test_time_zone.py",
        "test_commands.py",
        "test_controls.py",
        "test_loading.py",
        "test_mentions.py",
        "notices/test_claims.py",
        "notices/test_digest.py",
        "notices/test_notifications.py",
        "notices/test_outbox.py",
        "notices/test_standing.py",
        "test_permissions.py",
        "status/test_panel.py",
        "test_registration.py",
        "test_restore.py",
        "test_unusable.py",
    ]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A game that has never been backed up."""
    return World(tmp_path)


@pytest.fixture
def clock() -> Clock:
    """A clock that only the test moves."""
    return Clock()


@pytest.fixture
def variables() -> dict[str, str]:
    """Settings of the simulated bot, as environment variables without BACKUP_; a test parametrises others."""
    return {}


@pytest.fixture
async def simcord_bot(world: World, variables: dict[str, str]) -> AsyncIterator[StageBot]:
    """The bot that ``simcord_env`` runs; its extension is unloaded here, as simcord never closes a bot."""
    from tests.backup_cog.stage import StageBot

    bot = StageBot(world.settings(**variables))
    yield bot
    await bot.unload_extension(EXTENSION)


@pytest.fixture
async def stage(simcord_env: Env, world: World) -> Stage:
    """People and channels."""
    from tests.backup_cog.stage import Stage

    return Stage(simcord_env, world)
