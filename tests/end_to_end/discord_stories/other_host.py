"""A host without a game: it has an error handler that answers too, and a command /db in the guild HOST_GUILD.

Its owner reloads the backups by a message, as one does while trying things out.
"""

from __future__ import annotations

import logging
import os
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

log = logging.getLogger(__name__)
EXTENSION = "cogs.backup_cog"


class Host(commands.Bot):
    """A bot that goes on if an extension cannot be loaded, as many do."""

    async def setup_hook(self) -> None:
        """Add a command, load the backups, and answer errors as a host of its own."""
        group = app_commands.Group(name="db", description="The host's own")
        self.tree.add_command(group, guild=discord.Object(int(os.environ["HOST_GUILD"])))
        self.tree.error(self.apologise)
        try:
            await self.load_extension(EXTENSION)
        except commands.ExtensionFailed as error:
            log.error("%s", error)

    async def apologise(self, interaction: discord.Interaction[Any], _: app_commands.AppCommandError) -> None:
        """Answer whatever error there was, also where somebody has done so already."""
        send: Any = interaction.followup.send if interaction.response.is_done() else interaction.response.send_message
        await send("The host is sorry.", ephemeral=True)

    async def on_message(self, message: discord.Message, /) -> None:
        """Reload the backups."""
        if message.content.endswith("reload"):
            await self.reload_extension(EXTENSION)
            await message.channel.send("Reloaded.")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    Host(command_prefix=commands.when_mentioned, intents=discord.Intents.default()).run(os.environ["DISCORD_TOKEN"])
