"""A select of snapshots that may have been meant, each of which it opens."""

from __future__ import annotations

from collections.abc import Sequence

import discord

from ...controls import OPEN, custom_id
from ...core_api import Snapshot
from ...formatting import CHOICES_LIMIT
from ...language import text
from .labels import Reader, label

__all__ = ["picking"]


def picking(snapshots: Sequence[Snapshot], reader: Reader) -> discord.ui.View:
    """Return the select. The view is over already: what is picked goes to the cog's listener and not to the view."""
    options = [discord.SelectOption(label=label(each, reader), value=each.id) for each in snapshots[:CHOICES_LIMIT]]
    view = discord.ui.View(timeout=None)
    placeholder = text("Open one of these")
    view.add_item(discord.ui.Select(custom_id=custom_id(OPEN, "meant"), placeholder=placeholder, options=options))
    view.stop()
    return view
