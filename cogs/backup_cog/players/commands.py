"""The commands about one player: ``look`` and ``history`` for managers, ``rescue`` for the owner."""

from __future__ import annotations

import discord
import msgspec
from discord import app_commands

from .. import controls
from ..core_api import (
    ConflictRule,
    Look,
    QueryError,
    Rescue,
    RescueOptions,
    RescuePlan,
    RescueScope,
)
from ..permissions import Interaction, actor_of
from ..responses import Answer, ProgressDisplay
from ..slash.groups import BACKUP
from ..slash.parts import CogPart
from . import texts
from .confirmation import RescueConfirmation

__all__ = ["PlayerCommands"]

_When = app_commands.Range[str, 1, 100]
_AT = 'When: "20m ago", "yesterday 18:00", before:REASON, or a snapshot\'s id'


class PlayerCommands(CogPart):
    """A part of ``BackupCog``. A member is the player with the member's id."""

    @BACKUP.command(name="look")
    @app_commands.describe(member="Whose cards and money", at=_AT)
    async def look(self, interaction: Interaction, member: discord.User, at: _When = "latest") -> None:
        """Show what a player had then and has now."""
        async with self.managing(interaction) as answer:
            then, why = await self._rows(member, await self.named(interaction, at, now=True))
            now, _ = await self._rows(member, "now")
            if then is None and now is None and why is not None:
                raise why
        await answer.show(texts.looked(member.name, at, then, now))

    @look.autocomplete("at")
    async def suggest_looked_at(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest snapshots to look at."""
        return await self.suggested(interaction, typed)

    async def _rows(self, member: discord.User, when: str) -> tuple[Look | None, QueryError | None]:
        """Return a player's rows at a moment; where there are none, None and the error that says so."""
        try:
            return await self.service.look_at_player(str(member.id), when), None
        except QueryError as error:
            if "player" not in error.data:
                raise
            return None, error

    @BACKUP.command(name="history")
    @app_commands.describe(member="Whose history")
    async def history(self, interaction: Interaction, member: discord.User) -> None:
        """Show each change of a player's own row, as far as the snapshots reach."""
        async with self.managing(interaction) as answer, ProgressDisplay(answer) as progress:
            seen, why = await self._rows(member, "latest")
            # One who is not there any more has a history all the same.
            table = seen.player.table if seen and seen.player else str(why.data.get("table", "")) if why else ""
            found = await self.service.history(table, (str(member.id),), on_progress=progress)
        await answer.show(texts.timeline(member.name, found))

    @BACKUP.command(name="rescue")
    @app_commands.describe(member="Whose cards and money", since=_AT)
    @app_commands.rename(since="from")
    async def rescue(self, interaction: Interaction, member: discord.User, since: _When) -> None:
        """Give a player back what he had, and leave everybody else's as it is: shows that first, and asks."""
        asked = Rescue(scope=RescueScope(player=str(member.id)), when="latest")

        async def plan(rule: ConflictRule) -> RescuePlan:
            nonlocal asked
            asked = msgspec.structs.replace(asked, options=RescueOptions(conflicts=rule))
            return await self.service.rescue_plan(asked)

        async def carry_out(answer: Answer, agreed: RescuePlan) -> None:
            await self._carry_out(answer, member.name, asked, agreed)

        async with self.managing(interaction, self.permissions.require_owner) as answer:
            asked = msgspec.structs.replace(asked, when=await self.named(interaction, since))
            shown = await plan(ConflictRule.SKIP)
        view = RescueConfirmation(self.asking(interaction), member.name, shown, plan, carry_out)
        self.end_with_the_cog(view)
        await answer.show(texts.rescue_preview(member.name, shown), view=view)

    @rescue.autocomplete("since")
    async def suggest_rescued_from(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest snapshots to take the rows from."""
        return await self.suggested(interaction, typed)

    async def _carry_out(self, answer: Answer, name: str, asked: Rescue, agreed: RescuePlan) -> None:
        """Carry out a rescue that was confirmed; the plan's own moment counts, "latest" may be another one by now."""
        async with self.counted(float(self.service.settings.schedule.restore_deadline)):
            await answer.update(texts.rescuing(name))
            async with ProgressDisplay(answer) as progress:
                report = await self.service.rescue(
                    msgspec.structs.replace(asked, when=agreed.then, options=agreed.options),
                    agreed=agreed.token,
                    actor=actor_of(answer.interaction),
                    on_progress=progress,
                )
        undo = controls.button(controls.custom_id(controls.UNDO, report.id), "Undo") if report.done else None
        await answer.show(texts.rescued(name, report), view=undo, outcome=True)

    async def undo(self, interaction: Interaction, rescue_id: str) -> None:
        """Take a rescue back, for the button under its outcome."""
        async with self.managing(interaction, self.permissions.require_owner) as answer:
            report = await self.service.undo_rescue(rescue_id, actor=actor_of(interaction))
        await answer.show(texts.undone(report), outcome=True)
