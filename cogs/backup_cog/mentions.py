"""Two commands for the owner that work by mention, before any slash command is registered.

``@bot backup sync`` registers the slash commands, ``@bot backup status`` answers in text. Discord sends the content of
messages that mention the bot without the message content intent. This is a listener and not prefix commands, because
the host's prefix can be anything, and the host may have a ``backup`` command. The word is the setting
``discord.backup_group``, so that a host can rename ours. Only the owner gets an answer.

A host whose prefix is its mention would look for a command of that name too, and log that there is none. So
``process_commands`` of this one bot is wrapped, and leaves these messages out.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import discord

from .formatting import TEXT_LIMIT, clip, listing, plain
from .permissions import Bot, Permissions
from .responses import QUIET

__all__ = ["MentionCommands"]

log = logging.getLogger(__name__)


class MentionCommands:
    """The commands in messages that begin with the bot's mention and ``word``.

    ``guild_ids`` are the guilds of the slash commands (empty: global ones). ``status`` makes the status text, which
    ends with the given lines.
    """

    def __init__(
        self,
        bot: Bot,
        permissions: Permissions,
        word: str,
        guild_ids: Sequence[int],
        status: Callable[[Sequence[str]], Awaitable[str]],
    ) -> None:
        self._bot = bot
        self._permissions = permissions
        self._word = word
        self._guild_ids = tuple(guild_ids)
        self._status = status
        self._original: Callable[[discord.Message], Coroutine[Any, Any, None]] | None = None
        self._was_on_instance = False

    def install(self) -> None:
        """Wrap the bot's ``process_commands``."""
        self._was_on_instance = "process_commands" in vars(self._bot)
        self._original = self._bot.process_commands
        self._bot.process_commands = self._process_commands  # type: ignore[method-assign]

    def remove(self) -> None:
        """Put the original back, unless somebody has wrapped ours since: then ours stays and passes calls on."""
        if self._original is None or vars(self._bot).get("process_commands") != self._process_commands:
            return
        if self._was_on_instance:
            self._bot.process_commands = self._original  # type: ignore[method-assign]
        else:
            del self._bot.process_commands

    async def _process_commands(self, message: discord.Message, /) -> None:
        assert self._original is not None
        if self._command(message) is None or self._bot.get_command(self._word) is not None:
            await self._original(message)

    async def handle(self, message: discord.Message) -> None:
        """Run the owner's command in a mention of the bot; ignore anything else."""
        command = self._command(message)
        if command is None:
            return
        try:
            if not await self._permissions.is_owner(message.author):
                log.info("%s is not the bot's owner; %r is not answered", message.author.id, command)
                return
            await self._reply(message, await self._register() if command == "sync" else await self._state())
        except discord.HTTPException as error:
            log.warning("@bot %s %s could not be answered: %s", self._word, command, error)

    def concerns(self, value: object) -> bool:
        """Return True for a message with one of these commands, whoever wrote it."""
        return isinstance(value, discord.Message) and self._command(value) is not None

    def _command(self, message: discord.Message) -> str | None:
        user = self._bot.user
        if user is None or message.author.bot:
            return None
        first, *words = message.content.split() or [""]
        if first not in (f"<@{user.id}>", f"<@!{user.id}>") or len(words) != 2 or words[0].lower() != self._word:
            return None
        command = words[1].lower()
        return command if command in ("sync", "status") else None

    async def _reply(self, message: discord.Message, text: str) -> None:
        await message.channel.send(
            clip(text, TEXT_LIMIT), reference=message, mention_author=False, allowed_mentions=QUIET
        )

    async def _register(self) -> str:
        if not self._guild_ids:
            return f"No admin guilds are set, so these are all of the bot's global commands. {await self._sync(None)}"
        return listing([await self._sync(guild_id) for guild_id in self._guild_ids], TEXT_LIMIT)

    async def _sync(self, guild_id: int | None) -> str:
        guild = discord.Object(guild_id) if guild_id is not None else None
        where = f"Guild {guild_id}" if guild_id is not None else "Everywhere"
        try:
            registered = await self._bot.tree.sync(guild=guild)
        except discord.DiscordException as error:
            log.warning("The slash commands could not be registered (%s): %s", where, error)
            return f"{where}: not registered. {plain(str(error), 300)}"
        names = ", ".join(f"/{command.name}" for command in registered) or "none"
        return f"{where}: registered {clip(names, 500)}."

    async def _state(self) -> str:
        return await self._status([await self._registered(guild_id) for guild_id in self._guild_ids or (None,)])

    async def _registered(self, guild_id: int | None) -> str:
        """Return a sentence on whether the slash commands are registered, which only Discord knows."""
        where = f"in guild {guild_id}" if guild_id is not None else "globally"
        try:
            known = await self._bot.tree.fetch_commands(
                guild=discord.Object(guild_id) if guild_id is not None else None
            )
        except Exception as error:  # noqa: BLE001 - the status must come, whatever keeps Discord from answering this
            return f"Discord could not be asked if the slash commands are registered {where}: {plain(repr(error), 200)}"
        if any(command.name == self._word for command in known):
            return f"The slash commands are registered {where}."
        return f"The slash commands are **not** registered {where}: mention me with `{self._word} sync`."
