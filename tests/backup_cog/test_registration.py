"""Getting from a fresh bot to working slash commands, by mention alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from simcord.backend.errors import SetupError

from tests.backup_cog.stage import HOME, Stage, StageBot, said
from tests.backup_cog.world import EXTENSION, World
from tests.worlds.waiting import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.simcord(settle_timeout=PATIENCE)]


@pytest.fixture
async def simcord_bot(world: World, variables: dict[str, str]) -> AsyncIterator[StageBot]:
    """A bot that has never registered a command."""
    bot = StageBot(world.settings(**variables))
    bot.registers = False
    yield bot
    await bot.unload_extension(EXTENSION)


async def say(stage: Stage, text: str) -> str:
    """Mention the bot as the owner, and return its answer."""
    await stage.owner.send(stage.office, f"<@{stage.env.backend.bot_user.id}> {text}")
    return stage.messages(stage.office.id)[-1]


@pytest.mark.parametrize("variables", [{"DISCORD_ADMIN_GUILD_IDS": f"[{HOME}]"}, {}], ids=["home", "everywhere"])
async def test_sync_by_mention_makes_the_commands_work(stage: Stage, variables: dict[str, str]) -> None:
    """The cog registers nothing by itself, says so, and does it when its owner asks."""
    with pytest.raises(SetupError, match="never synced"):
        await stage.owner.slash(stage.office, "backup list")
    assert "**not** registered" in await say(stage, "backup status")
    answer = await say(stage, "backup sync")
    assert "registered /backup, /db" in answer
    assert ("No admin guilds are set" in answer) is (not variables)
    assert "**not** registered" not in await say(stage, "backup status")
    assert "There is none yet. `/backup now` takes the first one." in said(
        await stage.slash(stage.owner, "backup list")
    )
    assert (stage.stranger.available_commands(stage.square) == ()) is bool(variables)


@pytest.mark.parametrize("variables", [{"DISCORD_ADMIN_GUILD_IDS": "[777777777777777777]"}], ids=["not there"])
async def test_a_guild_that_refuses_is_named(stage: Stage) -> None:
    """The bot is not in it, or was invited without slash commands: the owner reads which guild and why."""
    stage.env.inject_error("PUT", "/applications/*/guilds/*/commands", status=403, code=50001, message="Missing Access")
    assert "Guild 777777777777777777: not registered" in await say(stage, "backup sync")
