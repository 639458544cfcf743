"""The list of snapshots."""

from __future__ import annotations

import dataclasses

from discord import app_commands

from ..core_api import Kind
from ..permissions import Interaction
from .groups import BACKUP
from .parts import CogPart
from .snapshots.filters import FILTERS
from .snapshots.list_view import SnapshotList

__all__ = ["ListCommands"]

_SECONDS = 600.0
"""How long the controls stay after the last click."""


class ListCommands(CogPart):
    """A part of ``BackupCog``."""

    @BACKUP.command(name="list")
    @app_commands.describe(kind="Only snapshots of this kind")
    @app_commands.choices(kind=[app_commands.Choice(name=kind.value, value=kind.value) for kind in Kind])
    async def show(self, interaction: Interaction, kind: str | None = None) -> None:
        """List the snapshots, newest first."""
        async with self.managing(interaction) as answer:
            asking = self.asking(interaction)
            view = SnapshotList(
                dataclasses.replace(asking, authorise=self.permissions.require_manager, seconds=_SECONDS),
                load=self.service.list,
                reader=lambda: self.reader(interaction),
                open_one=self.show_one,
                learn=self.names.learn,
                group=self.service.settings.discord.backup_group,
                chosen=(kind,) if kind in FILTERS else (),
            )
            self.end_with_the_cog(view)
            await view.show(answer)
