"""The panel of the status. Its buttons work after a restart too, and each checks who clicks.

A click answers like the command itself, in a message of its own; only ``Refresh`` changes the panel in place, for the
person who opened it. Anybody else who may manage backups gets a panel of their own.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
from collections.abc import Sequence

import discord

from ..controls import MEMBER, custom_id
from ..core_api import SnapshotError, Status
from ..formatting import Reply, embed, when
from ..language import for_the_host, text
from ..permissions import Interaction
from ..status.chart import Chart, chart_of
from ..status.message import status_text
from ..status.panel import PICTURE, status_panel, status_reply
from ..status.state import CogState
from .groups import BACKUP
from .parts import CogPart

__all__ = ["StatusCommands"]

log = logging.getLogger(__name__)


class StatusCommands(CogPart):
    """A part of ``BackupCog``."""

    @BACKUP.command(name="status")
    async def status(self, interaction: Interaction) -> None:
        """Show the backups at a glance."""
        await self._show_status(interaction, in_place=False)

    async def refresh(self, interaction: Interaction, opener: str) -> None:
        """Show a panel anew, for the button in it.

        Only in place of a panel that its opener alone sees: a forged click must not put one into a channel.
        """
        flags = interaction.message.flags if interaction.message is not None else discord.MessageFlags()
        own = opener == str(interaction.user.id) and flags.ephemeral and flags.components_v2
        await self._show_status(interaction, in_place=own)

    async def _show_status(self, interaction: Interaction, *, in_place: bool) -> None:
        answer = self.answer_to(interaction)
        await answer.defer(thinking=not in_place)
        await self.permissions.require_manager(interaction)
        state, reader = await self._status(), self.reader(interaction)
        cog = dataclasses.replace(self.state(), shown=reader.shown)
        chart = self.chart(reader.zone)
        picture = await self.pictures.draw(chart)
        described = chart.description if chart is not None and picture is not None else None
        view = status_panel(state, cog, interaction.user.id, described)
        otherwise = None if in_place else status_reply(state, cog)
        await answer.show_panel(view, otherwise, {PICTURE: picture} if picture is not None else {})

    async def picture(self) -> tuple[bytes, str] | None:
        """Return the picture of the snapshots for a notice, and what it shows in words; None if it cannot be drawn."""
        with for_the_host():
            chart = self.chart(self.host_zone)
        drawn = await self.pictures.draw(chart)
        return (drawn, chart.description) if chart is not None and drawn is not None else None

    def chart(self, zone: dt.tzinfo) -> Chart | None:
        """Return the chart of the snapshots, with times of a zone; None if there is nothing to draw."""
        restores = [each.at for each in self.service.catalog.restores]
        alerts = [(each.began, each.ended) for each in self.alerts.past]
        return chart_of(self.service.known, restores, alerts, self.service.now(), zone)

    async def _status(self) -> Status | None:
        return await self.service.status() if self.lifecycle.problem is None else None

    def state(self) -> CogState:
        """Return the state of the cog beside the repository's."""
        problem = self.lifecycle.problem
        return CogState(
            problem=problem.message if problem is not None else None,
            outages=self.alerts.open,
            startup=self.lifecycle.startup,
            triggers=tuple(trigger.count for trigger in self.triggers),
        )

    async def status_text(self, registration: Sequence[str]) -> str:
        """Return the status as a message that anybody may read, with what is known of registered commands."""
        try:
            state = await self._status()
        except SnapshotError as error:
            log.warning("The status could not be read: %s", error)
            state = None
        with for_the_host():
            return status_text(state, self.state(), registration)

    async def snooze(self, interaction: Interaction, outage: str) -> None:
        """Remind nobody of an outage for a day, for the button under its message."""
        answer = self.answer_to(interaction)
        await answer.defer()
        await self.permissions.require_manager(interaction)
        until = await self.alerts.snooze(outage, interaction.user.name)
        if until is None:
            shown = embed(text("Nothing to snooze"), text("This is over already."))
        else:
            quiet = text("No reminder before {time}. Its end is shown all the same.", time=when(until))
            shown = embed(text("Snoozed"), quiet)
        await answer.show(Reply(shown))

    async def ask_whose_history(self, interaction: Interaction, _: str) -> None:
        """Ask for a member, for the button in the panel."""
        async with self.managing(interaction) as answer:
            view = discord.ui.View(timeout=None)
            whose = text("Whose history?")
            view.add_item(discord.ui.UserSelect(custom_id=custom_id(MEMBER), placeholder=whose))
            view.stop()
        await answer.show(Reply(embed(whose, text("Choose a member: the answer is for you alone."))), view=view)
