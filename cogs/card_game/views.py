"""The buttons of the game."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import discord

from .errors import GameError

__all__ = ["PublishView"]

_log = logging.getLogger(__name__)


class PublishView(discord.ui.View):
    """The Publish button under a preview: for the author only, works once, gone after three minutes."""

    def __init__(
        self,
        preview: discord.Interaction,
        *,
        publish: Callable[[discord.Interaction], Awaitable[None]],
        answer_error: Callable[[discord.Interaction, BaseException], Awaitable[None]],
    ) -> None:
        """Take the interaction that shows the preview, and what a click and a failure lead to."""
        super().__init__(timeout=180)
        self._preview = preview
        self._publish = publish
        self._answer_error = answer_error
        self._used = False

    async def interaction_check(self, interaction: discord.Interaction, /) -> bool:
        """Let nobody but the author click."""
        if interaction.user.id == self._preview.user.id:
            return True
        await interaction.response.send_message("Only its author publishes this pack.", ephemeral=True)
        return False

    @discord.ui.button(label="Publish", style=discord.ButtonStyle.success)
    async def publish(self, interaction: discord.Interaction, button: discord.ui.Button[PublishView]) -> None:
        """Publish the pack that the preview shows."""
        # Two quick clicks run this twice: the flag is set before anything is awaited.
        first, self._used = not self._used, True
        await interaction.response.defer()
        if not first:
            return
        try:
            await self._publish(interaction)
        except GameError:
            # Nothing was published, so a later click may.
            self._used = False
            raise
        self.stop()
        await self._disable()

    async def on_timeout(self) -> None:
        """Show that the button is gone."""
        await self._disable()

    async def on_error(self, interaction: discord.Interaction, error: Exception, item: discord.ui.Item[Any], /) -> None:
        """Answer where every other error of the game is answered."""
        await self._answer_error(interaction, error)

    async def _disable(self) -> None:
        self.publish.disabled = True
        try:
            await self._preview.edit_original_response(view=self)
        except discord.HTTPException as error:
            # The preview was dismissed or is too old to edit: the button does nothing any more either way.
            _log.debug("The preview could not be edited: %s", error)
