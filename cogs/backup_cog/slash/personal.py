"""Controls that belong to one person, for as long as that person uses them."""

from __future__ import annotations

import logging

import aiohttp
import discord

from ..confirmation import Asking, OwnedView
from ..permissions import Interaction
from ..responses import QUIET, Answer

__all__ = ["PersonalView"]

log = logging.getLogger(__name__)


class PersonalView(OwnedView):
    """Controls that can be used again and again.

    After ``asking.seconds`` without a click they are disabled, by the answer to the last click that changed the
    message: Discord accepts that for 15 minutes.
    """

    def __init__(self, asking: Asking) -> None:
        super().__init__(asking)
        self._last = asking.asked

    async def in_place(self, interaction: Interaction) -> Answer:
        """Acknowledge a click and return its answer, which takes the place of the message with the controls."""
        answer = self.asking.answer(interaction)
        await answer.defer(thinking=False)
        self._last = interaction
        return answer

    async def on_timeout(self) -> None:
        """Disable the controls."""
        self.disable()
        try:
            await self._last.edit_original_response(view=self, allowed_mentions=QUIET)
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            # It was dismissed, or Discord is away. The cog's listener answers a click on what is still shown somewhere.
            log.debug("Controls could not be disabled: %s", error)
