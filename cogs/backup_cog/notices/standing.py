"""The messages about what is not over, such as an outage: one for each, edited as it goes on, and closed at its end."""

from __future__ import annotations

import logging

import aiohttp
import discord

from ..permissions import Bot
from .delivery import QUIET, buttons_of, is_temporary
from .documents import StoredDocument
from .models import How, Notice, SentMessage, SentMessages

__all__ = ["StandingMessages"]

log = logging.getLogger(__name__)
_LIMIT = 50
"""How many messages are remembered. One whose end was never told is forgotten some day."""


class StandingMessages:
    """The messages of one bot; ``document`` keeps where they are."""

    def __init__(self, bot: Bot, document: StoredDocument[SentMessages]) -> None:
        self._bot = bot
        self._document = document
        self._messages: dict[str, SentMessage] = {}

    async def open(self) -> None:
        """Take over the messages of earlier processes."""
        found = await self._document.open()
        self._messages = {**(found.messages if found is not None else {}), **self._messages}

    async def save(self) -> None:
        """Wait until it is written down where the messages are."""
        await self._document.save()

    def has(self, about: str) -> bool:
        """Return True if there is a message about something."""
        return about in self._messages

    async def rename(self, before: str, after: str) -> None:
        """Let a message be about what an earlier process called otherwise; if there is one about that, it stays."""
        sent = self._messages.get(before)
        self._forget(before)
        if sent is not None and after in self._messages:
            await self._delete(sent, before)
        elif sent is not None:
            self._remember(after, sent)

    async def edit(self, notice: Notice) -> bool:
        """Edit the message about the same thing; return False if a new one is needed instead.

        An edit of what nobody has a message about is nothing to do. Raises what may pass by itself.
        """
        await self._refresh()
        sent = self._messages.get(notice.about)
        if sent is None:
            return notice.how is How.EDIT
        message = self._bot.get_partial_messageable(sent.channel).get_partial_message(sent.message)
        try:
            embed = discord.Embed.from_dict(notice.embed)
            await message.edit(embed=embed, view=buttons_of(notice), allowed_mentions=QUIET)
        except discord.HTTPException as error:
            if is_temporary(error):
                raise
            log.warning("The message about %s cannot be edited, so a new one is sent: %s", notice.about, error)
            return False
        if notice.how is How.CLOSE:
            self._forget(notice.about)
        return True

    async def replace(self, notice: Notice, message: discord.Message) -> None:
        """Remember a message that was sent, and delete the one before it: there is one about each thing."""
        await self._refresh()
        before = self._messages.get(notice.about)
        if notice.how is How.CLOSE:
            self._forget(notice.about)
        else:
            self._remember(notice.about, SentMessage(channel=message.channel.id, message=message.id))
        if before is not None:
            await self._delete(before, notice.about)

    async def _refresh(self) -> None:
        """Learn which messages other processes of the bot have sent, or sent anew."""
        found = await self._document.latest()
        if found is not None:
            self._messages = {**self._messages, **found.messages}

    async def _delete(self, sent: SentMessage, about: str) -> None:
        try:
            await self._bot.get_partial_messageable(sent.channel).get_partial_message(sent.message).delete()
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            log.info("The earlier message about %s stays: %s", about, error)

    def _remember(self, about: str, sent: SentMessage) -> None:
        self._messages[about] = sent
        self._document.change(lambda document: _with(document, about, sent))

    def _forget(self, about: str) -> None:
        if self._messages.pop(about, None) is not None:
            self._document.change(lambda document: _with(document, about, None))


def _with(document: SentMessages | None, about: str, sent: SentMessage | None) -> SentMessages:
    messages = dict(document.messages) if document is not None else {}
    messages.pop(about, None)
    if sent is not None:
        messages[about] = sent
    return SentMessages(messages=dict(list(messages.items())[-_LIMIT:]))
