"""Who may do what, whatever Discord's clients show them."""

from __future__ import annotations

import discord
import pytest
from simcord.actors import MemberActor

from core.snapshots import Kind
from tests.backup_cog.stage import HOME, Stage, said
from tests.worlds.waiting import PATIENCE

AT_HOME = {"DISCORD_ADMIN_GUILD_IDS": f"[{HOME}]"}
MANAGING = ("backup now", "backup list", "backup verify", "backup status", "db integrity")

pytestmark = [pytest.mark.process, pytest.mark.simcord(settle_timeout=PATIENCE)]
home = pytest.mark.parametrize("variables", [AT_HOME], ids=["home"])


async def allow(stage: Stage, person: MemberActor) -> None:
    """Show somebody the commands by a server's own settings, which outrank the default permissions."""
    for guild in (None, discord.Object(HOME)):
        for command in await stage.bot.tree.fetch_commands(guild=guild):
            person.guild.set_command_permissions(command, {person: True})


async def refused(stage: Stage, person: MemberActor, command: str, **options: str) -> None:
    """Assert that a command is refused in a short answer, and nothing was done."""
    known = stage.cog.service.known
    text = said(await stage.slash(person, command, **options))
    assert text.strip().startswith("Not allowed")
    assert len(text) < 150
    assert set(stage.errors()) == {"NotAllowed"}
    assert stage.cog.service.known == known


@home
async def test_administrators_of_the_configured_guild_manage(stage: Stage) -> None:
    """Everything but restoring."""
    for command in MANAGING:
        assert "Not allowed" not in said(await stage.slash(stage.admin, command))
    assert stage.errors() == []


@home
async def test_a_player_is_refused_even_where_the_server_shows_the_command(stage: Stage) -> None:
    """What a client shows is a hint; the check is in the code."""
    await allow(stage, stage.player)
    for command in MANAGING:
        await refused(stage, stage.player, command)


async def test_without_configured_guilds_only_the_owner_manages(stage: Stage) -> None:
    """An administrator is any guild's: of this one as of the one where a stranger is."""
    for command in MANAGING:
        for person in (stage.admin, stage.stranger):
            await refused(stage, person, command)
        assert "Not allowed" not in said(await stage.slash(stage.owner, command))


@home
async def test_the_commands_are_not_registered_anywhere_else(stage: Stage) -> None:
    """With configured guilds, strangers' guilds do not even have them."""
    assert stage.stranger.available_commands(stage.square) == ()
    assert "backup now" in stage.admin.available_commands(stage.office)
    assert stage.player.available_commands(stage.office) == ()


async def test_the_owner_manages_by_direct_message(stage: Stage) -> None:
    """Where no guild is configured, and where the owner is no administrator of any."""
    result = await stage.owner.user.slash("backup now")
    assert "Snapshot taken" in said(result)


@home
async def test_only_the_owner_restores(stage: Stage) -> None:
    """An administrator sees neither a preview nor a button."""
    await stage.cog.service.create(Kind.MANUAL)
    await refused(stage, stage.admin, "backup restore", snapshot="latest")
    assert "Restore this snapshot?" in said(await stage.slash(stage.owner, "backup restore", snapshot="latest"))


async def test_suggestions_are_for_managers_only(stage: Stage) -> None:
    """Ids, times and reasons are not for strangers."""
    await stage.cog.service.create(Kind.MANUAL)
    options = {"backup verify": "snapshot", "backup restore": "snapshot", "backup show": "snapshot"}
    options |= {"backup look": "at", "backup rescue": "from", "backup timezone": "zone"}
    for command, option in options.items():
        assert await stage.stranger.autocomplete(stage.square, command, option, "") == []
        assert len(await stage.owner.autocomplete(stage.office, command, option, "")) >= 1


@home
async def test_an_administrator_counts_in_the_configured_guild_only(stage: Stage) -> None:
    """The same person elsewhere is a stranger; a global command of an earlier start could still be there."""
    elsewhere = stage.abroad.add_member(
        stage.admin.user, roles=[stage.abroad.create_role("boss", permissions=discord.Permissions(administrator=True))]
    )
    for group in (stage.cog.backup, stage.cog.database):
        stage.bot.tree.add_command(group, guild=None)
    await stage.bot.tree.sync()
    try:
        await refused(stage, elsewhere, "backup list")
    finally:
        for group in (stage.cog.backup, stage.cog.database):
            stage.bot.tree.remove_command(group.name, guild=None)


async def test_a_failing_owner_check_refuses(stage: Stage) -> None:
    """Discord cannot say who owns the bot: nothing is done, and the person gets an answer."""
    stage.bot.owner_ids = set()
    stage.env.inject_error("GET", "/oauth2/applications/@me")
    text = said(await stage.slash(stage.owner, "backup now"))
    assert "Discord did not answer the bot" in text
    assert stage.cog.service.known == ()
    assert stage.errors() != []
    assert await stage.owner.autocomplete(stage.office, "backup verify", "snapshot", "") == []
