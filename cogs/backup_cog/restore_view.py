"""The confirmation of a restore: two buttons under the preview, and a modal in which the id is typed.

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
from .permissions import Interaction
from .responses import Answer, acknowledge

__all__ = ["RestoreConfirmation", "take_modal"]

_ID_LENGTH = 12


class RestoreConfirmation(Confirmation):
    """The buttons Confirm and Cancel under a preview of a restore."""

    action = "the restore"

    def __init__(
        self, asking: Asking, plan: RestorePlan, restore: Callable[[Answer, RestorePlan], Awaitable[None]]
    ) -> None:
        super().__init__(asking)
        self.plan = plan
        self._unique = secrets.token_hex(8)
        # A click that comes too late names the snapshot, so that its answer can offer to look again.
        self.confirm.custom_id = self.custom_id("confirm")
        self.cancel.custom_id = self.custom_id("cancel")
        self._restore = restore

    def custom_id(self, word: str) -> str:
        """Return the custom id of a component of this confirmation, which begins with the snapshot's id."""
        return custom_id(word, f"{self.plan.snapshot.id}:{self._unique}")

    @discord.ui.button(label="Confirm", style=discord.ButtonStyle.danger)
    async def confirm(self, interaction: Interaction, _: discord.ui.Button[RestoreConfirmation]) -> None:
        """Ask for the id."""
        if self.over:
            await self._too_late(interaction)
        else:
            await acknowledge(lambda: interaction.response.send_modal(_TypedConfirmation(self)))

    @discord.ui.button(label="Cancel", style=discord.ButtonStyle.secondary)
    async def cancel(self, interaction: Interaction, _: discord.ui.Button[RestoreConfirmation]) -> None:
        """Cancel the restore."""
        if not self.end():
            await self._too_late(interaction)
            return
        shown = restore_embeds.cancelled().embed
        await acknowledge(lambda: interaction.response.edit_message(embed=shown, view=None))

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
        again = button(custom_id(LOOK, self.plan.snapshot.id), "Look again")
        await self.asking.answer(interaction).fail(restore_embeds.over(), view=again)

    def timed_out(self) -> Reply:
        """Return what is shown if nobody confirmed."""
        return restore_embeds.timed_out(self.asking.seconds)


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


class _TypedConfirmation(discord.ui.Modal, title="Restore the database?"):
    """The second step of the confirmation: a click can slip or be automated, typing the id cannot."""

    typed: discord.ui.Label[_TypedConfirmation] = discord.ui.Label(
        text="The first characters of the snapshot's id",
        component=discord.ui.TextInput(
            custom_id="snapshot_id", min_length=restore_embeds.CONFIRMATION_LENGTH, max_length=_ID_LENGTH
        ),
    )

    def __init__(self, view: RestoreConfirmation) -> None:
        super().__init__(timeout=view.timeout, custom_id=view.custom_id("typed"))
        self._view = view

    async def on_submit(self, interaction: Interaction, /) -> None:  # type: ignore[override]
        """Submit the typed text to the view."""
        component = self.typed.component
        assert isinstance(component, discord.ui.TextInput)
        await self._view.submit(interaction, component.value)

    async def on_error(self, interaction: Interaction, error: Exception, /) -> None:  # type: ignore[override]
        """Answer the error like every other one."""
        await self._view.asking.answer_error(interaction, error)
