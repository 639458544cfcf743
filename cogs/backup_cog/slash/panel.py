"""The buttons under a status: the commands that one wants next, one click away. They work after a restart too.

A click answers like the command itself, for whoever clicked, with the command's own check of permission.
"""

from __future__ import annotations

import discord

from ..controls import LOOK, RUN, custom_id

__all__ = ["COMMANDS", "panel"]

COMMANDS = {"now": "Snapshot now", "list": "List", "verify": "Verify the newest", "integrity": "Check the database"}
"""The commands that need no argument, and how their buttons are labelled."""


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
