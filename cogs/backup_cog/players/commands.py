"""The commands about one player: ``look`` and ``history`` for managers, ``rescue`` for the owner."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Sequence

import discord
import msgspec
from discord import app_commands

from .. import controls
from ..core_api import Look, QueryError, Rescue, RescueOptions, RescuePlan, RescueScope
from ..formatting import CHOICE_LIMIT, CHOICES_LIMIT, Reply
from ..language import text
from ..permissions import Interaction, actor_of
from ..responses import Answer, ProgressDisplay
from ..slash.groups import BACKUP
from ..slash.parts import CogPart
from . import looking, rescue_texts
from .confirmation import RescueConfirmation
from .pages import Pages

__all__ = ["PlayerCommands"]

log = logging.getLogger(__name__)
_When = app_commands.Range[str, 1, 100]
_Table = app_commands.Range[str, 1, 100]
_SECONDS = 600.0
"""How long the buttons that turn pages stay after the last click."""


class PlayerCommands(CogPart):
    """A part of ``BackupCog``. A member is the player with the member's id."""

    _tables_of_players: tuple[str, ...] = ()
    """The tables that have rows of players, as far as somebody has looked at one."""

    @BACKUP.command(name="look")
    @app_commands.describe(
        member="Whose cards and money", at='When: "20m ago", "yesterday 18:00", before:REASON, or an id'
    )
    async def look(self, interaction: Interaction, member: discord.User, at: _When = "latest") -> None:
        """Show what a player had then and has now."""
        async with self.managing(interaction) as answer:
            then, why = await self._rows(member, await self.named(interaction, at, now=True))
            now, _ = await self._rows(member, "now")
            if then is None and now is None and why is not None:
                raise why
        # In a thread: with thousands of rows it takes long enough for the gateway to notice.
        await self._show_pages(answer, await asyncio.to_thread(looking.looked, member.name, at, then, now))

    @look.autocomplete("at")
    async def suggest_looked_at(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest snapshots to look at."""
        return await self.suggested(interaction, typed)

    async def _rows(self, member: discord.User, when: str) -> tuple[Look | None, QueryError | None]:
        """Return a player's rows at a moment; where there are none, None and the error that says so."""
        try:
            found = await self.service.look_at_player(str(member.id), when)
        except QueryError as error:
            if "player" not in error.data:
                raise
            return None, error
        if found.player is not None:
            self._tables_of_players = tuple(dict.fromkeys(table for table, _ in found.player.references))
        return found, None

    async def _show_pages(self, answer: Answer, pages: Sequence[Reply]) -> None:
        asking = dataclasses.replace(
            self.asking(answer.interaction), authorise=self.permissions.require_manager, seconds=_SECONDS
        )
        view = Pages(asking, pages)
        self.end_with_the_cog(view)
        await view.show(answer)

    @BACKUP.command(name="history")
    @app_commands.describe(member="Whose history", table="Their rows of this table; without it, their own row")
    async def history(self, interaction: Interaction, member: discord.User, table: _Table = "") -> None:
        """Show each change of a player's rows in one table, as far as the snapshots reach."""
        await self.show_history(interaction, member, table)

    @history.autocomplete("table")
    async def suggest_tables(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest tables that have rows of players, from memory."""
        try:
            if not await self.permissions.may_manage(interaction):
                return []
            newest = next((each for each in self.service.known if each.rows), None)
            known = self._tables_of_players or tuple(sorted(newest.rows if newest is not None else ()))
            wanted = str(typed).strip().casefold()
            found = [table for table in known if wanted in table.casefold() and len(table) <= CHOICE_LIMIT]
        except Exception:
            log.exception("Tables could not be suggested")
            return []
        return [app_commands.Choice(name=table, value=table) for table in found[:CHOICES_LIMIT]]

    async def show_history(self, interaction: Interaction, member: discord.User, table: str = "") -> None:
        """Show a player's history, for the command, the button in the panel, and the menu of members."""
        async with self.managing(interaction) as answer, ProgressDisplay(answer) as progress:
            found = await self.service.player_history(str(member.id), table, on_progress=progress)
        await self._show_pages(answer, await asyncio.to_thread(looking.timeline, member.name, found))

    @BACKUP.command(name="rescue")
    @app_commands.describe(
        member="Whose cards and money", since='When: "20m ago", "yesterday 18:00", before:REASON, or an id'
    )
    @app_commands.rename(since="from")
    async def rescue(self, interaction: Interaction, member: discord.User, since: _When) -> None:
        """Give a player back what he had, and leave everybody else's as it is: shows that first, and asks."""
        asked = Rescue(scope=RescueScope(player=str(member.id)), when="latest")

        async def plan(take: Sequence[str]) -> RescuePlan:
            return await self.service.rescue_plan(
                msgspec.structs.replace(asked, options=RescueOptions(take=tuple(take)))
            )

        async def carry_out(answer: Answer, agreed: RescuePlan) -> None:
            await self._carry_out(answer, member.name, asked, agreed)

        async with self.managing(interaction, self.permissions.require_owner) as answer:
            asked = msgspec.structs.replace(asked, when=await self.named(interaction, since))
            shown = await plan(())
            # By its id from now on: "latest" may be another one at the next choice.
            asked = msgspec.structs.replace(asked, when=shown.then)
            preview = await asyncio.to_thread(rescue_texts.rescue_preview, member.name, shown)
        view = RescueConfirmation(self.asking(interaction), member.name, shown, preview, plan, carry_out)
        self.end_with_the_cog(view)
        await answer.show(preview, view=view)

    @rescue.autocomplete("since")
    async def suggest_rescued_from(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Suggest snapshots to take the rows from."""
        return await self.suggested(interaction, typed)

    async def _carry_out(self, answer: Answer, name: str, asked: Rescue, agreed: RescuePlan) -> None:
        """Carry out a rescue that was confirmed."""
        async with self.counted(float(self.service.settings.schedule.restore_deadline)):
            await answer.update(rescue_texts.rescuing(name))
            async with ProgressDisplay(answer) as progress:
                report = await self.service.rescue(
                    msgspec.structs.replace(asked, options=agreed.options),
                    agreed=agreed.token,
                    actor=actor_of(answer.interaction),
                    on_progress=progress,
                )
        undo = controls.button(controls.custom_id(controls.UNDO, report.id), text("Undo")) if report.done else None
        await answer.show(rescue_texts.rescued(name, report), view=undo, outcome=True)

    async def undo(self, interaction: Interaction, rescue_id: str) -> None:
        """Take a rescue back, for the button under its outcome."""
        async with self.managing(interaction, self.permissions.require_owner) as answer:
            report = await self.service.undo_rescue(rescue_id, actor=actor_of(interaction))
        await answer.show(rescue_texts.undone(report), outcome=True)
