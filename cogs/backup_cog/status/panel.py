"""The panel: the facts in one container, and under them the buttons for what one wants next.

A message of components has at most 40 of them and 4000 characters of text:
https://discord.com/developers/docs/components/reference. What does not fit is cut, and counted.
"""

from __future__ import annotations

import discord

from ..controls import HISTORY, LOOK, REFRESH, RUN, custom_id
from ..core_api import Status
from ..formatting import Reply, clip, embed, listing
from ..language import phrase, text
from .facts import database, facts
from .state import CogState

__all__ = ["COMMANDS", "PICTURE", "status_panel", "status_reply"]

COMMANDS = {
    "now": phrase("Snapshot now"),
    "list": phrase("List"),
    "verify": phrase("Verify"),
    "integrity": phrase("Integrity"),
}
"""The commands that need no argument, and how their buttons are labelled."""
_HEADING_LIMIT, _FACTS_LIMIT, _LABEL_LIMIT = 1000, 2900, 80
PICTURE = "backups.png"
"""The name of the attached picture."""


def status_panel(state: Status | None, cog: CogState, opener: int, picture: str | None = None) -> discord.ui.LayoutView:
    """Return the panel of the person ``opener``. ``picture`` describes the picture that is attached, if there is one.

    ``state`` is None if the repository cannot be used.
    """
    title, more, colour = database(state, cog)
    lines = [f"**{name}:** {value}" for name, value in facts(state, cog)]
    container: discord.ui.Container[discord.ui.LayoutView] = discord.ui.Container(accent_colour=colour)
    container.add_item(discord.ui.TextDisplay(clip(f"## {title}\n{more}".strip(), _HEADING_LIMIT)))
    container.add_item(discord.ui.Separator())
    container.add_item(discord.ui.TextDisplay(listing(lines, _FACTS_LIMIT)))
    if picture is not None:
        shown = discord.MediaGalleryItem(f"attachment://{PICTURE}", description=clip(picture, 1000))
        container.add_item(discord.ui.MediaGallery(shown))
    for row in _buttons(opener):
        container.add_item(row)
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(container)
    # It is over already: a click goes to the cog's listener and not to the view.
    view.stop()
    return view


def status_reply(state: Status | None, cog: CogState) -> Reply:
    """Return the same facts as an embed, for where a panel cannot be shown."""
    title, more, colour = database(state, cog)
    lines = [f"**{name}:** {value}" for name, value in facts(state, cog)]
    return Reply(embed(title, listing([more, *lines] if more else lines, _FACTS_LIMIT), colour=colour))


def _buttons(opener: int) -> tuple[discord.ui.ActionRow[discord.ui.LayoutView], ...]:
    plain, danger = discord.ButtonStyle.secondary, discord.ButtonStyle.danger
    run = [(custom_id(RUN, command), text(label), plain) for command, label in COMMANDS.items()]
    rest = [
        (custom_id(LOOK, "latest"), text("Restore…"), danger),
        (custom_id(HISTORY), text("History…"), plain),
        (custom_id(REFRESH, str(opener)), text("Refresh"), discord.ButtonStyle.primary),
    ]
    return _row(run), _row(rest)


def _row(buttons: list[tuple[str, str, discord.ButtonStyle]]) -> discord.ui.ActionRow[discord.ui.LayoutView]:
    row: discord.ui.ActionRow[discord.ui.LayoutView] = discord.ui.ActionRow()
    for control, label, style in buttons:
        row.add_item(discord.ui.Button(label=clip(label, _LABEL_LIMIT), style=style, custom_id=control))
    return row
