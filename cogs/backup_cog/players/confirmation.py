"""The confirmation of a rescue: what to do with conflicts, and two buttons under the preview.

Like that of a restore it belongs to the person who asked and to the state that is shown, works once, and checks the
permission at every click. One click is enough: everything else stays as it is, and a rescue can be taken back.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

import discord

from ..confirmation import Asking, Confirmation
from ..controls import custom_id
from ..core_api import ConflictRule, RescuePlan
from ..formatting import Reply
from ..permissions import Interaction
from ..responses import Answer
from ..restore_embeds import over
from . import texts

__all__ = ["RescueConfirmation"]

_RULES = {
    ConflictRule.SKIP: ("Leave conflicts as they are", "What is somebody else's now, or changed since, stays."),
    ConflictRule.TAKE: ("Take them all the same", "Also from whoever holds them now."),
}


class RescueConfirmation(Confirmation):
    """The controls under the preview of a rescue; ``plan`` gives the plan for a rule, ``rescue`` carries it out."""

    action = "the rescue"

    def __init__(
        self,
        asking: Asking,
        name: str,
        shown: RescuePlan,
        plan: Callable[[ConflictRule], Awaitable[RescuePlan]],
        rescue: Callable[[Answer, RescuePlan], Awaitable[None]],
    ) -> None:
        super().__init__(asking)
        self.shown = shown
        self._name, self._plan, self._rescue = name, plan, rescue
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

    @discord.ui.select(placeholder="Conflicts", options=[discord.SelectOption(label="Leave them")])
    async def rules(self, interaction: Interaction, select: discord.ui.Select[RescueConfirmation]) -> None:
        """Make the plan anew with the rule that was chosen."""
        if self.over:
            await self._too_late(interaction)
            return
        answer = self.asking.answer(interaction)
        await answer.defer(thinking=False)
        shown = await self._plan(ConflictRule(select.values[0]))
        if self.over:
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
        answer = self.asking.answer(interaction)
        await answer.defer(thinking=False)
        await self._rescue(answer, self.shown)

    @discord.ui.button(label="Cancel", style=discord.ButtonStyle.secondary)
    async def cancel(self, interaction: Interaction, _: discord.ui.Button[RescueConfirmation]) -> None:
        """Change nothing."""
        if not self.end():
            await self._too_late(interaction)
            return
        answer = self.asking.answer(interaction)
        await answer.defer(thinking=False)
        await answer.show(texts.cancelled())

    async def _too_late(self, interaction: Interaction) -> None:
        """Answer beside the preview, which shows the progress or the outcome of an earlier click."""
        await self.asking.answer(interaction).fail(over())

    def timed_out(self) -> Reply:
        """Return what is shown if nobody confirmed."""
        return texts.timed_out(self.asking.seconds)
