"""Answers to a person's interaction: in place while Discord accepts them, by direct message after that.

Discord accepts answers for 15 minutes. A restore or a verification can take longer, and its outcome must reach the
person all the same. That an answer cannot be shown says nothing about the backup.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from io import BytesIO
from typing import Any, Protocol

import aiohttp
import discord

from .answers import working
from .core_api import Doing, Stage
from .formatting import Reply
from .language import phrase, text
from .notices.delivery import QUIET, is_temporary
from .permissions import Interaction

__all__ = ["QUIET", "Answer", "Elsewhere", "ProgressDisplay", "acknowledge", "cannot_answer"]

Elsewhere = Callable[[Reply, int, discord.ui.View | None], None]
"""A function that keeps an outcome for the owner, with buttons that work at any time.

The number is the id of the user who could not be answered.
"""

log = logging.getLogger(__name__)
_CODES = frozenset({10008, 10015, 10062, 40060, 50027})
"""Unknown message, unknown webhook, unknown interaction, already acknowledged, invalid webhook token."""
_ACKNOWLEDGED = 40060
_DEFERRED = "savepoint_deferred"
"""Set in ``interaction.extras`` where discord.py may not know it: Discord took a deferral whose reply was lost."""
_REPEATS = 2
"""How often an acknowledgement is sent again, at once: Discord waits for three seconds."""
_UNAUTHORIZED = 401
_EDIT_SECONDS = 2.0
_PAUSES = (1.0, 3.0)
"""Seconds between the attempts to send an outcome; discord.py itself repeats each of them on a 5xx."""
_OWN_MESSAGE = (
    discord.InteractionResponseType.deferred_channel_message,
    discord.InteractionResponseType.deferred_message_update,
)


def cannot_answer(error: discord.HTTPException) -> bool:
    """Return True if the error means that nobody can answer the interaction any more."""
    return error.code in _CODES or error.status == _UNAUTHORIZED


async def acknowledge(send: Callable[[], Awaitable[object]]) -> None:
    """Send the first answer to an interaction, again if the reply to it is lost: that says nothing of the request.

    If Discord had the first one, it answers 40060 to the second. Raises what else Discord or the network raises.
    """
    for again in range(_REPEATS, -1, -1):
        try:
            await send()
        except discord.HTTPException as error:
            if error.code != _ACKNOWLEDGED:
                raise
        except (aiohttp.ClientError, OSError):
            if again:
                continue
            raise
        return


class Answer:
    """The answer to one interaction, visible only to the person who began it.

    That an operation is done and that its outcome is shown are two things. An outcome is tried again while Discord
    fails, then sent by direct message, then given to ``elsewhere``, which keeps it for the owner. None of that raises.
    """

    def __init__(self, interaction: Interaction, elsewhere: Elsewhere | None = None) -> None:
        self.interaction = interaction
        self._elsewhere = elsewhere
        self._lost = False

    async def defer(self, *, thinking: bool = True) -> None:
        """Acknowledge the interaction; without ``thinking`` the answer will replace the message that was clicked.

        Raises what Discord or the network raises, because nothing has been done yet.
        """
        response = self.interaction.response
        try:
            await acknowledge(lambda: response.defer(ephemeral=True, thinking=thinking))
        except discord.HTTPException as error:
            if not cannot_answer(error):
                raise
            self._lost = True
        else:
            self.interaction.extras[_DEFERRED] = True

    async def show(
        self, reply: Reply, *, view: discord.ui.View | None = None, outcome: bool = False, turns: bool = False
    ) -> None:
        """Show the reply as the answer, otherwise by direct message; an ``outcome`` reaches the owner at least.

        What only ``turns`` a page keeps the report that the message has, which is not sent again.
        """
        if not self._lost:
            edit = self.interaction.edit_original_response

            async def attempt() -> object:
                # Discord keeps the attachments of a message if an edit does not name them.
                attached: dict[str, Any] = {} if turns else {"attachments": reply.files()}
                return await edit(content=None, embed=reply.embed, view=view, allowed_mentions=QUIET, **attached)

            if await self._tried(attempt, "here"):
                return
            self._lost = True
        await self._send_elsewhere(reply, outcome=outcome, view=view)

    async def show_panel(
        self, view: discord.ui.LayoutView, otherwise: Reply | None, files: Mapping[str, bytes]
    ) -> None:
        """Show components with their files as the answer, else ``otherwise`` by direct message, or nothing."""
        edit = self.interaction.edit_original_response

        async def attempt() -> object:
            attached = [discord.File(BytesIO(content), filename=name) for name, content in files.items()]
            return await edit(view=view, attachments=attached, allowed_mentions=QUIET)

        if (self._lost or not await self._tried(attempt, "here")) and otherwise is not None:
            await self._send_elsewhere(otherwise, outcome=False)

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

    async def fail(self, reply: Reply, *, view: discord.ui.View | None = None, beside: bool = False) -> None:
        """Show why something did not happen, whether or not the interaction was acknowledged.

        With ``beside``, a message that was clicked stays as it is: it may be that of somebody else.
        """
        response = self.interaction.response
        own = response.type in _OWN_MESSAGE or self.interaction.extras.get(_DEFERRED)
        clicked = response.type is discord.InteractionResponseType.deferred_message_update
        if self._lost or (own and not self._replaces_panel and not (beside and clicked)):
            await self.show(reply, view=view)
            return
        options: dict[str, Any] = {"embed": reply.embed, "ephemeral": True, "allowed_mentions": QUIET}
        if view is not None:
            options["view"] = view

        async def attempt() -> object:
            if response.is_done():
                return await self.interaction.followup.send(**options)
            await acknowledge(lambda: response.send_message(**options))
            return None

        if not await self._tried(attempt, "here"):
            await self._send_elsewhere(reply, outcome=False)

    @property
    def _replaces_panel(self) -> bool:
        """True if the answer would take the place of a panel, which can never show an embed."""
        if self.interaction.response.type is not discord.InteractionResponseType.deferred_message_update:
            return False
        message = self.interaction.message
        return message is not None and message.flags.components_v2

    async def _tried(self, attempt: Callable[[], Awaitable[object]], where: str) -> bool:
        """Try to send something, again and again while Discord fails; return True if it arrived."""
        for pause in (*_PAUSES, None):
            try:
                await attempt()
            except Exception as error:  # noqa: BLE001 - that an answer cannot be shown says nothing about the operation
                log.info("An answer to %s could not be sent %s: %s", self._who, where, error)
                if pause is None or not is_temporary(error):
                    return False
                await asyncio.sleep(pause)
            else:
                return True
        return False

    @property
    def _who(self) -> str:
        command = getattr(getattr(self.interaction, "command", None), "qualified_name", "a click")
        return f"user {self.interaction.user.id} (interaction {self.interaction.id}, {command})"

    async def _send_elsewhere(self, reply: Reply, *, outcome: bool, view: discord.ui.View | None = None) -> None:
        """Send the reply by direct message; if that fails give it to ``elsewhere``, and its title to the channel.

        Buttons that work at any time go along; those of a confirmation belong to the answer that it stands under.
        """
        user, channel = self.interaction.user, self.interaction.channel
        shown = reply.embed
        log.warning("Answer to %s that could not be shown: %s. %s", self._who, shown.title, shown.description)

        lasting = view if view is not None and view.is_finished() else None
        buttons: dict[str, Any] = {"view": lasting} if lasting is not None else {}

        async def attempt() -> object:
            return await user.send(embed=reply.embed, files=reply.files(), allowed_mentions=QUIET, **buttons)

        if await self._tried(attempt, "directly"):
            return
        if outcome and self._elsewhere is not None:
            self._elsewhere(reply, user.id, lasting)
        if isinstance(channel, discord.abc.Messageable):
            closed = phrase("{title}: the details are in the bot's log, because direct messages are closed.")
            try:
                await channel.send(text(closed, title=shown.title), allowed_mentions=QUIET)
            except Exception as error:  # noqa: BLE001 - as above
                log.info("The answer to %s could not go to the channel: %s", self._who, error)


class Progress(Protocol):
    """How far a phase of the work has come."""

    @property
    def phase(self) -> str: ...

    @property
    def done(self) -> int: ...

    @property
    def total(self) -> int: ...


class ProgressDisplay:
    """Shows progress in an answer, at most every two seconds; quick work shows none.

    ``stages`` shows how far a restore is.
    """

    def __init__(
        self,
        answer: Answer,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        stages: Callable[[Stage], Reply] | None = None,
    ) -> None:
        self._answer = answer
        self._monotonic = monotonic
        self._stages = stages
        self._last = monotonic()
        # The callback runs outside the command's context, which has the language, and which the edit needs.
        self._context = contextvars.copy_context()
        self._task: asyncio.Task[None] | None = None

    def __call__(self, progress: Progress) -> None:
        """Show a step of the progress; returns at once."""
        if not self._is_busy and self._monotonic() - self._last >= _EDIT_SECONDS:
            self._show(self._context.run(self._shown, progress))

    def waits(self, doing: Doing) -> None:
        """Show at once what has to be waited for; returns at once."""
        if not self._is_busy:
            self._show(self._context.run(working.waiting, doing))

    @property
    def _is_busy(self) -> bool:
        """True while an edit is under way."""
        return self._task is not None and not self._task.done()

    def _shown(self, progress: Progress) -> Reply:
        stage: Stage | None = getattr(progress, "stage", None)
        if stage is not None and self._stages is not None:
            return self._stages(stage)
        return working.progress(progress.phase, progress.done, progress.total)

    def _show(self, reply: Reply) -> None:
        self._last = self._monotonic()
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
