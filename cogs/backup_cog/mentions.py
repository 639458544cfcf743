"""Commands for the owner that work by mention, before any slash command is registered.

``@bot backup sync`` registers the slash commands, ``@bot backup status`` answers in text, ``@bot backup`` alone says
what there is. Discord sends the content of messages that mention the bot without the message content intent. This is a
listener and not prefix commands, because the host's prefix can be anything, and the host may have a ``backup`` command.
The word is the setting ``discord.backup_group``, so that a host can rename ours. Only the owner gets an answer.

A host whose prefix is its mention would look for a command of that name too, and log that there is none. So
``process_commands`` of this one bot is wrapped, and leaves these messages out.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import discord
from discord import app_commands

from .formatting import TEXT_LIMIT, clip, listing, plain
from .language import phrase, text
from .permissions import Bot, Permissions
from .responses import QUIET
from .wrapping import WrappedMethod

__all__ = ["MentionCommands"]

log = logging.getLogger(__name__)
_COMMANDS = ((), ("help",), ("status",), ("sync",), ("sync", "all"))
_NAMES_LIMIT = 500
_PRESENT = (
    phrase("The slash commands are registered."),
    phrase("The slash commands are registered in guild {guild}."),
)
_OLDER = (
    phrase("The slash commands are registered in an **older** form: mention me with `{word} sync`."),
    phrase("The slash commands are registered in an **older** form in guild {guild}: mention me with `{word} sync`."),
)
_ABSENT = (
    phrase("The slash commands are **not** registered: mention me with `{word} sync`."),
    phrase("The slash commands are **not** registered in guild {guild}: mention me with `{word} sync`."),
)
"""What Discord knows of the slash commands, everywhere and in one guild."""
_MENUS = (discord.AppCommandType.user, discord.AppCommandType.message)


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
        self._wrapped = WrappedMethod(bot, "process_commands", self._process_commands)

    def install(self) -> None:
        """Wrap the bot's ``process_commands``."""
        self._wrapped.install()

    def remove(self) -> None:
        """Put the original back; see ``WrappedMethod.remove``."""
        self._wrapped.remove()

    async def _process_commands(self, message: discord.Message, /) -> None:
        if self._command(message) is None or self._bot.get_command(self._word) is not None:
            await self._wrapped.original(message)

    async def handle(self, message: discord.Message) -> None:
        """Run the owner's command in a mention of the bot; ignore anything else."""
        command = self._command(message)
        if command is None:
            return
        try:
            if not await self._permissions.is_owner(message.author):
                log.info("%s is not the bot's owner; %s is not answered", message.author.id, command)
                return
            await self._reply(message, await self._answer(command))
        except discord.HTTPException as error:
            log.warning("@bot %s %s could not be answered: %s", self._word, " ".join(command), error)

    def concerns(self, value: object) -> bool:
        """Return True for a message with one of these commands, whoever wrote it."""
        return isinstance(value, discord.Message) and self._command(value) is not None

    def _command(self, message: discord.Message) -> tuple[str, ...] | None:
        user = self._bot.user
        if user is None or message.author.bot:
            return None
        first, *words = message.content.split() or [""]
        if first not in (f"<@{user.id}>", f"<@!{user.id}>") or not words or words[0].lower() != self._word:
            return None
        command = tuple(each.lower() for each in words[1:])
        return command if command in _COMMANDS else None

    async def _answer(self, command: tuple[str, ...]) -> str:
        if command == ("status",):
            return await self._status([await self._registered(guild_id) for guild_id in self._guild_ids or (None,)])
        if "sync" in command:
            return await self._register(everything="all" in command)
        return self._help()

    async def _reply(self, message: discord.Message, answer: str) -> None:
        await message.channel.send(
            clip(answer, TEXT_LIMIT), reference=message, mention_author=False, allowed_mentions=QUIET
        )

    def _help(self) -> str:
        assert self._bot.user is not None
        names = {"mention": f"@{self._bot.user.name.replace('`', '')} {self._word}", "group": self._word}
        lines = [
            text("You own this bot, so you can:"),
            text("`{mention} status`: read how the backups stand, even before any slash command is there.", **names),
            text("`{mention} sync`: register the slash commands of the backups.", **names),
            text("`{mention} sync all`: register all slash commands of this bot, the game's too.", **names),
            text("`/{group} status`: open the panel, with buttons to take, check and restore snapshots.", **names),
        ]
        return "\n- ".join(lines)

    async def _register(self, *, everything: bool) -> str:
        """Register the commands of the backups, or of everything; Discord takes those of one place only together."""
        ours: tuple[int | None, ...] = self._guild_ids or (None,)
        others = [place for place in (None, *(guild.id for guild in self._bot.guilds)) if place not in ours]
        left = [place for place in others if self._bot.tree.get_commands(guild=_guild(place))]
        lines = [await self._sync(place) for place in (*ours, *(left if everything else ()))]
        if not self._guild_ids:
            lines.insert(0, text("No admin guilds are set, so these are all of the bot's global commands."))
        if left and not everything:
            names = {_shown(command) for place in left for command in self._bot.tree.get_commands(guild=_guild(place))}
            lines.append(
                text(
                    "Left as they are: {commands}. `{word} sync all` registers them too.",
                    commands=clip(", ".join(sorted(names)), _NAMES_LIMIT),
                    word=self._word,
                )
            )
        return listing(lines, TEXT_LIMIT)

    async def _sync(self, place: int | None) -> str:
        try:
            registered = await self._bot.tree.sync(guild=_guild(place))
        except discord.DiscordException as error:
            log.warning("The slash commands could not be registered (%s): %s", place or "globally", error)
            why = plain(str(error), 300)
            if place is None:
                return text("Everywhere: not registered. {why}", why=why)
            return text("Guild {guild}: not registered. {why}", guild=place, why=why)
        names = clip(", ".join(_shown(command) for command in registered), _NAMES_LIMIT) or text("none")
        if place is None:
            return text("Everywhere: registered {commands}.", commands=names)
        return text("Guild {guild}: registered {commands}.", guild=place, commands=names)

    async def _registered(self, place: int | None) -> str:
        """Return a sentence on whether the slash commands are registered, which only Discord knows."""
        try:
            known = await self._bot.tree.fetch_commands(guild=_guild(place))
        except Exception as error:  # noqa: BLE001 - the status must come, whatever keeps Discord from answering this
            return text(
                "Discord could not be asked if the slash commands are registered: {why}", why=plain(repr(error), 200)
            )
        found = next((command for command in known if command.name == self._word), None)
        ours = self._bot.tree.get_command(self._word, guild=_guild(place))
        wanted = {command.name for command in ours.commands} if isinstance(ours, app_commands.Group) else set()
        state = _ABSENT if found is None else _PRESENT if {each.name for each in found.options} == wanted else _OLDER
        return text(state[0] if place is None else state[1], guild=place, word=self._word)


def _guild(place: int | None) -> discord.Object | None:
    return None if place is None else discord.Object(place)


def _shown(command: Any) -> str:
    """Return a command's name as people type it; one of a menu has no slash."""
    menu = isinstance(command, app_commands.ContextMenu) or getattr(command, "type", None) in _MENUS
    return plain(command.name) if menu else f"/{command.name}"
