"""A simulated Discord around the cog: an owner, an administrator here, one elsewhere, and a player."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import discord
from discord.ext import test as dpytest
from simcord.actors import MemberActor
from simcord.builders import ChannelHandle, GuildHandle
from simcord.env import Env
from simcord.results import InteractionResult, ResponseMessage

from tests.backup_cog.world import EXTENSION, HostBot, World, cog_of, text_of

DEFERRED = 5
HOME = 111_111_111_111_111_111
"""The guild whose administrators may manage backups."""


@contextlib.asynccontextmanager
async def on_stage(bot: HostBot) -> AsyncIterator[HostBot]:
    """Put a bot into dpytest's guild with two members, the first of whom owns it, and load the cog."""
    async with bot:
        dpytest.configure(bot, members=["owner", "player"])
        bot.owner_ids = {dpytest.get_config().members[0].id}
        await bot.load_extension(EXTENSION)
        yield bot
        await dpytest.empty_queue()
        # The pretended connection cannot be closed.
        bot.ws = None  # type: ignore[assignment]


class StageBot(HostBot):
    """A host that loads the cog and registers its commands at start; its owner is settled by the stage."""

    registers = True

    async def setup_hook(self) -> None:
        await self.load_extension(EXTENSION)
        if not self.registers:
            return
        await self.tree.sync()
        for guild_id in self.backup_settings.discord.admin_guild_ids:
            await self.tree.sync(guild=discord.Object(guild_id))


class Stage:
    """Two guilds and four people."""

    def __init__(self, env: Env, world: World) -> None:
        self.env = env
        self.world = world
        self.bot = cast(StageBot, env.bot)
        self.home: GuildHandle = env.create_guild("home", id=HOME)
        self.abroad: GuildHandle = env.create_guild("abroad")
        self.office: ChannelHandle = self.home.create_text_channel("office")
        self.square: ChannelHandle = self.abroad.create_text_channel("square")
        self.owner = self._member(self.home, "owner", administrator=True)
        self.admin = self._member(self.home, "admin", administrator=True)
        self.player = self._member(self.home, "player", administrator=False)
        self.stranger = self._member(self.abroad, "stranger", administrator=True)
        self.bot.owner_ids = {self.owner.id}

    def _member(self, guild: GuildHandle, name: str, *, administrator: bool) -> MemberActor:
        roles = [guild.create_role(name, permissions=discord.Permissions(administrator=True))] if administrator else []
        return guild.add_member(self.env.create_user(name), roles=roles)

    @property
    def cog(self) -> Any:
        """The loaded cog."""
        return cog_of(self.bot)

    async def slash(self, person: MemberActor, command: str, **options: Any) -> InteractionResult:
        """Run a command where the person is, and see that it defers before anything else, for their eyes only."""
        seen = len(self.env.http_requests)
        channel = self.office if person.guild.id == HOME else self.square
        result = await person.slash(channel, command, **options)
        first = self.env.http_requests[seen]
        assert isinstance(first.json, dict)
        assert (first.path.endswith("/callback"), first.json["type"]) == (True, DEFERRED)
        assert result.ephemeral
        return result

    def errors(self) -> list[str]:
        """Name what the tree and the listeners saw fail, and take note; by name, as a reload makes classes anew."""
        return [type(getattr(error, "original", error)).__name__ for error in self.env.errors]

    def dms(self, person: MemberActor) -> list[str]:
        """Return the bot's direct messages to somebody, oldest first."""
        channel_id = self.env.backend.dm_channels.get(person.id)
        return [] if channel_id is None else self.messages(channel_id)

    def last_dm(self, person: MemberActor) -> ResponseMessage:
        """Return the bot's newest direct message to somebody, whose buttons can be clicked."""
        return self._of_the_bot(self.env.backend.dm_channels[person.id])[-1]

    def messages(self, channel_id: int) -> list[str]:
        """Return the bot's messages in a channel, oldest first."""
        return [shown_in(message) for message in self._of_the_bot(channel_id)]

    def _of_the_bot(self, channel_id: int) -> list[ResponseMessage]:
        ephemeral = discord.MessageFlags.ephemeral.flag
        return [
            ResponseMessage(self.env, stored)
            for stored in self.env.backend.messages[channel_id].values()
            if stored.author_id == self.env.backend.bot_user.id and not stored.flags & ephemeral
        ]

    def nobody_is_answered(self) -> None:
        """Let no answer be edited any more, and refuse the next direct message."""
        self.env.inject_error("PATCH", "/webhooks/*", status=401, code=50027, message="Invalid token", times=None)
        self.env.inject_error("POST", "/channels/*/messages", status=403, code=50007, message="Cannot send")


def said(result: InteractionResult) -> str:
    """Return all text of an interaction's answers."""
    messages = [message for message in (result.response, *result.followups) if message is not None]
    return "\n".join(shown_in(message) for message in messages)


def shown_in(message: ResponseMessage) -> str:
    """Return all text of a message, whether it stands in embeds or in components."""
    texts = [str(each["content"]) for each in walk(message.components) if "content" in each]
    return "\n".join([message.content, *(text_of(embed) for embed in message.embeds), *texts])


def walk(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield components with everything in them."""
    for each in components:
        yield each
        yield from walk(each.get("components", []))
