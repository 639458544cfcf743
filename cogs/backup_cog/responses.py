"""Answers to a person's interaction: in place while Discord accepts them, by direct message after that.

Discord accepts answers for 15 minutes. A restore or a verification can take longer, and its outcome must reach the
person all the same. That an answer cannot be shown says nothing about the backup.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import discord

from . import embeds
from .formatting import Reply
from .permissions import Interaction

__all__ = ["QUIET", "Answer", "ProgressDisplay", "cannot_answer"]

QUIET = discord.AllowedMentions.none()

log = logging.getLogger(__name__)
_CODES = frozenset({10008, 10015, 10062, 40060, 50027})
"""Unknown message, unknown webhook, unknown interaction, already acknowledged, invalid webhook token."""
_ACKNOWLEDGED = 40060
_UNAUTHORIZED = 401
_EDIT_SECONDS = 2.0
_OWN_MESSAGE = (
    discord.InteractionResponseType.deferred_channel_message,
    discord.InteractionResponseType.deferred_message_update,
)


def cannot_answer(error: discord.HTTPException) -> bool:
    """Return True if the error means that nobody can answer the interaction any more."""
    return error.code in _CODES or error.status == _UNAUTHORIZED


class Answer:
    """The answer to one interaction, visible only to the person who began it."""

    def __init__(self, interaction: Interaction) -> None:
        self.interaction = interaction
        self._lost = False

    async def defer(self, *, thinking: bool = True) -> None:
        """Acknowledge the interaction; without ``thinking`` the answer will replace the message that was clicked."""
        try:
            await self.interaction.response.defer(ephemeral=True, thinking=thinking)
        except discord.HTTPException as error:
            if not cannot_answer(error):
                raise
            # A request that was sent twice answers 40060 the second time: it is acknowledged.
            self._lost = error.code != _ACKNOWLEDGED

    async def show(self, reply: Reply, *, view: discord.ui.View | None = None) -> None:
        """Show the reply as the answer, or send it by direct message if Discord no longer accepts an answer."""
        if not self._lost:
            try:
                await self.interaction.edit_original_response(
                    content=None, embed=reply.embed, attachments=reply.files(), view=view, allowed_mentions=QUIET
                )
            except discord.HTTPException as error:
                if not cannot_answer(error):
                    raise
                self._lost = True
            else:
                return
        await self._send_elsewhere(reply)

    async def update(self, reply: Reply) -> None:
        """Show something temporary as the answer; a failure to do so is ignored, because the final reply follows."""
        if self._lost:
            return
        try:
            await self.interaction.edit_original_response(
                content=None, embed=reply.embed, attachments=[], view=None, allowed_mentions=QUIET
            )
        except Exception as error:  # noqa: BLE001 - a restore must not stop because its progress cannot be shown
            log.debug("Progress could not be shown: %s", error)

    async def fail(self, reply: Reply) -> None:
        """Show why something did not happen, whether or not the interaction was acknowledged."""
        response = self.interaction.response
        if self._lost or response.type in _OWN_MESSAGE:
            await self.show(reply)
            return
        send: Callable[..., Awaitable[Any]] = (
            self.interaction.followup.send if response.is_done() else response.send_message
        )
        try:
            await send(embed=reply.embed, ephemeral=True, allowed_mentions=QUIET)
        except discord.HTTPException as error:
            if not cannot_answer(error):
                raise
            await self._send_elsewhere(reply)

    async def _send_elsewhere(self, reply: Reply) -> None:
        """Send the reply by direct message, or if those are closed, only its title to the channel: others read it."""
        user, channel = self.interaction.user, self.interaction.channel
        try:
            await user.send(embed=reply.embed, files=reply.files(), allowed_mentions=QUIET)
        except discord.HTTPException as error:
            log.info("The answer to %s could not go by direct message: %s", user.id, error)
        else:
            return
        if isinstance(channel, discord.abc.Messageable):
            try:
                text = f"{reply.embed.title}: the details are in the bot's log, because direct messages are closed."
                await channel.send(text, allowed_mentions=QUIET)
            except discord.HTTPException as error:
                log.info("The answer to %s could not go to the channel: %s", user.id, error)
        log.warning("Answer that could not be shown: %s. %s", reply.embed.title, reply.embed.description)


class Progress(Protocol):
    """How far a phase of the work has come."""

    @property
    def phase(self) -> str: ...

    @property
    def done(self) -> int: ...

    @property
    def total(self) -> int: ...


class ProgressDisplay:
    """Shows progress in an answer, at most every two seconds; quick work shows none."""

    def __init__(self, answer: Answer, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._answer = answer
        self._monotonic = monotonic
        self._last = monotonic()
        # The callback runs outside the command's context, which the edit needs.
        self._context = contextvars.copy_context()
        self._task: asyncio.Task[None] | None = None

    def __call__(self, progress: Progress) -> None:
        """Show a step of the progress; returns at once."""
        now = self._monotonic()
        busy = self._task is not None and not self._task.done()
        if not busy and now - self._last >= _EDIT_SECONDS:
            self._last = now
            reply = embeds.progress(progress.phase, progress.done, progress.total)
            update = self._answer.update(reply)
            self._task = asyncio.get_running_loop().create_task(update, context=self._context)

    async def __aenter__(self) -> ProgressDisplay:
        """Return the display itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Wait for an edit under way, so that it does not overwrite the outcome."""
        self._last = float("inf")
        if self._task is not None:
            await asyncio.wait([self._task])
