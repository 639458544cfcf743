"""Clicks that no view answers: the buttons under notices, and those of a preview that is no longer there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import discord
from discord.ext import commands

from . import controls, restore_embeds
from .answers import checks
from .language import speak, text
from .permissions import Interaction, actor_of
from .players.commands import PlayerCommands
from .restore_view import take_modal
from .slash.details import DetailCommands
from .slash.downloading import DownloadCommands
from .slash.inside import InsideCommands
from .slash.listing import ListCommands
from .slash.panel import StatusCommands
from .slash.restoring import RestoreCommands
from .slash.taking import TakingCommands
from .slash.time_zone import ZoneCommands
from .status.panel import COMMANDS

__all__ = ["Clicks"]


class Clicks(
    TakingCommands,
    ListCommands,
    DetailCommands,
    InsideCommands,
    DownloadCommands,
    RestoreCommands,
    StatusCommands,
    PlayerCommands,
    ZoneCommands,
):
    """The commands of ``BackupCog``, and what the buttons that name them do."""

    views: set[discord.ui.View]

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        """Answer a click on a component of ours that no view answers."""
        control = controls.read_custom_id(interaction)
        if control is None or controls.is_live(interaction):
            return
        speak(interaction.locale)
        word, argument = control
        try:
            does = self._words().get(word)
            if does is not None:
                await does(interaction, argument)
            elif not await take_modal(self.views, interaction):
                await self._too_late(interaction, argument.partition(":")[0])
        except Exception as error:  # noqa: BLE001 - answered like the error of a command
            await self.answer_error(interaction, error)

    def _words(self) -> dict[str, Callable[[Interaction, str], Awaitable[None]]]:
        """Return what each button does that works at any time, by the word in its custom id."""
        return {
            controls.LOOK: self.preview,
            controls.CLAIM: self._claim,
            controls.UNDO: self.undo,
            controls.UNDO_RESTORE: self.preview,
            controls.PIN: lambda interaction, snapshot: self.ask_why(interaction, snapshot, pinned=True),
            controls.UNPIN: lambda interaction, snapshot: self.ask_why(interaction, snapshot, pinned=False),
            controls.PIN_WHY: lambda interaction, snapshot: self.pin(interaction, snapshot, pinned=True),
            controls.UNPIN_WHY: lambda interaction, snapshot: self.pin(interaction, snapshot, pinned=False),
            controls.REASONS: self.turn_reasons,
            controls.INSIDE: self.look_inside,
            controls.TABLE: self.first_rows,
            controls.DOWNLOAD: self.download,
            controls.VERIFY: lambda interaction, snapshot: self._run(interaction, "verify", snapshot),
            controls.LIST: lambda interaction, _: self._run(interaction, "list"),
            controls.OPEN: lambda interaction, _: self.show_one(interaction, controls.chosen(interaction)),
            controls.RUN: self._run_from_panel,
            controls.REFRESH: self.refresh,
            controls.SNOOZE: self.snooze,
            controls.HISTORY: self.ask_whose_history,
            controls.MEMBER: self._history_of,
        }

    async def _run_from_panel(self, interaction: Interaction, command: str) -> None:
        if command in (*COMMANDS, "status"):
            await self._run(interaction, command)
        else:
            await self._too_late(interaction, command)

    async def _run(self, interaction: Interaction, command: str, *arguments: str) -> None:
        """Do what a command does, for a button."""
        runs: dict[str, Any] = {
            "now": self.take,
            "list": self.show,
            "verify": self.verify,
            "integrity": self.integrity,
            "status": self.status,
        }
        await runs[command].callback(self, interaction, *arguments)

    async def _history_of(self, interaction: Interaction, _: str) -> None:
        await self.show_history(interaction, controls.chosen_user(interaction))

    async def _too_late(self, interaction: Interaction, snapshot: str) -> None:
        """Answer a dead button; the preview of a rescue, or a snapshot that is gone, cannot be looked at again."""
        answer = self.answer_to(interaction)
        known = any(each.id == snapshot for each in self.service.known)
        again = controls.button(controls.custom_id(controls.LOOK, snapshot), text("Look again")) if known else None
        await answer.fail(restore_embeds.over(), view=again)

    async def _claim(self, interaction: Interaction, _: str) -> None:
        answer = self.answer_to(interaction)
        await answer.defer()
        await self.permissions.require_owner(interaction)
        async with self.counted(60.0):
            claimed = await self.lifecycle.claim(actor_of(interaction))
        await answer.show(checks.claimed(claimed), outcome=True)
