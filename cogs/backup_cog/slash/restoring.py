"""The restore: its preview, and what happens when it was confirmed."""

from __future__ import annotations

import discord
from discord import app_commands

from .. import controls, restore_embeds
from ..core_api import Busy, DatabaseBusy, DeadlineExceeded, PlanOutdated, RestorePlan
from ..formatting import Reply
from ..language import for_the_host, text
from ..notices import texts
from ..permissions import Interaction, actor_of
from ..responses import Answer, ProgressDisplay
from ..restore_view import RestoreConfirmation, look_again
from ..restoring.preview import IsMember
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
        reply, view = self._asked(interaction, plan)
        await answer.show(reply, view=view)

    def _asked(self, interaction: Interaction, plan: RestorePlan) -> tuple[Reply, RestoreConfirmation]:
        """Return the preview of a plan, and the buttons under it."""
        is_member = self._members(interaction)

        def shown(page: int) -> Reply:
            return restore_embeds.preview(plan, page=page, is_member=is_member)

        view = RestoreConfirmation(self.asking(interaction), plan, self._carry_out_restore, shown)
        self.end_with_the_cog(view)
        return shown(0), view

    def _members(self, interaction: Interaction) -> IsMember:
        """Return what tells whether an id is that of somebody whom the person who asks can see."""
        guild = interaction.guild

        def is_member(user_id: int) -> bool:
            in_guild = guild is not None and guild.get_member(user_id) is not None
            return in_guild or self.bot.get_user(user_id) is not None

        return is_member

    async def _carry_out_restore(self, answer: Answer, plan: RestorePlan) -> None:
        """Carry out a restore that was confirmed."""
        interaction, snapshot = answer.interaction, plan.snapshot.id
        if restore_embeds.is_one_click(plan):
            # One click agreed to losing nothing, and the game has been going on since.
            plan = await self.service.restore_plan(snapshot)
            if not restore_embeds.is_one_click(plan):
                reply, view = self._asked(interaction, plan)
                await answer.show(restore_embeds.written_meanwhile(reply), view=view)
                return
        try:
            await self._restored(answer, plan)
        except (PlanOutdated, Busy, DatabaseBusy, DeadlineExceeded) as error:
            await self.answer_error(interaction, error, view=look_again(snapshot))

    async def _restored(self, answer: Answer, plan: RestorePlan) -> None:
        snapshot, user = plan.snapshot.id, answer.interaction.user
        look = controls.custom_id(controls.LOOK, snapshot)
        with for_the_host():
            notice, label = texts.restore_interrupted(snapshot, user.id), text("Look again")
        async with self.outbox.promised(notice, look, label):
            async with self.counted(float(self.service.settings.schedule.restore_deadline)):
                await answer.update(restore_embeds.restoring(plan))
                async with ProgressDisplay(
                    answer, stages=lambda stage: restore_embeds.stage_shown(plan, stage)
                ) as progress:
                    report = await self.service.restore(
                        snapshot,
                        agreed=plan.token,
                        actor=actor_of(answer.interaction),
                        on_wait=progress.waits,
                        on_progress=progress,
                    )
            undo = _undo_button(report.safety.id) if report.safety is not None else None
            await answer.show(restore_embeds.restored(report, self.repository), view=undo, outcome=True)


def _undo_button(safety: str) -> discord.ui.View:
    """Return the button that shows what going back would do; it works as long as the safety snapshot is there."""
    return controls.button(controls.custom_id(controls.UNDO_RESTORE, safety), text("Undo"))
