"""The confirmation of a rescue: what to do with each conflict, and two buttons under the preview.

Like that of a restore it belongs to the person who asked and to the state that is shown, works once, and checks the
permission at every click. One click is enough where nobody else loses anything: all the rest stays, and a rescue can be
taken back. Where rows are taken from others, a second button, with their number on it, comes in the place of the first.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence

import discord

from ..confirmation import Asking, Confirmation
from ..controls import custom_id
from ..core_api import RescueConflict, RescuePlan
from ..formatting import CHOICE_LIMIT, CHOICES_LIMIT, Reply, clip, visible
from ..language import core_text, plural, text
from ..permissions import Interaction
from ..responses import Answer
from ..restore_embeds import over
from . import rescue_texts

__all__ = ["RescueConfirmation"]

_DANGER, _NEUTRAL = discord.ButtonStyle.danger, discord.ButtonStyle.secondary


class RescueConfirmation(Confirmation):
    """The controls under the preview of a rescue.

    ``preview`` is what stands above them. ``plan`` returns the plan that takes the conflicts with these names,
    ``rescue`` carries a plan out.
    """

    action = "rescue"

    def __init__(
        self,
        asking: Asking,
        name: str,
        shown: RescuePlan,
        preview: Reply,
        plan: Callable[[Sequence[str]], Awaitable[RescuePlan]],
        rescue: Callable[[Answer, RescuePlan], Awaitable[None]],
    ) -> None:
        super().__init__(asking)
        self.shown = shown
        self._name, self._preview, self._plan, self._rescue = name, preview, plan, rescue
        self._unique = secrets.token_hex(8)
        self._page = 0
        self._warned = False
        """True once the button says how many rows are taken from others."""
        self._fit()

    def _id(self, word: str) -> str:
        return custom_id(word, f"rescue:{self._unique}")

    def _fit(self) -> None:
        """Offer what can be decided about this plan."""
        self.clear_items()
        open_ones = self._open()
        if open_ones:
            self.add_item(_Choice(self._id("conflicts"), self._part(), self.choose))
        taken = rescue_texts.taken_from(self.shown)
        if len(open_ones) > 1:
            self._button("take_all", text("Take all"), self.take_all, row=1, disabled=taken == len(open_ones))
            self._button("take_none", text("Leave all"), self.take_none, row=1, disabled=not taken)
        last = max(0, len(open_ones) - 1) // CHOICES_LIMIT
        if last:
            self._button("earlier", text("Earlier conflicts"), self.back, row=1, disabled=self._page == 0)
            self._button("later", text("More conflicts"), self.forward, row=1, disabled=self._page == last)
        if taken and self._warned:
            label = plural(taken, "Take {count} row from others, too", "Take {count} rows from others, too")
            self._button("put_back_all", label, self.confirm_all, row=2, style=_DANGER)
        else:
            disabled = not self.shown.writes
            self._button("put_back", text("Put back"), self.confirm, row=2, style=_DANGER, disabled=disabled)
        self._button("cancel", text("Cancel"), self.cancel, row=2)

    def _button(
        self,
        word: str,
        label: str,
        does: Callable[[Interaction], Awaitable[None]],
        *,
        row: int,
        style: discord.ButtonStyle = _NEUTRAL,
        disabled: bool = False,
    ) -> None:
        self.add_item(_Click(self._id(word), label, does, row=row, style=style, disabled=disabled))

    def _open(self) -> list[RescueConflict]:
        return [conflict for conflict in self.shown.conflicts if conflict.takeable]

    def _part(self) -> list[RescueConflict]:
        first = self._page * CHOICES_LIMIT
        return self._open()[first : first + CHOICES_LIMIT]

    async def choose(self, interaction: Interaction, values: Sequence[str]) -> None:
        """Take the conflicts of this page that were chosen, and leave its others."""
        part = self._part()
        here = {each.name for each in part}
        elsewhere = [each.name for each in self.shown.conflicts if each.taken and each.name not in here]
        await self._decide(interaction, [*elsewhere, *(each.name for each in part if _value(each) in values)])

    async def take_all(self, interaction: Interaction) -> None:
        """Take all conflicts."""
        await self._decide(interaction, [each.name for each in self._open()])

    async def take_none(self, interaction: Interaction) -> None:
        """Leave all conflicts."""
        await self._decide(interaction, [])

    async def _decide(self, interaction: Interaction, names: Sequence[str]) -> None:
        """Make the plan anew with what was decided, and show it."""
        answer = await self._began(interaction)
        if answer is None:
            return
        shown = await self._plan(tuple(dict.fromkeys(names)))
        # In a thread: thousands of conflicts take seconds. Until it is there, the plan before it is what counts.
        preview = await asyncio.to_thread(rescue_texts.rescue_preview, self._name, shown)
        if self.over:
            return  # a click on another component came meanwhile, and shows what it does
        self.shown, self._preview, self._warned = shown, preview, False
        await self._show(answer, turns=False)

    async def back(self, interaction: Interaction) -> None:
        """Show the conflicts before these."""
        await self._turn(interaction, -1)

    async def forward(self, interaction: Interaction) -> None:
        """Show the next conflicts."""
        await self._turn(interaction, 1)

    async def _turn(self, interaction: Interaction, pages: int) -> None:
        answer = await self._began(interaction)
        if answer is not None:
            self._page = min(max(0, self._page + pages), max(0, len(self._open()) - 1) // CHOICES_LIMIT)
            await self._show(answer)

    async def confirm(self, interaction: Interaction) -> None:
        """Carry it out where nobody else loses anything; else put the button in this one's place that says so."""
        if not rescue_texts.taken_from(self.shown):
            await self.confirm_all(interaction)
            return
        answer = await self._began(interaction)
        if answer is not None:
            self._warned = True
            await self._show(answer)

    async def confirm_all(self, interaction: Interaction) -> None:
        """Carry it out, once."""
        answer = await self._began(interaction, decides=True)
        if answer is not None:
            await self._rescue(answer, self.shown)

    async def cancel(self, interaction: Interaction) -> None:
        """Change nothing."""
        answer = await self._began(interaction, decides=True)
        if answer is not None:
            await answer.show(rescue_texts.cancelled())

    async def _began(self, interaction: Interaction, *, decides: bool = False) -> Answer | None:
        """Acknowledge a click, after which nothing is left to decide if it ``decides``; None if all is over already."""
        # Two clicks can come at once: the view is over before anything is awaited.
        if self.over or (decides and not self.end()):
            # Beside the preview, which shows the progress or the outcome of an earlier click.
            await self.asking.answer(interaction).fail(over())
            return None
        answer = self.asking.answer(interaction)
        await answer.defer(thinking=False)
        return answer

    async def _show(self, answer: Answer, *, turns: bool = True) -> None:
        self._fit()
        await answer.show(self._preview, view=self, turns=turns)

    def timed_out(self) -> Reply:
        """Return what is shown if nobody confirmed."""
        return rescue_texts.timed_out(self.asking.seconds)


def _value(conflict: RescueConflict) -> str:
    """Return what stands for a conflict in a select, where its name may be too long."""
    return hashlib.sha256(conflict.name.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class _Choice(discord.ui.Select[RescueConfirmation]):
    """The conflicts of a page, of which those that are chosen are taken."""

    def __init__(
        self,
        control: str,
        conflicts: Sequence[RescueConflict],
        choose: Callable[[Interaction, Sequence[str]], Awaitable[None]],
    ) -> None:
        options = [
            discord.SelectOption(
                label=clip(visible(rescue_texts.conflict_title(each)), CHOICE_LIMIT),
                description=clip(visible(core_text(each.why)), CHOICE_LIMIT),
                value=_value(each),
                default=each.taken,
            )
            for each in conflicts
        ]
        said = text("Take these all the same; the others are left")
        super().__init__(
            custom_id=control, placeholder=said, options=options, min_values=0, max_values=len(options), row=0
        )
        self._choose = choose

    async def callback(self, interaction: Interaction) -> None:  # type: ignore[override]
        await self._choose(interaction, self.values)


class _Click(discord.ui.Button[RescueConfirmation]):
    """A button that does one thing."""

    def __init__(
        self,
        control: str,
        label: str,
        does: Callable[[Interaction], Awaitable[None]],
        *,
        row: int,
        style: discord.ButtonStyle,
        disabled: bool,
    ) -> None:
        super().__init__(custom_id=control, label=label, row=row, style=style, disabled=disabled)
        self._does = does

    async def callback(self, interaction: Interaction) -> None:  # type: ignore[override]
        await self._does(interaction)
