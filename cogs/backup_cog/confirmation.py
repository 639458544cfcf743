"""What every confirmation has in common: whose it is, that it works once, and that it ends.

The first it shares with all views that belong to one person. It is bound to the person who asked and checks the
permission at every click, because a message outlives a permission. It does not survive a restart, on purpose: a message
that is months old must not do anything.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import discord

from .controls import mark_live
from .formatting import Reply
from .language import phrase
from .permissions import Interaction, NotAllowed
from .responses import QUIET, Answer

__all__ = ["Asking", "Confirmation", "OwnedView"]

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Asking:
    """What such a view needs of the cog: the check of a permission, and how people are answered.

    ``asked`` is the interaction whose answer it stands under, ``seconds`` how long it waits.
    """

    asked: Interaction
    authorise: Callable[[Interaction], Awaitable[None]]
    answer: Callable[[Interaction], Answer]
    answer_error: Callable[[Interaction, BaseException], Awaitable[None]]
    seconds: float


class OwnedView(discord.ui.View):
    """A view of the person who asked, whose permission is checked at every click."""

    def __init__(self, asking: Asking) -> None:
        super().__init__(timeout=asking.seconds)
        self.asking = asking

    async def interaction_check(self, interaction: Interaction, /) -> bool:  # type: ignore[override]
        """Accept clicks only of the person who asked, and only while that person may do it."""
        mark_live(interaction)
        self.require_who_asked(interaction)
        await self.asking.authorise(interaction)
        return True

    def require_who_asked(self, interaction: Interaction) -> None:
        """Raise NotAllowed for everybody else."""
        if interaction.user.id != self.asking.asked.user.id:
            # Raised, not returned as False: ``answer_error`` answers it like every other refusal.
            raise NotAllowed(phrase("These buttons belong to the person who asked for them."))

    def disable(self) -> None:
        """Disable the controls; whoever calls it shows that."""
        for child in self.children:
            if isinstance(child, discord.ui.Button | discord.ui.Select):
                child.disabled = True

    async def on_error(self, interaction: Interaction, error: Exception, _: discord.ui.Item[Any], /) -> None:  # type: ignore[override]
        """Answer the error like every other one."""
        await self.asking.answer_error(interaction, error)


class Confirmation(OwnedView):
    """Buttons under a preview; ``action`` is what was asked for, as in "the restore"."""

    action = ""

    def __init__(self, asking: Asking) -> None:
        super().__init__(asking)
        self.over = False
        """True once it does not count any more."""

    def end(self) -> bool:
        """Make this confirmation invalid; return True if it was valid until now."""
        was_open, self.over = not self.over, True
        self.stop()
        return was_open

    def timed_out(self) -> Reply:
        """Return what is shown when nobody confirmed in time."""
        raise NotImplementedError

    def left_over(self) -> discord.ui.View:
        """Return the controls that stay when nobody confirmed in time: these, which are disabled by then."""
        return self

    async def on_timeout(self) -> None:
        """Disable the controls and show that nothing was done."""
        if self.over:
            return
        self.over = True
        self.disable()
        try:
            await self.asking.asked.edit_original_response(
                embed=self.timed_out().embed, view=self.left_over(), allowed_mentions=QUIET
            )
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            # It was dismissed, is too old to be edited, or Discord is away; the controls do nothing in any case.
            log.debug("The preview of %s could not be edited: %s", self.action, error)
