"""The confirmation of a restore: buttons under the preview, and a modal in which the id is typed if something is lost.

It is bound to the snapshot, and to the state that the preview shows (the plan's token).
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import discord

from . import restore_embeds
from .confirmation import Asking, Confirmation
from .controls import LOOK, button, custom_id, mark_live, typed_text
from .core_api import RestorePlan
from .formatting import Reply
from .language import text
from .permissions import Interaction
from .responses import QUIET, Answer, acknowledge

__all__ = ["RestoreConfirmation", "look_again", "take_modal"]

_ID_LENGTH = 40
"""The longest text that is taken: an id, and the blanks of whoever types or pastes it."""


def look_again(snapshot: str) -> discord.ui.View:
    """Return the button that shows how things stand now."""
    return button(custom_id(LOOK, snapshot), text("Look again"))


class RestoreConfirmation(Confirmation):
    """The buttons under a preview of a restore: Confirm and Cancel, and two that turn the pages of the events.

    ``shown`` returns the preview with a page of the events.
    """

    action = "restore"

    def __init__(
        self,
        asking: Asking,
        plan: RestorePlan,
        restore: Callable[[Answer, RestorePlan], Awaitable[None]],
        shown: Callable[[int], Reply] | None = None,
    ) -> None:
        super().__init__(asking)
        self.plan = plan
        self._unique = secrets.token_hex(8)
        labels = {"confirm": text("Confirm"), "cancel": text("Cancel")}
        labels |= {"newer": text("Newer events"), "older": text("Older events")}
        for word, label in labels.items():
            item: discord.ui.Button[RestoreConfirmation] = getattr(self, word)
            # A click that comes too late names the snapshot, so that its answer can offer to look again.
            item.label, item.custom_id = label, self.custom_id(word)
        self._restore = restore
        self._shown = shown or (lambda page: restore_embeds.preview(plan, page=page))
        self._page, self._last_page = 0, len(restore_embeds.pages(plan.lost)) - 1
        self._fit()

    def _fit(self) -> None:
        """Let pages be turned only where there is another one."""
        self.newer.disabled, self.older.disabled = self._page == 0, self._page == self._last_page
        if not self._last_page:
            self.remove_item(self.newer)
            self.remove_item(self.older)

    def custom_id(self, word: str) -> str:
        """Return the custom id of a component of this confirmation, which begins with the snapshot's id."""
        return custom_id(word, f"{self.plan.snapshot.id}:{self._unique}")

    @discord.ui.button(style=discord.ButtonStyle.danger)
    async def confirm(self, interaction: Interaction, _: discord.ui.Button[RestoreConfirmation]) -> None:
        """Ask for the id if something is lost; if nothing is, this click is enough."""
        if self.over:
            await self._too_late(interaction)
        elif restore_embeds.is_one_click(self.plan):
            # Two clicks can come at once: the view is over before anything is awaited.
            self.end()
            answer = self.asking.answer(interaction)
            await answer.defer(thinking=False)
            await self._restore(answer, self.plan)
        else:
            await acknowledge(lambda: interaction.response.send_modal(_TypedConfirmation(self)))

    @discord.ui.button(style=discord.ButtonStyle.secondary)
    async def cancel(self, interaction: Interaction, _: discord.ui.Button[RestoreConfirmation]) -> None:
        """Cancel the restore."""
        if not self.end():
            await self._too_late(interaction)
            return
        shown = restore_embeds.cancelled().embed
        await acknowledge(lambda: interaction.response.edit_message(embed=shown, view=None))

    @discord.ui.button(style=discord.ButtonStyle.secondary, row=1)
    async def newer(self, interaction: Interaction, _: discord.ui.Button[RestoreConfirmation]) -> None:
        """Show the page before."""
        await self._turn(interaction, -1)

    @discord.ui.button(style=discord.ButtonStyle.secondary, row=1)
    async def older(self, interaction: Interaction, _: discord.ui.Button[RestoreConfirmation]) -> None:
        """Show the next page."""
        await self._turn(interaction, 1)

    async def _turn(self, interaction: Interaction, pages: int) -> None:
        if self.over:
            await self._too_late(interaction)
            return
        self._page = min(self._last_page, max(0, self._page + pages))
        self._fit()
        shown = self._shown(self._page).embed
        await acknowledge(lambda: interaction.response.edit_message(embed=shown, view=self, allowed_mentions=QUIET))

    async def submit(self, interaction: Interaction, typed: str) -> None:
        """Restore if the typed text names the snapshot."""
        mark_live(interaction)
        # Before anything else: a modal that somebody forges must not end the preview of the one who asked.
        self.require_who_asked(interaction)
        if self.over:
            await self._too_late(interaction)
        elif not restore_embeds.confirms(typed, self.plan.snapshot):
            await self.asking.answer(interaction).fail(restore_embeds.wrong_id(self.plan.snapshot))
        else:
            # Two modals can be submitted at once: the view is over before anything is awaited.
            self.end()
            answer = self.asking.answer(interaction)
            await answer.defer(thinking=False)
            await self.interaction_check(interaction)
            await self._restore(answer, self.plan)

    async def _too_late(self, interaction: Interaction) -> None:
        answer = self.asking.answer(interaction)
        await answer.fail(restore_embeds.over(), view=look_again(self.plan.snapshot.id))

    def timed_out(self) -> Reply:
        """Return what is shown if nobody confirmed."""
        return restore_embeds.timed_out(self.asking.seconds)

    def left_over(self) -> discord.ui.View:
        """Return the button that shows how things stand now."""
        return look_again(self.plan.snapshot.id)


async def take_modal(views: Iterable[discord.ui.View], interaction: Interaction) -> bool:
    """Submit what was typed to the confirmation whose modal it was typed into; return False if there is none.

    For modals that discord.py does not know of: Discord has shown them, and its reply was lost.
    """
    data: Mapping[str, Any] = interaction.data or {}
    for view in views:
        if isinstance(view, RestoreConfirmation) and data.get("custom_id") == view.custom_id("typed"):
            await view.submit(interaction, typed_text(interaction))
            return True
    return False


class _TypedConfirmation(discord.ui.Modal):
    """The second step of the confirmation: a click can slip or be automated, typing the id cannot."""

    typed: discord.ui.Label[_TypedConfirmation] = discord.ui.Label(
        text="id",
        component=discord.ui.TextInput(
            custom_id="snapshot_id", min_length=restore_embeds.CONFIRMATION_LENGTH, max_length=_ID_LENGTH
        ),
    )

    def __init__(self, view: RestoreConfirmation) -> None:
        super().__init__(title=text("Restore the database?"), timeout=view.timeout, custom_id=view.custom_id("typed"))
        self.typed.text = text("The first {count} characters of the id", count=restore_embeds.CONFIRMATION_LENGTH)
        self.typed.description = text("Snapshot {id}", id=view.plan.snapshot.id)
        component = self.typed.component
        assert isinstance(component, discord.ui.TextInput)
        component.placeholder = restore_embeds.first(view.plan.snapshot)
        self._view = view

    async def on_submit(self, interaction: Interaction, /) -> None:  # type: ignore[override]
        """Submit the typed text to the view."""
        component = self.typed.component
        assert isinstance(component, discord.ui.TextInput)
        await self._view.submit(interaction, component.value)

    async def on_error(self, interaction: Interaction, error: Exception, /) -> None:  # type: ignore[override]
        """Answer the error like every other one."""
        await self._view.asking.answer_error(interaction, error)
