"""Who may do what: one check for every command, click, modal and suggestion.

Anybody can be the administrator of some guild, but the database belongs to the bot's owner. So managing backups is for
owners and for administrators of the configured guilds, inside these; restoring is for owners.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeAlias

import discord
from discord import app_commands
from discord.ext import commands

from .core_api import Actor
from .language import phrase, text

__all__ = ["Bot", "Denials", "Interaction", "NotAllowed", "Permissions", "actor_of"]

Bot: TypeAlias = commands.Bot | commands.AutoShardedBot
Interaction: TypeAlias = discord.Interaction[Bot]


_DENIAL_SECONDS = 60.0
_MOST_DENIALS = 1000
"""How many people and commands are remembered: anybody in any guild can be denied, again and again."""


def actor_of(interaction: Interaction) -> Actor:
    """Return who began an interaction, as the journal and the audit log name them."""
    return Actor(source="discord", id=interaction.user.id, name=interaction.user.name)


class NotAllowed(app_commands.CheckFailure):
    """A person may not do this. The error itself is English, for logs; ``shown`` is the short answer they get."""

    def __init__(self, english: str) -> None:
        super().__init__(english)
        self._english = english

    def shown(self) -> str:
        """Return the answer in the language of who gets it."""
        return text(self._english)


class Permissions:
    """The check, for one bot and its configured guilds. ``owner_ids`` narrows who of the owners counts (empty: all)."""

    def __init__(self, bot: Bot, admin_guild_ids: Collection[int], owner_ids: Collection[int]) -> None:
        self._bot = bot
        self._admin_guild_ids = frozenset(admin_guild_ids)
        self._owner_ids = frozenset(owner_ids)

    async def is_owner(self, user: discord.User | discord.Member) -> bool:
        """Return True if the user counts as an owner; asks Discord if the bot does not know its owners yet."""
        return (not self._owner_ids or user.id in self._owner_ids) and await self._bot.is_owner(user)

    async def may_manage(self, interaction: Interaction) -> bool:
        """Return True if the user may look at snapshots and take them."""
        # Discord sends these permissions with the interaction; a cache could be stale.
        here = interaction.guild_id in self._admin_guild_ids and interaction.permissions.administrator
        return here or await self.is_owner(interaction.user)

    async def require_manager(self, interaction: Interaction) -> None:
        """Raise NotAllowed unless the user may look at snapshots and take them."""
        if not await self.may_manage(interaction):
            raise NotAllowed(phrase("Backups are for the bot's owner and the administrators of the owner's guilds."))

    async def require_owner(self, interaction: Interaction) -> None:
        """Raise NotAllowed unless the user counts as an owner."""
        if not await self.is_owner(interaction.user):
            if self._owner_ids and await self._bot.is_owner(interaction.user):
                raise NotAllowed(phrase("The setting discord.owner_ids leaves that to other owners of the bot."))
            raise NotAllowed(phrase("Only the bot's owner may do that."))


class Denials:
    """Which denials are news for the audit log: one per person, command and minute. ``monotonic`` is in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._recorded: dict[tuple[int, str], float] = {}

    def is_new(self, user_id: int, action: str) -> bool:
        """Return True, and remember the denial, unless the same one was recorded within the last minute."""
        now = self._monotonic()
        last = self._recorded.get((user_id, action))
        if last is not None and now - last < _DENIAL_SECONDS:
            return False
        if len(self._recorded) >= _MOST_DENIALS:
            self._recorded = {key: at for key, at in self._recorded.items() if now - at < _DENIAL_SECONDS}
            if len(self._recorded) >= _MOST_DENIALS:
                return False
        self._recorded[user_id, action] = now
        return True
