"""The entry "Backup history" in the menu that a right click on a member opens; the same as ``history``.

Discord lets an app have five such entries, and the host may have one of that name: then there is none of ours, and the
log and the status say so. The host's entries can come after ours, and adding them must not fail because of it: so
``add_command`` of this one bot's tree is wrapped, and ours goes.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import discord
from discord import app_commands

from ..language import localized, localized_beside, phrase, text
from ..permissions import Bot, Interaction
from ..wrapping import WrappedMethod

__all__ = ["NAME", "MemberMenu"]

NAME = phrase("Backup history")

log = logging.getLogger(__name__)
_NO_ROOM = (app_commands.CommandAlreadyRegistered, app_commands.CommandLimitReached)


class _Entry(app_commands.ContextMenu):
    """An entry that shows its name in every language."""

    def to_dict(self, tree: app_commands.CommandTree[Any]) -> dict[str, Any]:
        """Return the entry as it is sent to Discord by a host without a translator."""
        return localized(super().to_dict(tree))

    async def get_translated_payload(
        self, tree: app_commands.CommandTree[Any], translator: app_commands.Translator
    ) -> dict[str, Any]:
        """Return the entry as it is sent to Discord by a host that has a translator."""
        asked = super().get_translated_payload(tree, translator)
        return await localized_beside(asked, lambda: self.to_dict(tree), NAME)


class MemberMenu:
    """The entry of one cog; ``guild_ids`` are the guilds that it is in (empty: all)."""

    def __init__(
        self,
        bot: Bot,
        guild_ids: Sequence[int],
        show: Callable[[Interaction, discord.User], Awaitable[None]],
        answer_error: Callable[[Interaction, BaseException], Awaitable[None]],
    ) -> None:
        self._bot = bot
        self._guilds: list[discord.Object | None] = [discord.Object(guild_id) for guild_id in guild_ids] or [None]
        self._show = show
        self._answer_error = answer_error
        self._added: list[tuple[discord.Object | None, _Entry]] = []
        self._problem: app_commands.AppCommandError | None = None
        self._wrapped = WrappedMethod(bot.tree, "add_command", self._add_command)

    def install(self) -> None:
        """Add the entry to the bot's commands, if there is room for it, and wrap ``add_command``."""
        entry = _Entry(name=NAME, callback=self._clicked)
        # A hint to Discord's clients, as for the groups. The check is in the code.
        entry.default_permissions = discord.Permissions(administrator=True)
        entry.error(self._failed)
        for guild in self._guilds:
            try:
                self._bot.tree.add_command(entry, guild=guild)
            except _NO_ROOM as error:
                self._missing(error)
            else:
                self._added.append((guild, entry))
        self._wrapped.install()

    def _add_command(self, command: Any, /, **options: Any) -> None:
        """Add a command of the host's; where it does not fit beside our entry, ours goes."""
        try:
            self._wrapped.original(command, **options)
        except _NO_ROOM as error:
            if not self._added or getattr(command, "type", None) is not discord.AppCommandType.user:
                raise
            self._take_out()
            self._missing(error)
            self._wrapped.original(command, **options)

    def _missing(self, error: app_commands.AppCommandError) -> None:
        log.warning("There is no entry %r of ours in the menu of members: %s", NAME, error)
        self._problem = error

    def remove(self) -> None:
        """Remove the entry from the bot's commands, and the wrapper; what somebody else added or wrapped stays."""
        self._take_out()
        self._wrapped.remove()

    def _take_out(self) -> None:
        kind = discord.AppCommandType.user
        for guild, entry in self._added:
            if self._bot.tree.get_command(NAME, guild=guild, type=kind) is entry:
                self._bot.tree.remove_command(NAME, guild=guild, type=kind)
        self._added.clear()

    def lines(self) -> list[str]:
        """Return a sentence for the status if there is no entry."""
        if isinstance(self._problem, app_commands.CommandAlreadyRegistered):
            return [text("The bot has an entry “{name}” of its own in the menu of members.", name=text(NAME))]
        if self._problem is not None:
            return [text("The menu of members is full, so there is no “{name}” in it.", name=text(NAME))]
        return []

    async def _clicked(self, interaction: Interaction, member: discord.User) -> None:
        await self._show(interaction, member)

    async def _failed(self, interaction: Interaction, error: app_commands.AppCommandError) -> None:
        await self._answer_error(
            interaction, error.original if isinstance(error, app_commands.CommandInvokeError) else error
        )
