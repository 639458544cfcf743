"""The restore: its preview, and what happens when it was confirmed."""

from __future__ import annotations

from discord import app_commands

from .. import controls, restore_embeds
from ..core_api import RestorePlan
from ..notices import texts
from ..permissions import Interaction, actor_of
from ..responses import Answer, ProgressDisplay
from ..restore_view import RestoreConfirmation
from .groups import BACKUP
from .parts import CogPart

__all__ = ["RestoreCommands"]

_SnapshotName = app_commands.Range[str, 1, 100]


class RestoreCommands(CogPart):
    """A part of ``BackupCog``."""

    @BACKUP.command(name="restore")
    @app_commands.describe(snapshot='Which one: pick it, or type a reason, "20m ago", "yesterday 18:00"')
    async def restore(self, interaction: Interaction, snapshot: _SnapshotName) -> None:
        """Restore a snapshot: shows what that would do, and asks."""
        await self.preview(interaction, snapshot)

    @restore.autocomplete("snapshot")
    async def suggest_restored(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest snapshots to restore."""
        return await self.suggested(interaction, typed)

    async def preview(self, interaction: Interaction, snapshot: str) -> None:
        """Show what a restore would do, with the buttons that confirm it."""
        async with self.managing(interaction, self.permissions.require_owner) as answer:
            plan = await self.service.restore_plan(await self.named(interaction, snapshot))
        view = RestoreConfirmation(self.asking(interaction), plan, self._carry_out_restore)
        self.end_with_the_cog(view)
        await answer.show(restore_embeds.preview(plan), view=view)

    async def _carry_out_restore(self, answer: Answer, plan: RestorePlan) -> None:
        """Carry out a restore that was confirmed."""
        snapshot, user = plan.snapshot.id, answer.interaction.user
        look = controls.custom_id(controls.LOOK, snapshot)
        async with self.outbox.promised(texts.restore_interrupted(snapshot, user.id), look, "Look again"):
            async with self.counted(float(self.service.settings.schedule.restore_deadline)):
                await answer.update(restore_embeds.restoring(plan))
                async with ProgressDisplay(answer) as progress:
                    report = await self.service.restore(
                        snapshot, agreed=plan.token, actor=actor_of(answer.interaction), on_progress=progress
                    )
            await answer.show(restore_embeds.restored(report, self.repository), outcome=True)
