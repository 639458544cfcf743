"""The confirmation of a restore: two buttons under the preview, and a modal in which the id is typed.

It is bound to the person who asked, to the snapshot, and to the state that the preview shows (the plan's token), and it
works once. Every click and every modal is checked for permission again, because a message outlives a permission. It
does not survive a restart, on purpose: a message that is months old must not restore anything.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import discord

from . import restore_embeds
from .controls import LOOK, button, custom_id, mark_live
from .core_api import RestorePlan
from .formatting import Reply
from .permissions import Interaction, NotAllowed
from .responses import QUIET, Answer, acknowledge

__all__ = ["RestoreConfirmation"]

log = logging.getLogger(__name__)
_ID_LENGTH = 12


class RestoreConfirmation(discord.ui.View):
    """The buttons Confirm and Cancel under the preview that ``asked`` shows; ``timeout`` is in seconds."""

    def __init__(
        self,
        asked: Interaction,
        plan: RestorePlan,
        *,
        authorise: Callable[[Interaction], Awaitable[None]],
        restore: Callable[[Answer, RestorePlan], Awaitable[None]],
        answer: Callable[[Interaction], Answer],
        answer_error: Callable[[Interaction, BaseException], Awaitable[None]],
        timeout: float,
    ) -> None:
        super().__init__(timeout=timeout)
        self._answer = answer
        self.asked = asked
        self.plan = plan
        self._unique = secrets.token_hex(8)
        # A click that comes too late names the snapshot, so that its answer can offer to look again.
        self.confirm.custom_id = self.custom_id("confirm")
        self.cancel.custom_id = self.custom_id("cancel")
        self.answer_error = answer_error
        self._authorise = authorise
        self._restore = restore
        self._over = False

    def custom_id(self, word: str) -> str:
        """Return the custom id of a component of this confirmation, which begins with the snapshot's id."""
        return custom_id(word, f"{self.plan.snapshot.id}:{self._unique}")

    async def interaction_check(self, interaction: Interaction, /) -> bool:  # type: ignore[override]
        """Accept clicks only of the person who asked, and only while they may restore."""
        mark_live(interaction)
        self._require_who_asked(interaction)
        await self._authorise(interaction)
        return True

    def _require_who_asked(self, interaction: Interaction) -> None:
        if interaction.user.id != self.asked.user.id:
            # Raised, not returned as False: ``answer_error`` answers it like every other refusal.
            raise NotAllowed("These buttons belong to the person who asked for the restore.")

    @discord.ui.button(label="Confirm", style=discord.ButtonStyle.danger)
    async def confirm(self, interaction: Interaction, _: discord.ui.Button[RestoreConfirmation]) -> None:
        """Ask for the id."""
        if self._over:
            await self._too_late(interaction)
        else:
            await acknowledge(lambda: interaction.response.send_modal(_TypedConfirmation(self)))

    @discord.ui.button(label="Cancel", style=discord.ButtonStyle.secondary)
    async def cancel(self, interaction: Interaction, _: discord.ui.Button[RestoreConfirmation]) -> None:
        """Cancel the restore."""
        if not self._end():
            await self._too_late(interaction)
            return
        shown = restore_embeds.cancelled().embed
        await acknowledge(lambda: interaction.response.edit_message(embed=shown, view=None))

    async def submit(self, interaction: Interaction, typed: str) -> None:
        """Restore if the typed text names the snapshot."""
        mark_live(interaction)
        # Before anything else: a modal that somebody forges must not end the preview of the one who asked.
        self._require_who_asked(interaction)
        if self._over:
            await self._too_late(interaction)
        elif not restore_embeds.confirms(typed, self.plan.snapshot):
            await self._answer(interaction).fail(restore_embeds.wrong_id(self.plan.snapshot))
        else:
            # Two modals can be submitted at once: the view is over before anything is awaited.
            self._end()
            answer = self._answer(interaction)
            await answer.defer(thinking=False)
            await self.interaction_check(interaction)
            await self._restore(answer, self.plan)

    async def _too_late(self, interaction: Interaction) -> None:
        again = button(custom_id(LOOK, self.plan.snapshot.id), "Look again")
        await self._answer(interaction).fail(restore_embeds.over(), view=again)

    def _end(self) -> bool:
        """Make this confirmation invalid; return True if it was valid until now."""
        was_open, self._over = not self._over, True
        self.stop()
        return was_open

    async def on_timeout(self) -> None:
        """Disable the buttons and show that nothing was done."""
        if self._over:
            return
        self._over = True
        for child in self.children:
            if isinstance(child, discord.ui.Button):
                child.disabled = True
        await self._edit(restore_embeds.timed_out(self.timeout or 0.0))

    async def _edit(self, reply: Reply) -> None:
        try:
            await self.asked.edit_original_response(embed=reply.embed, view=self, allowed_mentions=QUIET)
        except discord.HTTPException as error:
            # It was dismissed, or is too old to be edited; the buttons do nothing in either case.
            log.debug("The preview of a restore could not be edited: %s", error)

    async def on_error(self, interaction: Interaction, error: Exception, _: discord.ui.Item[Any], /) -> None:  # type: ignore[override]
        """Answer the error like every other one."""
        await self.answer_error(interaction, error)


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
        await self._view.answer_error(interaction, error)
