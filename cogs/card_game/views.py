"""The button that publishes a pack."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import discord

from .errors import GameError

__all__ = ["PublishView"]

_log = logging.getLogger(__name__)


class PublishView(discord.ui.View):
    """The Publish button under the preview that an interaction shows.

    It is for the author only, works once, and is disabled after three minutes.
    """

    def __init__(
        self,
        preview: discord.Interaction,
        *,
        publish: Callable[[discord.Interaction], Awaitable[None]],
        answer_error: Callable[[discord.Interaction, BaseException], Awaitable[None]],
    ) -> None:
        super().__init__(timeout=180)
        self._preview = preview
        self._publish = publish
        self._answer_error = answer_error
        self._used = False

    async def interaction_check(self, interaction: discord.Interaction, /) -> bool:
        """Accept clicks only of the author."""
        if interaction.user.id == self._preview.user.id:
            return True
        await interaction.response.send_message("Only its author publishes this pack.", ephemeral=True)
        return False

    @discord.ui.button(label="Publish", style=discord.ButtonStyle.success)
    async def publish(self, interaction: discord.Interaction, button: discord.ui.Button[PublishView]) -> None:
        """Publish the pack that the preview shows."""
        # Two quick clicks run this twice, so the flag is set before anything is awaited.
        first, self._used = not self._used, True
        await interaction.response.defer()
        if not first:
            return
        try:
            await self._publish(interaction)
        except GameError:
            # Nothing was published, so another click may try again.
            self._used = False
            raise
        self.stop()
        await self._disable()

    async def on_timeout(self) -> None:
        """Disable the button."""
        await self._disable()

    async def on_error(self, interaction: discord.Interaction, error: Exception, item: discord.ui.Item[Any], /) -> None:
        """Answer the error like every other one of the game."""
        await self._answer_error(interaction, error)

    async def _disable(self) -> None:
        self.publish.disabled = True
        try:
            await self._preview.edit_original_response(view=self)
        except discord.HTTPException as error:
            # The preview was dismissed or is too old to be edited; the button does nothing in either case.
            _log.debug("The preview could not be edited: %s", error)
