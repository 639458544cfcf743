"""The owners of a bot, as Discord says now.

``bot.is_owner`` asks Discord once in the life of a process, so somebody who left the team would keep the right to
restore. So what the bot remembers is asked for again every few minutes, never at a click. Owners that a host sets by
itself are not touched.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import discord

from .permissions import Bot

__all__ = ["ROLES", "Owners"]

log = logging.getLogger(__name__)
_PAUSE_SECONDS = 180.0
ROLES = (discord.TeamMemberRole.admin, discord.TeamMemberRole.developer)
"""The roles in a team that make an owner, as ``bot.is_owner`` has it."""


class Owners:
    """What one bot remembers of its owners. ``monotonic`` is a clock in seconds."""

    def __init__(self, bot: Bot, monotonic: Callable[[], float]) -> None:
        self._bot = bot
        self._monotonic = monotonic
        self._is_ours: bool | None = None if bot.owner_ids else not bot.owner_id
        """True if Discord says who owns the bot, False if the host does, None until Discord has been asked once."""
        self._not_before = monotonic()
        self._task: asyncio.Task[None] | None = None

    def refresh(self) -> None:
        """Ask Discord again if that was not done lately; returns at once."""
        idle = self._task is None or self._task.done()
        due = idle and self._monotonic() >= self._not_before
        if due and self._is_ours is not False and self._bot.is_ready():
            self._not_before = self._monotonic() + _PAUSE_SECONDS
            self._task = asyncio.get_running_loop().create_task(self._ask(), name="savepoint owners")

    async def close(self) -> None:
        """Stop asking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _ask(self) -> None:
        try:
            application = await self._bot.application_info()
        except Exception as error:  # noqa: BLE001 - it is asked again, and what is known counts until then
            log.warning("Discord could not be asked who owns the bot: %s", error)
            return
        team = application.team
        found = {member.id for member in team.members if member.role in ROLES} if team is not None else set()
        if self._is_ours is None:
            # The bot had owners before this cog came: those of its team, if somebody asked for them, or the host's own.
            self._is_ours = found == set(self._bot.owner_ids or ())
        if not self._is_ours:
            return
        if gone := set(self._bot.owner_ids or ()) - found:
            log.warning("No owners of the bot any more: %s", sorted(gone))
        self._bot.owner_ids, self._bot.owner_id = found, application.owner.id if team is None else None
