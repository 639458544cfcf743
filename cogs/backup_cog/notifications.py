"""The notices that the owner gets without asking, and their delivery.

The texts (failures, recoveries, staleness, damage, the start-up check) are pure functions. ``Outbox`` delivers to the
alert channel, otherwise by direct message to the first owner who can be reached. Backups do not need Discord, so
nothing waits for a delivery: notices queue in memory until the bot is ready, a short task sends them, and they stay in
the queue while Discord cannot be reached. Nothing here raises.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator

import aiohttp
import discord

from .core_api import Snapshot, SnapshotDamaged, SnapshotError, StartupOutcome, StartupReport, count_text, duration_text
from .embeds import AMBER, GREEN, RED, when
from .formatting import embed, plain
from .permissions import Bot

__all__ = [
    "Outbox",
    "damaged",
    "failed",
    "fresh_again",
    "owner_ids",
    "recovered",
    "shutdown_failed",
    "stale",
    "started",
]

log = logging.getLogger(__name__)
_STARTS = {
    StartupOutcome.RESTORED: ("The database was damaged and has been restored", AMBER),
    StartupOutcome.DAMAGED: ("The database is damaged", RED),
    StartupOutcome.REFUSED: ("The database is damaged again", RED),
    StartupOutcome.UNCHECKED: ("The database was not checked at start-up", AMBER),
}
"""The outcomes that the owner should know of."""
_QUIET = discord.AllowedMentions.none()
_QUEUE_LIMIT = 50
_ATTEMPT_SECONDS = 15.0
_SERVER_FAULT = 500
_TEAM_OWNERS = (discord.TeamMemberRole.admin, discord.TeamMemberRole.developer)


def failed(operation: str, error: SnapshotError) -> discord.Embed:
    """Return the notice of the first failure of an outage."""
    text = "The game goes on. It is tried again, and you are notified when it works."
    return embed(f"A {operation} failed", f"{plain(error.message, 1500)}\n\n{text}", colour=RED)


def shutdown_failed(error: SnapshotError, newest: Snapshot | None) -> discord.Embed:
    """Return the notice that the bot shuts down without a last snapshot; ``newest`` is the one before it."""
    there = "There is no snapshot."
    if newest is not None:
        there = f"The newest snapshot is `{newest.id}` of {when(newest.created_at)}."
    text = f"{plain(error.message, 1500)}\n\nThe bot shuts down without it. {there}"
    return embed("The shutdown snapshot failed", text, colour=RED)


def recovered(operation: str, seconds: float, failures: int) -> discord.Embed:
    """Return the notice of the end of an outage."""
    text = f"It works again, after {duration_text(seconds)} and {count_text(failures, 'failed attempt')}."
    return embed(f"The {operation} succeeded", text, colour=GREEN)


def stale(seconds: float) -> discord.Embed:
    """Return the notice that no snapshot succeeded for too long, though none was reported as failed."""
    text = (
        f"No snapshot succeeded in the last {duration_text(seconds)}. If the bot should be taking snapshots, look at "
        "its log and at the status command: another process may hold the repository, or there is no database yet."
    )
    return embed("Backups are stale", text, colour=RED)


def fresh_again(seconds: float) -> discord.Embed:
    """Return the notice that staleness is over."""
    text = f"A snapshot succeeded, the first for {duration_text(seconds)}."
    return embed("Backups are fresh again", text, colour=GREEN)


def damaged(error: SnapshotDamaged) -> discord.Embed:
    """Return the notice that a stored snapshot failed its verification."""
    advice = "The next snapshot is a full one. Look at the disk, and verify older snapshots."
    text = f"{plain(error.message, 1500)}\n\n{advice}"
    return embed("A snapshot is damaged", text, colour=RED)


def started(report: StartupReport) -> discord.Embed | None:
    """Return the notice of the start-up check, or None for an ordinary start."""
    if report.outcome not in _STARTS:
        return None
    title, colour = _STARTS[report.outcome]
    return embed(title, plain(report.message, 2500), colour=colour)


class Outbox:
    """Notices on their way to the owner; without ``channel_id`` they go by direct message."""

    def __init__(self, bot: Bot, channel_id: int | None) -> None:
        self._bot = bot
        self._channel_id = channel_id
        self._waiting: deque[discord.Embed] = deque(maxlen=_QUEUE_LIMIT)
        self._task: asyncio.Task[None] | None = None

    def post(self, notice: discord.Embed) -> None:
        """Send a notice as soon as that is possible; returns at once."""
        self._waiting.append(notice)
        self.flush()

    def flush(self) -> None:
        """Try to send the notices that wait; returns at once."""
        running = self._task is not None and not self._task.done()
        if self._waiting and not running and self._bot.is_ready():
            self._task = asyncio.get_running_loop().create_task(self._send_all(), name="savepoint alerts")

    async def close(self, seconds: float) -> None:
        """Let deliveries under way finish, for at most ``seconds``, and stop."""
        self.flush()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=seconds)
            self._task.cancel()
        if self._waiting:
            notices = count_text(len(self._waiting), "notice")
            log.warning("%s to the owner could not be sent before the cog was unloaded", notices)

    async def _send_all(self) -> None:
        while self._waiting:
            notice = self._waiting[0]
            try:
                async with asyncio.timeout(_ATTEMPT_SECONDS):
                    await self._send(notice)
            except Exception as error:
                if _is_temporary(error):
                    log.warning("A notice to the owner waits, because Discord cannot be reached now: %s", error)
                    return
                log.exception("A notice to the owner could not be sent: %s", notice.title)
            # The queue is bounded: newer notices may have pushed this one out while it was sent.
            if self._waiting and self._waiting[0] is notice:
                self._waiting.popleft()

    async def _send(self, notice: discord.Embed) -> None:
        async for target in self._targets():
            try:
                await target.send(embed=notice, allowed_mentions=_QUIET)
            except discord.HTTPException as error:
                if error.status >= _SERVER_FAULT:
                    raise
                log.warning("A notice cannot be sent to %s: %s", target, error)
            else:
                return
        log.error("Nobody could be notified: %s. %s", notice.title, notice.description)

    async def _targets(self) -> AsyncIterator[discord.abc.Messageable]:
        if self._channel_id is not None:
            channel = await self._channel(self._channel_id)
            if channel is not None:
                yield channel
        for owner_id in await owner_ids(self._bot):
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


async def owner_ids(bot: Bot) -> list[int]:
    """Return the ids of the bot's owners, smallest first; asks Discord if the host did not set them."""
    if bot.owner_id:
        return [bot.owner_id]
    if bot.owner_ids:
        return sorted(bot.owner_ids)
    application = await bot.application_info()
    if application.team is None:
        return [application.owner.id]
    return sorted(member.id for member in application.team.members if member.role in _TEAM_OWNERS)


def _is_temporary(error: Exception) -> bool:
    """Return True if the failure may pass by itself, so that the notice waits for the next attempt."""
    if isinstance(error, discord.HTTPException):
        return error.status >= _SERVER_FAULT
    return isinstance(error, discord.RateLimited | aiohttp.ClientError | OSError | TimeoutError)
