"""The owner's commands by mention, which work before any slash command is registered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import discord
import pytest
from discord.ext import commands
from discord.ext import test as dpytest

from tests.backup_cog.stage import on_stage
from tests.backup_cog.world import EXTENSION, HostBot, World, cog_of, covered

pytestmark = pytest.mark.process


@pytest.fixture
async def bot(world: World) -> AsyncIterator[HostBot]:
    """A bot on stage; no message content intent, no mention among its prefixes."""
    async with on_stage(world.bot()) as bot:
        yield bot


def mention(bot: HostBot) -> str:
    """Return what a person types to mention the bot."""
    assert bot.user is not None
    return f"<@{bot.user.id}>"


def answers() -> list[str]:
    """Return the bot's messages, oldest first."""
    return [dpytest.get_message().content for _ in range(dpytest.sent_queue.qsize())]


async def test_status_answers_in_text(bot: HostBot, world: World) -> None:
    """Counts, what never fired, and whether the slash commands are registered; nothing about paths."""
    bot.dispatch("marketplace_sold", card_id=1)
    await covered(bot)
    await dpytest.message(f"{mention(bot)} backup status")
    (answer,) = answers()
    assert answer.startswith("The database is sound.\n1 snapshot (")
    assert "Never fired: pack\\_opened, marketplace\\_listed" in answer
    assert "marketplace\\_sold" not in answer
    assert "could not be asked" in answer
    assert str(world.folder) not in answer


async def test_the_other_spelling_of_a_mention_and_case_do_not_matter(bot: HostBot) -> None:
    """Older clients write ``<@!id>``; people write as they like."""
    await dpytest.message(f"{mention(bot).replace('@', '@!')}  BACKUP  Status")
    assert len(answers()) == 1


async def test_nobody_else_is_answered(bot: HostBot) -> None:
    """A player who finds out learns nothing, not even that it is there."""
    await dpytest.message(f"{mention(bot)} backup status", member=1)
    await dpytest.message(f"{mention(bot)} backup sync", member=1)
    await dpytest.message(f"{mention(bot)} backup", member=1)
    assert answers() == []


@pytest.mark.parametrize("word", ["", "help"])
async def test_the_owner_is_told_the_four_things_he_can_do(bot: HostBot, word: str) -> None:
    """Who has read nothing finds the way from a mention to the panel."""
    await dpytest.message(f"{mention(bot)} backup {word}")
    (answer,) = answers()
    assert [line.split("`")[1] for line in answer.splitlines()[1:]] == [
        "@FakeApp backup status",
        "@FakeApp backup sync",
        "@FakeApp backup sync all",
        "/backup status",
    ]


@pytest.mark.parametrize(
    "text",
    ["{0}", "{0} backup now", "{0} backup sync al", "{0} status", "backup status", "hey {0} backup", "", "!x"],
)
async def test_other_messages_are_the_hosts(bot: HostBot, text: str) -> None:
    """Only our commands, and only right after the mention."""

    @bot.command(name="x")
    async def hosts_own(context: commands.Context[HostBot]) -> None:
        await context.send("the host's")

    await dpytest.message(text.format(mention(bot)))
    assert answers() == (["the host's"] if text == "!x" else [])


async def test_the_word_is_the_name_of_the_group(world: World) -> None:
    """A host that has ``@bot backup status`` itself gets ours out of the way by one setting."""
    async with on_stage(world.bot(DISCORD_BACKUP_GROUP="savepoint")) as bot:
        await dpytest.message(f"{mention(bot)} backup status")
        assert answers() == []
        await dpytest.message(f"{mention(bot)} savepoint status")
        assert len(answers()) == 1


async def test_sync_registers_nothing_it_was_not_asked_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each admin guild once, and never the global commands; one that fails does not keep the others from it."""
    synced: list[int | None] = []
    async with on_stage(world.bot(DISCORD_ADMIN_GUILD_IDS="[11, 12, 13]")) as bot:

        async def sync(*, guild: discord.abc.Snowflake | None = None) -> list[discord.app_commands.Group]:
            synced.append(guild.id if guild else None)
            if guild is not None and guild.id == 12:
                raise discord.ClientException("the bot is not in it")
            return [cog_of(bot).backup, cog_of(bot).database] if guild is not None else []

        monkeypatch.setattr(bot.tree, "sync", sync)
        assert synced == []
        await dpytest.message(f"{mention(bot)} backup sync")
        assert synced == [11, 12, 13]
        assert answers() == [
            "Guild 11: registered /backup, /db.\n"
            "Guild 12: not registered. the bot is not in it\n"
            "Guild 13: registered /backup, /db."
        ]


@pytest.mark.parametrize(
    ("options", "says"),
    [(None, "are **not** registered: mention me"), (["now", "list"], "in an **older** form"), ([], "are registered.")],
    ids=["never", "before an update", "now"],
)
async def test_the_status_tells_commands_that_discord_knows_from_an_older_version(
    bot: HostBot, monkeypatch: pytest.MonkeyPatch, options: list[str] | None, says: str
) -> None:
    """After an update new commands are missing in the menus, and nothing else says so."""

    async def known(**_: object) -> list[Any]:
        names = options or [command.name for command in cog_of(bot).backup.commands]
        found = SimpleNamespace(name="backup", options=[SimpleNamespace(name=name) for name in names])
        return [] if options is None else [found]

    monkeypatch.setattr(bot.tree, "fetch_commands", known)
    await dpytest.message(f"{mention(bot)} backup status")
    assert says in answers()[0]


async def test_what_sync_leaves_as_it_is_is_named_and_registered_when_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host's global commands, and those of a guild that is none of the admins'."""
    synced: list[int | None] = []
    async with on_stage(world.bot(DISCORD_ADMIN_GUILD_IDS="[11]")) as bot:
        (guild,) = bot.guilds

        async def hosts_own(interaction: discord.Interaction) -> None: ...

        async def of_a_member(interaction: discord.Interaction, member: discord.Member) -> None: ...

        bot.tree.add_command(discord.app_commands.Command(name="shop", description="-", callback=hosts_own))
        bot.tree.add_command(discord.app_commands.ContextMenu(name="Cards", callback=of_a_member), guild=guild)

        async def sync(*, guild: discord.abc.Snowflake | None = None) -> list[Any]:
            synced.append(guild.id if guild else None)
            return bot.tree.get_commands(guild=guild)

        monkeypatch.setattr(bot.tree, "sync", sync)
        await dpytest.message(f"{mention(bot)} backup sync")
        assert synced == [11]
        (answer,) = answers()
        assert answer.endswith("\nLeft as they are: /shop, Cards. `backup sync all` registers them too.")
        await dpytest.message(f"{mention(bot)} backup sync all")
        assert synced == [11, 11, None, guild.id]
        (answer,) = answers()
        assert answer.endswith(f"\nEverywhere: registered /shop.\nGuild {guild.id}: registered Cards.")


async def test_a_bot_whose_prefix_is_its_mention_logs_no_unknown_command(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The message is ours and no command of the host, whose other mentions are its own business, as before."""
    host = world.bot()
    host.command_prefix = commands.when_mentioned
    async with on_stage(host) as bot:
        await dpytest.message(f"{mention(bot)} backup status")
        await dpytest.message(f"{mention(bot)} backup status", member=1)
        assert len(answers()) == 1
        assert [record for record in caplog.records if record.name.startswith("discord")] == []
        with pytest.raises(commands.CommandNotFound):
            await dpytest.message(f"{mention(bot)} hello")
        await bot.unload_extension(EXTENSION)
        assert "process_commands" not in vars(bot)
        await bot.load_extension(EXTENSION)


async def test_a_command_of_the_host_with_that_name_still_runs(world: World) -> None:
    """Both answer: the word is a setting, so the host can rename ours."""
    host = world.bot()
    host.command_prefix = commands.when_mentioned

    @host.command(name="backup")
    async def backup(ctx: commands.Context[HostBot], word: str) -> None:
        await ctx.send(f"the host's own {word}")

    async with on_stage(host) as bot:
        await dpytest.message(f"{mention(bot)} backup status")
        assert "the host's own status" in answers()
