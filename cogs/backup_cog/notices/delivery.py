"""The ways by which a notice reaches the owner: the alert channel, a direct message, or a webhook without the bot.

Each raises what went wrong, or returns False if nobody accepted the notice.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from io import BytesIO
from typing import Any

import aiohttp
import discord

from ..formatting import clip
from ..language import for_the_host, text
from ..owners import ROLES
from ..permissions import Bot
from .models import Notice

__all__ = ["QUIET", "Delivery", "Draw", "Picture", "buttons_of", "is_temporary", "owner_ids"]

log = logging.getLogger(__name__)
QUIET = discord.AllowedMentions.none()
_LATE = dt.timedelta(minutes=2)
"""A notice that waited longer than this says how old it is."""
_SERVER_FAULT = 500
_TOO_MANY = 429
_INVALID = 400
_LABEL_LIMIT = 80
_PICTURE, _DESCRIPTION_LIMIT = "backups.png", 1000
_WEBHOOK_SECONDS = aiohttp.ClientTimeout(total=10.0)

Picture = tuple[bytes, str]
"""A PNG, and what it shows in words."""
Draw = Callable[[], Awaitable[Picture | None]]
"""A function that draws a picture; None if it cannot."""


class Delivery:
    """The ways for one bot. Without ``channel_id`` notices go by direct message; ``webhook_url`` may be empty.

    ``owner_ids`` narrows which of the bot's owners get them.
    """

    def __init__(self, bot: Bot, channel_id: int | None, webhook_url: str, owner_ids: Collection[int]) -> None:
        self._owner_ids = owner_ids
        self._bot = bot
        self._channel_id = channel_id
        self._webhook_url = webhook_url

    @property
    def has_webhook(self) -> bool:
        """True if a webhook is set."""
        return bool(self._webhook_url)

    async def by_bot(self, notice: Notice, now: dt.datetime, picture: Picture | None = None) -> discord.Message | None:
        """Send the notice to the alert channel, otherwise to the first owner who can be reached; return the message."""
        async for target in self._targets():
            try:
                return await self._send(target, notice, now, picture)
            except discord.HTTPException as error:
                if is_temporary(error):
                    raise
                if error.status == _INVALID:
                    raise ValueError(f"Discord does not accept this notice: {error}") from error
                log.warning("A notice cannot be sent to %s: %s", target, error)
        return None

    async def _send(
        self, target: discord.abc.Messageable, notice: Notice, now: dt.datetime, picture: Picture | None
    ) -> discord.Message:
        """Send the notice, without its picture where the bot may not attach files."""
        embed = shown(notice, now)
        if picture is not None:
            content, described = picture
            attached = discord.File(
                BytesIO(content), filename=_PICTURE, description=clip(described, _DESCRIPTION_LIMIT)
            )
            pictured = embed.copy().set_image(url=f"attachment://{_PICTURE}")
            try:
                return await target.send(embed=pictured, file=attached, allowed_mentions=QUIET, **_view(notice))
            except discord.Forbidden as error:
                log.info("The picture of a notice cannot be sent to %s: %s", target, error)
        return await target.send(embed=embed, allowed_mentions=QUIET, **_view(notice))

    async def by_webhook(self, notice: Notice, now: dt.datetime) -> bool:
        """Post the notice to the webhook. The URL is a secret, so no error that contains it is logged or raised."""
        document = {"embeds": [shown(notice, now).to_dict()], "allowed_mentions": {"parse": []}}
        try:
            async with (
                aiohttp.ClientSession(timeout=_WEBHOOK_SECONDS) as session,
                session.post(self._webhook_url, json=document) as response,
            ):
                status = response.status
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            log.warning("The alert webhook cannot be reached: %s", type(error).__name__)
            return False
        if status >= _INVALID:
            log.warning("The alert webhook answered with the HTTP status %d", status)
        return status < _INVALID

    async def _targets(self) -> AsyncIterator[discord.abc.Messageable]:
        if self._channel_id is not None:
            channel = await self._channel(self._channel_id)
            if channel is not None:
                yield channel
        for owner_id in await owner_ids(self._bot, self._owner_ids):
            user = self._bot.get_user(owner_id)
            try:
                yield user or await self._bot.fetch_user(owner_id)
            except discord.NotFound:
                log.warning("The bot's owner %d is not a user of Discord", owner_id)

    async def _channel(self, channel_id: int) -> discord.abc.Messageable | None:
        try:
            found = self._bot.get_channel(channel_id) or await self._bot.fetch_channel(channel_id)
        except (discord.Forbidden, discord.NotFound, discord.InvalidData) as error:
            log.warning("The alert channel %d cannot be used, so alerts go to the owner: %s", channel_id, error)
            return None
        if not isinstance(found, discord.abc.Messageable):
            log.warning("The alert channel %d takes no messages, so alerts go to the owner", channel_id)
            return None
        return found


@for_the_host()
def shown(notice: Notice, now: dt.datetime) -> discord.Embed:
    """Return the embed of a notice; a late one says when it was posted."""
    made = discord.Embed.from_dict(notice.embed)
    if now - notice.at > _LATE:
        age = text("(Of {time}; it could not be delivered earlier.)", time=discord.utils.format_dt(notice.at, "f"))
        made.description = f"{age}\n\n{clip(made.description or '', 3900)}"
    return made


def _view(notice: Notice) -> dict[str, Any]:
    return {"view": buttons_of(notice)} if notice.buttons else {}


def buttons_of(notice: Notice) -> discord.ui.View | None:
    """Return the buttons under a notice. The view is over already: a click goes to the cog's listener."""
    if not notice.buttons:
        return None
    view = discord.ui.View(timeout=None)
    for each in notice.buttons:
        style = discord.ButtonStyle.danger if each.danger else discord.ButtonStyle.secondary
        view.add_item(discord.ui.Button(label=clip(each.label, _LABEL_LIMIT), style=style, custom_id=each.control))
    view.stop()
    return view


async def owner_ids(bot: Bot, only: Collection[int] = ()) -> list[int]:
    """Return the ids of the bot's owners, smallest first; asks Discord if the bot does not know them yet.

    If any of them is in ``only``, the others do not count.
    """
    found = set([bot.owner_id] if bot.owner_id else bot.owner_ids or ())
    if not found:
        application = await bot.application_info()
        team = application.team
        members = team.members if team is not None else ()
        found = {member.id for member in members if member.role in ROLES} or {application.owner.id}
    return sorted(found.intersection(only) or found)


def is_temporary(error: BaseException) -> bool:
    """Return True if the failure of a request to Discord may pass by itself."""
    if isinstance(error, discord.HTTPException):
        return error.status >= _SERVER_FAULT or error.status == _TOO_MANY
    return isinstance(error, discord.RateLimited | aiohttp.ClientError | OSError | TimeoutError)
