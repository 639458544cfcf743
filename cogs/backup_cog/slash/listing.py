"""The list of snapshots."""

from __future__ import annotations

from discord import app_commands

from .. import embeds
from ..core_api import Kind
from ..permissions import Interaction
from .groups import BACKUP
from .parts import CogPart

__all__ = ["ListCommands"]


class ListCommands(CogPart):
    """A part of ``BackupCog``."""

    @BACKUP.command(name="list")
    @app_commands.describe(kind="Only snapshots of this kind")
    @app_commands.choices(kind=[app_commands.Choice(name=kind.value, value=kind.value) for kind in Kind])
    async def show(self, interaction: Interaction, kind: str | None = None) -> None:
        """List the snapshots, newest first."""
        async with self.managing(interaction) as answer:
            found = await self.service.list(Kind(kind) if kind else None)
        await answer.show(embeds.snapshots(found, kind, group=self.service.settings.discord.backup_group))
