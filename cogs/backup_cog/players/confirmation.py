"""The confirmation of a rescue: what to do with conflicts, and two buttons under the preview.

Like that of a restore it belongs to the person who asked and to the state that is shown, works once, and checks the
permission at every click. One click is enough: everything else stays as it is, and a rescue can be taken back.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import discord

from ..controls import custom_id, mark_live
from ..core_api import ConflictRule, RescuePlan
from ..formatting import Reply
from ..permissions import Interaction, NotAllowed
from ..responses import QUIET, Answer
from . import texts

__all__ = ["RescueConfirmation"]

log = logging.getLogger(__name__)
_RULES = {
    ConflictRule.SKIP: ("Leave conflicts as they are", "What is somebody else's now, or changed since, stays."),
    ConflictRule.TAKE: ("Take them all the same", "Also from whoever holds them now."),
}


class RescueConfirmation(discord.ui.View):
    """The buttons under the preview that ``asked`` shows; ``timeout`` is in seconds.

    ``plan`` gives the plan for a rule, ``rescue`` carries it out.
    """

    def __init__(
        self,
        asked: Interaction,
        name: str,
        shown: RescuePlan,
        *,
        authorise: Callable[[Interaction], Awaitable[None]],
        plan: Callable[[ConflictRule], Awaitable[RescuePlan]],
        rescue: Callable[[Answer, RescuePlan], Awaitable[None]],
        answer: Callable[[Interaction], Answer],
        answer_error: Callable[[Interaction, BaseException], Awaitable[None]],
        timeout: float,
    ) -> None:
        super().__init__(timeout=timeout)
        self.shown = shown
        self._asked, self._name = asked, name
        self._authorise, self._plan, self._rescue = authorise, plan, rescue
        self._answer, self._answer_error = answer, answer_error
        self._over = False
        unique = secrets.token_hex(8)
        for item, word in ((self.rules, "rules"), (self.confirm, "put_back"), (self.cancel, "cancel")):
            item.custom_id = custom_id(word, f"rescue:{unique}")
        self._fit()

    def _fit(self) -> None:
        """Show the choice only where there are conflicts, and let nothing be confirmed where nothing would be done."""
        self.confirm.disabled = not self.shown.writes
        self.rules.options = [  # type: ignore[assignment]
            discord.SelectOption(
                label=label, description=text, value=rule, default=rule is self.shown.options.conflicts
            )
            for rule, (label, text) in _RULES.items()
        ]
        if not self.shown.conflicts:
            self.remove_item(self.rules)

    async def interaction_check(self, interaction: Interaction, /) -> bool:  # type: ignore[override]
        """Accept clicks only of the person who asked, and only while they may restore."""
        mark_live(interaction)
        if interaction.user.id != self._asked.user.id:
            raise NotAllowed("These buttons belong to the person who asked for the rescue.")
        await self._authorise(interaction)
        return True

    @discord.ui.select(placeholder="Conflicts", options=[discord.SelectOption(label="Leave them")])
    async def rules(self, interaction: Interaction, select: discord.ui.Select[RescueConfirmation]) -> None:
        """Make the plan anew with the rule that was chosen."""
        if self._over:
            await self._too_late(interaction)
            return
        answer = self._answer(interaction)
        await answer.defer(thinking=False)
        shown = await self._plan(ConflictRule(select.values[0]))
        if self._over:
            return  # a click on another component came meanwhile, and shows what it does
        self.shown = shown
        self._fit()
        await answer.show(texts.rescue_preview(self._name, self.shown), view=self)

    @discord.ui.button(label="Put back", style=discord.ButtonStyle.danger)
    async def confirm(self, interaction: Interaction, _: discord.ui.Button[RescueConfirmation]) -> None:
        """Carry it out, once."""
        # Two clicks can come at once: the view is over before anything is awaited.
        if not self.end():
            await self._too_late(interaction)
            return
        answer = self._answer(interaction)
        await answer.defer(thinking=False)
        await self._rescue(answer, self.shown)

    @discord.ui.button(label="Cancel", style=discord.ButtonStyle.secondary)
    async def cancel(self, interaction: Interaction, _: discord.ui.Button[RescueConfirmation]) -> None:
        """Change nothing."""
        if not self.end():
            await self._too_late(interaction)
            return
        answer = self._answer(interaction)
        await answer.defer(thinking=False)
        await answer.show(texts.cancelled())

    async def _too_late(self, interaction: Interaction) -> None:
        """Answer beside the preview, which shows the progress or the outcome of an earlier click."""
        await self._answer(interaction).fail(texts.over())

    def end(self) -> bool:
        """Make this confirmation invalid; return True if it was valid until now."""
        was_open, self._over = not self._over, True
        self.stop()
        return was_open

    async def on_timeout(self) -> None:
        """Show that nothing was done."""
        if not self._over:
            self._over = True
            await self._edit(texts.timed_out(self.timeout or 0.0))

    async def _edit(self, reply: Reply) -> None:
        try:
            await self._asked.edit_original_response(embed=reply.embed, view=None, allowed_mentions=QUIET)
        except discord.HTTPException as error:
            log.debug("The preview of a rescue could not be edited: %s", error)

    async def on_error(self, interaction: Interaction, error: Exception, _: discord.ui.Item[Any], /) -> None:  # type: ignore[override]
        """Answer the error like every other one."""
        await self._answer_error(interaction, error)
