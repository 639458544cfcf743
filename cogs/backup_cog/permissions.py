"""Who may do what: one check for every command, click, modal and suggestion.

The database belongs to the bot's owner, and "administrator" means any guild's administrator. So managing takes an
owner, or an administrator of one of the configured guilds, who asks there; restoring takes an owner.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

import discord
from discord import app_commands
from discord.ext import commands

__all__ = ["Access", "Bot", "Interaction", "NotAllowed"]

Bot: TypeAlias = commands.Bot | commands.AutoShardedBot
Interaction: TypeAlias = discord.Interaction[Bot]


class NotAllowed(app_commands.CheckFailure):
    """Somebody may not do this; the text is the short answer they get."""


class Access:
    """The check, for one bot and its configured guilds."""

    def __init__(self, bot: Bot, admin_guild_ids: Collection[int]) -> None:
        """Take the bot, whose ``is_owner`` knows its owners and teams, and the guilds whose administrators count."""
        self._bot = bot
        self._admin_guild_ids = frozenset(admin_guild_ids)

    async def is_owner(self, user: discord.User | discord.Member) -> bool:
        """Whether somebody owns the bot; asks Discord the first time."""
        return await self._bot.is_owner(user)

    async def may_manage(self, interaction: Interaction) -> bool:
        """Whether somebody may look at snapshots and take them."""
        # These permissions come from Discord with the interaction, not from a cache that could be stale.
        here = interaction.guild_id in self._admin_guild_ids and interaction.permissions.administrator
        return here or await self.is_owner(interaction.user)

    async def require_manager(self, interaction: Interaction) -> None:
        """Raise NotAllowed for whoever may not look at snapshots and take them."""
        if not await self.may_manage(interaction):
            raise NotAllowed("Backups are for the bot's owner and the administrators of the owner's guilds.")

    async def require_owner(self, interaction: Interaction) -> None:
        """Raise NotAllowed for everybody but the bot's owner."""
        if not await self.is_owner(interaction.user):
            raise NotAllowed("Only the bot's owner restores a snapshot.")
