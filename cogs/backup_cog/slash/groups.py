"""The groups of the slash commands, named as the settings say, and not taken by the host.

discord.py copies them for each cog. Two modules add their commands to them when they are imported. A host's loader that
tries every file as an extension imports them again; then the same command takes its own place.
"""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from ..core_api import Settings, SettingsError
from ..language import localized, localized_beside
from ..permissions import Bot

__all__ = ["BACKUP", "DATABASE", "name_groups", "require_free_names"]


class _Group(app_commands.Group):
    """A group to which a command can be added again, and which shows its texts in every language."""

    def add_command(self, command: Any, /, *, override: bool = True) -> None:
        """Add a command, in the place of the one with its name."""
        super().add_command(command, override=override)

    def to_dict(self, tree: app_commands.CommandTree[Any]) -> dict[str, Any]:
        """Return the group as it is sent to Discord by a host without a translator."""
        return localized(super().to_dict(tree))

    async def get_translated_payload(
        self, tree: app_commands.CommandTree[Any], translator: app_commands.Translator
    ) -> dict[str, Any]:
        """Return the group as it is sent to Discord by a host that has a translator."""
        asked = super().get_translated_payload(tree, translator)
        return await localized_beside(asked, lambda: self.to_dict(tree), "the commands of the backups")


# A hint to Discord's clients, which keeps the commands out of players' menus. The check is in the code.
_ADMINISTRATORS = discord.Permissions(administrator=True)
BACKUP = _Group(name="backup", description="Snapshots of the game's database", default_permissions=_ADMINISTRATORS)
DATABASE = _Group(name="db", description="The game's database", default_permissions=_ADMINISTRATORS)


def name_groups(settings: Settings, backup: app_commands.Group, database: app_commands.Group) -> None:
    """Give the groups of one cog the names and the guilds from the settings."""
    names = settings.discord
    backup.name, database.name = names.backup_group, names.database_group
    if names.admin_guild_ids:
        for group in (backup, database):
            app_commands.guilds(*names.admin_guild_ids)(group)


def require_free_names(bot: Bot, settings: Settings) -> None:
    """Raise SettingsError if the host has a slash command with the name of one of the groups."""
    names = settings.discord
    guilds: list[discord.Object | None] = [discord.Object(guild_id) for guild_id in names.admin_guild_ids]
    for key, name in (("backup_group", names.backup_group), ("database_group", names.database_group)):
        for guild in guilds or [None]:
            if bot.tree.get_command(name, guild=guild) is not None:
                allowed = "a name that no other slash command of the bot has"
                message = (
                    f'discord.{key} is "{name}", but the bot has a slash command /{name} already; it must be '
                    f"{allowed}. Set another one in config/backup.toml or by BACKUP_DISCORD_{key.upper()}."
                )
                raise SettingsError(message, key=f"discord.{key}", value=name, allowed=allowed)
