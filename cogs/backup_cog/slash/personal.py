"""Controls that belong to one person, for as long as that person uses them."""

from __future__ import annotations

import logging
from typing import Any

import aiohttp
import discord

from ..confirmation import Asking
from ..controls import mark_live
from ..language import phrase
from ..permissions import Interaction, NotAllowed
from ..responses import QUIET, Answer

__all__ = ["PersonalView"]

log = logging.getLogger(__name__)


class PersonalView(discord.ui.View):
    """A view of the person who asked, whose permission is checked at every click.

    After ``asking.seconds`` without a click its controls are disabled, by the answer to the last click that changed the
    message: Discord accepts that for 15 minutes.
    """

    def __init__(self, asking: Asking) -> None:
        super().__init__(timeout=asking.seconds)
        self.asking = asking
        self._last = asking.asked

    async def interaction_check(self, interaction: Interaction, /) -> bool:  # type: ignore[override]
        """Accept clicks only of the person who asked, and only while that person may do it."""
        mark_live(interaction)
        self.asking.answer(interaction)  # speaks the person's language from here on
        if interaction.user.id != self.asking.asked.user.id:
            # Raised, not returned as False: ``answer_error`` answers it like every other refusal.
            raise NotAllowed(phrase("These buttons belong to the person who asked for them."))
        await self.asking.authorise(interaction)
        return True

    async def in_place(self, interaction: Interaction) -> Answer:
        """Acknowledge a click and return its answer, which takes the place of the message with the controls."""
        answer = self.asking.answer(interaction)
        await answer.defer(thinking=False)
        self._last = interaction
        return answer

    async def on_timeout(self) -> None:
        """Disable the controls."""
        for child in self.children:
            if isinstance(child, discord.ui.Button | discord.ui.Select):
                child.disabled = True
        try:
            await self._last.edit_original_response(view=self, allowed_mentions=QUIET)
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            # It was dismissed, or Discord is away. The cog's listener answers a click on what is still shown somewhere.
            log.debug("Controls could not be disabled: %s", error)

    async def on_error(self, interaction: Interaction, error: Exception, _: discord.ui.Item[Any], /) -> None:  # type: ignore[override]
        """Answer the error like every other one."""
        await self.asking.answer_error(interaction, error)
