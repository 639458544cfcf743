"""Who may do what: one check for every command, click, modal and suggestion.

Anybody can be the administrator of some guild, but the database belongs to the bot's owner. So managing backups is for
owners and for administrators of the configured guilds, inside these; restoring is for owners.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

import discord
from discord import app_commands
from discord.ext import commands

__all__ = ["Bot", "Interaction", "NotAllowed", "Permissions"]

Bot: TypeAlias = commands.Bot | commands.AutoShardedBot
Interaction: TypeAlias = discord.Interaction[Bot]


class NotAllowed(app_commands.CheckFailure):
    """A person may not do this; the text is the short answer they get."""


class Permissions:
    """The check, for one bot and its configured guilds."""

    def __init__(self, bot: Bot, admin_guild_ids: Collection[int]) -> None:
        self._bot = bot
        self._admin_guild_ids = frozenset(admin_guild_ids)

    async def is_owner(self, user: discord.User | discord.Member) -> bool:
        """Return True if the user owns the bot or belongs to its team; asks Discord the first time."""
        return await self._bot.is_owner(user)

    async def may_manage(self, interaction: Interaction) -> bool:
        """Return True if the user may look at snapshots and take them."""
        # Discord sends these permissions with the interaction; a cache could be stale.
        here = interaction.guild_id in self._admin_guild_ids and interaction.permissions.administrator
        return here or await self.is_owner(interaction.user)

    async def require_manager(self, interaction: Interaction) -> None:
        """Raise NotAllowed unless the user may look at snapshots and take them."""
        if not await self.may_manage(interaction):
            raise NotAllowed("Backups are for the bot's owner and the administrators of the owner's guilds.")

    async def require_owner(self, interaction: Interaction) -> None:
        """Raise NotAllowed unless the user owns the bot."""
        if not await self.is_owner(interaction.user):
            raise NotAllowed("Only the bot's owner restores a snapshot.")
