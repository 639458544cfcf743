"""Taking and verifying: ``now``, ``verify``, and the check of the game's database."""

from __future__ import annotations

from discord import app_commands

from ..answers import checks
from ..answers.taken import created
from ..core_api import Kind, Level
from ..permissions import Interaction, actor_of
from ..responses import ProgressDisplay
from . import suggestions
from .groups import BACKUP, DATABASE
from .parts import CogPart

__all__ = ["TakingCommands"]

_Note = app_commands.Range[str, 1, 200]
_SnapshotName = app_commands.Range[str, 1, 100]


class TakingCommands(CogPart):
    """A part of ``BackupCog``."""

    @BACKUP.command(name="now")
    @app_commands.describe(note="What the snapshot is for", pin="Keep it whatever retention says")
    async def take(self, interaction: Interaction, note: _Note | None = None, pin: bool = False) -> None:
        """Take a snapshot now."""
        async with self.managing(interaction) as answer, ProgressDisplay(answer) as progress:
            outcome = await self.service.create(
                Kind.MANUAL,
                note=note,
                pin=pin,
                actor=actor_of(interaction),
                on_wait=progress.waits,
                on_progress=progress,
            )
        group = self.service.settings.discord.backup_group
        await answer.show(created(outcome, group=group), outcome=True)

    @BACKUP.command(name="verify")
    @app_commands.describe(snapshot="Which one; the newest if none is named", level="How thoroughly")
    @app_commands.choices(level=suggestions.LEVELS)
    async def verify(
        self, interaction: Interaction, snapshot: _SnapshotName = "latest", level: str = Level.CHECKSUM.value
    ) -> None:
        """Verify a snapshot."""
        async with self.managing(interaction) as answer, ProgressDisplay(answer) as progress:
            report = await self.service.verify(
                await self.named(interaction, snapshot), Level(level), actor=actor_of(interaction), on_progress=progress
            )
        self.alerts.verified(report)
        await answer.show(checks.verified(report), outcome=True)

    @verify.autocomplete("snapshot")
    async def suggest_verified(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest snapshots to verify."""
        return await self.suggested(interaction, typed)

    @DATABASE.command(name="integrity")
    async def integrity(self, interaction: Interaction) -> None:
        """Check the game's database as it is now."""
        async with self.managing(interaction) as answer, ProgressDisplay(answer) as progress:
            report = await self.service.integrity(on_progress=progress)
        await answer.show(checks.integrity(report), outcome=True)
