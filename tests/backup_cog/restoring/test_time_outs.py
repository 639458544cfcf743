"""What becomes of controls that nobody used in time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import aiohttp
import discord
import pytest

from cogs.backup_cog.confirmation import Asking, Confirmation
from cogs.backup_cog.formatting import Reply, embed
from cogs.backup_cog.slash.personal import PersonalView


class Preview(Confirmation):
    """A confirmation of nothing."""

    def timed_out(self) -> Reply:
        """Return that it is over."""
        return Reply(embed("Over"))


@pytest.mark.parametrize("kind", [Preview, PersonalView])
@pytest.mark.parametrize("error", [aiohttp.ClientError("reset"), OSError("no route"), TimeoutError()])
async def test_controls_whose_time_is_over_end_quietly_while_discord_is_away(
    kind: type[Preview | PersonalView], error: Exception
) -> None:
    """Nobody waits for that, so an exception would only be a traceback in the log."""

    async def away(**_: object) -> None:
        raise error

    asked: Any = SimpleNamespace(edit_original_response=away)
    nothing: Any = None
    view = kind(Asking(asked, nothing, nothing, nothing, 60.0))
    button: discord.ui.Button[Any] = discord.ui.Button(label="Confirm")
    view.add_item(button)
    await view.on_timeout()
    assert button.disabled
