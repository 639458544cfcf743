"""Answering one person's interaction for as long as Discord lets us, and by direct message after that.

An interaction can be answered for 15 minutes. A restore or a verification can take longer, and its outcome must reach
the person all the same; that Discord does not take an answer any more says nothing about the backup.
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

__all__ = ["QUIET", "Answer", "ProgressDisplay", "can_not_answer"]

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


def can_not_answer(error: discord.HTTPException) -> bool:
    """Whether an error means that the interaction cannot be answered any more, by anybody."""
    return error.code in _CODES or error.status == _UNAUTHORIZED


class Answer:
    """The answer to one interaction, seen by its person only."""

    def __init__(self, interaction: Interaction) -> None:
        """Take an interaction; nothing is sent yet."""
        self.interaction = interaction
        self._lost = False

    async def defer(self, *, thinking: bool = True) -> None:
        """Acknowledge; without ``thinking``, the message that was clicked stays as it is and is the one to edit."""
        try:
            await self.interaction.response.defer(ephemeral=True, thinking=thinking)
        except discord.HTTPException as error:
            if not can_not_answer(error):
                raise
            # A request that Discord took twice answers 40060 the second time: it is acknowledged.
            self._lost = error.code != _ACKNOWLEDGED

    async def show(self, reply: Reply, *, view: discord.ui.View | None = None) -> None:
        """Put the reply into the answer, or send it to the person where that cannot be done any more."""
        if not self._lost:
            try:
                await self.interaction.edit_original_response(
                    content=None, embed=reply.embed, attachments=reply.files(), view=view, allowed_mentions=QUIET
                )
            except discord.HTTPException as error:
                if not can_not_answer(error):
                    raise
                self._lost = True
            else:
                return
        await self._send_elsewhere(reply)

    async def update(self, reply: Reply) -> None:
        """Put something passing into the answer; where that fails, the last word will still come."""
        if self._lost:
            return
        try:
            await self.interaction.edit_original_response(
                content=None, embed=reply.embed, attachments=[], view=None, allowed_mentions=QUIET
            )
        except Exception as error:  # noqa: BLE001 - a restore must not stop because its progress cannot be shown
            log.debug("Progress could not be shown: %s", error)

    async def fail(self, reply: Reply) -> None:
        """Show why something did not happen, wherever the interaction stands."""
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
            if not can_not_answer(error):
                raise
            await self._send_elsewhere(reply)

    async def _send_elsewhere(self, reply: Reply) -> None:
        """Send it by direct message; where those are closed, name only its title in the channel, which others read."""
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
    """How far the engine has come."""

    @property
    def phase(self) -> str: ...

    @property
    def done(self) -> int: ...

    @property
    def total(self) -> int: ...


class ProgressDisplay:
    """Shows progress in an answer, at most every two seconds; quick work shows none."""

    def __init__(self, answer: Answer, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Take the answer to edit and a clock in seconds."""
        self._answer = answer
        self._monotonic = monotonic
        self._last = monotonic()
        # Reports come from a worker's thread, which knows nothing of the command that they belong to.
        self._context = contextvars.copy_context()
        self._task: asyncio.Task[None] | None = None

    def __call__(self, progress: Progress) -> None:
        """Take one report of the engine; returns at once."""
        now = self._monotonic()
        busy = self._task is not None and not self._task.done()
        if not busy and now - self._last >= _EDIT_SECONDS:
            self._last = now
            reply = embeds.progress(progress.phase, progress.done, progress.total)
            update = self._answer.update(reply)
            self._task = asyncio.get_running_loop().create_task(update, context=self._context)

    async def __aenter__(self) -> ProgressDisplay:
        """Begin."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Wait for the edit under way, so that it does not come after the outcome."""
        self._last = float("inf")
        if self._task is not None:
            await asyncio.wait([self._task])
