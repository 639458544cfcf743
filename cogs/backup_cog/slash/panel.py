"""The status, and the buttons under it: the commands that one wants next. They work after a restart too.

A click answers like the command itself, for whoever clicked, with the command's own check of permission.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import discord

from .. import embeds
from ..controls import LOOK, RUN, custom_id
from ..core_api import SnapshotError
from ..embeds import CogState
from ..permissions import Interaction
from .groups import BACKUP
from .parts import CogPart

__all__ = ["COMMANDS", "StatusCommands", "panel"]

log = logging.getLogger(__name__)
COMMANDS = {"now": "Snapshot now", "list": "List", "verify": "Verify the newest", "integrity": "Check the database"}
"""The commands that need no argument, and how their buttons are labelled."""


class StatusCommands(CogPart):
    """A part of ``BackupCog``."""

    @BACKUP.command(name="status")
    async def status(self, interaction: Interaction) -> None:
        """Show the backups at a glance."""
        answer = self.answer_to(interaction)
        await answer.defer()
        await self.permissions.require_manager(interaction)
        state = await self.service.status() if self.lifecycle.problem is None else None
        await answer.show(embeds.status(state, self.state()), view=panel())

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
            state = await self.service.status() if self.lifecycle.problem is None else None
        except SnapshotError as error:
            log.warning("The status could not be read: %s", error)
            state = None
        return embeds.status_text(state, self.state(), registration)


def panel() -> discord.ui.View:
    """Return the buttons. The view is over already: a click goes to the cog's listener and not to the view."""
    view = discord.ui.View(timeout=None)
    for command, label in COMMANDS.items():
        view.add_item(discord.ui.Button(label=label, custom_id=custom_id(RUN, command)))
    restore: discord.ui.Button[discord.ui.View] = discord.ui.Button(
        label="Restore…", style=discord.ButtonStyle.danger, custom_id=custom_id(LOOK, "latest")
    )
    view.add_item(restore)
    view.stop()
    return view
