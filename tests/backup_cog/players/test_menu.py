"""The entry in the menu of members, which gives way to the host's own entries."""

from __future__ import annotations

from typing import Any

import discord
import pytest
from discord import app_commands

from tests.backup_cog.stage import Stage, said
from tests.backup_cog.world import EXTENSION, World, cog_of
from tests.worlds.waiting import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.simcord(settle_timeout=PATIENCE)]
NAME = "Backup history"
KIND = discord.AppCommandType.user


async def theirs(_: discord.Interaction[Any], member: discord.Member) -> None:
    """An entry of the host."""


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ([NAME], "The bot has an entry “Backup history” of its own in the menu of members."),
        ([str(number) for number in range(5)], "The menu of members is full, so there is no “Backup history” in it."),
        (["another"], None),
    ],
)
async def test_the_hosts_entries_come_first(world: World, names: list[str], sentence: str | None) -> None:
    """The cog loads without its own where there is no room; the status says so, and an unload takes only ours away."""
    async with world.bot() as bot:
        for name in names:
            bot.tree.add_command(app_commands.ContextMenu(name=name, callback=theirs))
        await bot.load_extension(EXTENSION)
        status = await cog_of(bot)._mentions._status([])
        assert (sentence is None) == ("menu of members" not in status)
        assert sentence is None or sentence in status
        there = {command.name for command in bot.tree.get_commands(type=KIND)}
        assert there == {*names, *([] if sentence else [NAME])}
        await bot.unload_extension(EXTENSION)
        assert {command.name for command in bot.tree.get_commands(type=KIND)} == set(names)


async def test_an_entry_that_the_host_put_in_its_place_stays(world: World) -> None:
    """An unload removes what the cog added, not what has its name by then."""
    async with world.bot() as bot:
        await bot.load_extension(EXTENSION)
        entry = app_commands.ContextMenu(name=NAME, callback=theirs)
        bot.tree.add_command(entry, override=True)
        await bot.unload_extension(EXTENSION)
        assert bot.tree.get_command(NAME, type=KIND) is entry


@pytest.mark.parametrize("names", [[NAME], [str(number) for number in range(5)]])
async def test_it_goes_where_the_hosts_entries_come_later(world: World, names: list[str]) -> None:
    """Adding them works as if ours had never been there; what is wrong with the host's own still fails."""
    async with world.bot() as bot:
        await bot.load_extension(EXTENSION)
        for name in names:
            bot.tree.add_command(app_commands.ContextMenu(name=name, callback=theirs))
        assert {command.name for command in bot.tree.get_commands(type=KIND)} == set(names)
        assert "menu of members" in await cog_of(bot)._mentions._status([])
        with pytest.raises(app_commands.CommandAlreadyRegistered):
            bot.tree.add_command(app_commands.ContextMenu(name=names[0], callback=theirs))
        await bot.unload_extension(EXTENSION)
        assert {command.name for command in bot.tree.get_commands(type=KIND)} == set(names)
        assert "add_command" not in vars(bot.tree)


async def test_its_name_is_shown_in_every_language(world: World) -> None:
    """Also beside the host's translator, who knows nothing of it."""
    async with world.bot() as bot:
        await bot.load_extension(EXTENSION)
        entry: Any = bot.tree.get_command(NAME, type=KIND)
        sent = entry.to_dict(bot.tree)
        assert sent["name_localizations"] == {"de": "Backup-Verlauf"}
        assert sent["default_member_permissions"] == discord.Permissions(administrator=True).value


@pytest.mark.parametrize("variables", [{}], ids=["everywhere"])
async def test_it_shows_the_history_to_who_may_see_it(stage: Stage) -> None:
    """The same as the command, and the same refusal."""
    stage.world.add_user(stage.player.id)
    shown = await stage.owner.context_menu(stage.office, NAME, stage.player)
    assert f"+ new: id {stage.player.id}" in said(shown)
    assert shown.ephemeral
    refused = await stage.stranger.context_menu(stage.square, NAME, stage.stranger)
    assert "Not allowed" in said(refused)
    assert refused.ephemeral
    assert stage.errors() == ["NotAllowed"]
