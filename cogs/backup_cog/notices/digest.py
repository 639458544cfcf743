"""The weekly digest: once a week, on Monday at nine where the host is, whichever process of the bot comes first.

What was sent last is on disk. A bot that was down at that time sends it when it is back.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable

import msgspec

from ..core_api import SnapshotError, SnapshotService
from ..permissions import Bot
from .buttons import look_button
from .digest_texts import Week, digest
from .models import Digest, Outages
from .outbox import Outbox

__all__ = ["WeeklyDigest", "due_by"]

log = logging.getLogger(__name__)
_HOUR = 9
_WEEK = dt.timedelta(days=7)
_AGAIN_AFTER = 900.0
"""Seconds until the next attempt after one that failed."""


def due_by(now: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """Return when a digest was last due: the newest Monday at nine o'clock in a zone that is not after ``now``."""
    local = now.astimezone(zone)
    monday = local.date() - dt.timedelta(days=local.weekday())
    due = dt.datetime.combine(monday, dt.time(_HOUR), zone)
    if due > local:
        due = dt.datetime.combine(monday - _WEEK, dt.time(_HOUR), zone)
    return due.astimezone(dt.UTC)


class WeeklyDigest:
    """Sends the digest of one bot. ``zone`` returns the host's time zone, ``monotonic`` seconds."""

    def __init__(
        self,
        bot: Bot,
        service: SnapshotService,
        outbox: Outbox,
        *,
        zone: Callable[[], dt.tzinfo],
        monotonic: Callable[[], float],
    ) -> None:
        self._bot = bot
        self._service = service
        self._outbox = outbox
        self._zone = zone
        self._monotonic = monotonic
        self._done: dt.datetime | None = None
        self._not_before = monotonic()
        self._task: asyncio.Task[None] | None = None

    def tick(self) -> None:
        """Send the digest if it is due; returns at once."""
        due = due_by(self._service.now(), self._zone())
        busy = self._task is not None and not self._task.done()
        # Whoever takes it on should be able to send it at once, so that no other process finds it waiting.
        if due == self._done or busy or not self._bot.is_ready() or self._monotonic() < self._not_before:
            return
        self._task = asyncio.get_running_loop().create_task(self._send(due), name="savepoint digest")

    async def close(self) -> None:
        """Wait for a digest that is being made."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=1.0)
            self._task.cancel()

    async def _send(self, due: dt.datetime) -> None:
        try:
            status = await self._service.status()
            outages = await self._service.read_state("outages", Outages) or Outages()
            if await self._is_ours(due):
                week = Week(
                    since=due - _WEEK,
                    until=due,
                    snapshots=self._service.known,
                    restores=tuple(each.at for each in self._service.catalog.restores),
                    outages=outages,
                )
                self._outbox.post(digest(status, week, self._service.now()), look_button(), picture=True)
            self._done = due
        except (OSError, SnapshotError) as error:
            log.warning("The weekly digest waits: %s", error)
            self._not_before = self._monotonic() + _AGAIN_AFTER
        except Exception:
            log.exception("The weekly digest could not be made")
            self._not_before = self._monotonic() + _AGAIN_AFTER

    async def _is_ours(self, due: dt.datetime) -> bool:
        """Write down that the digest is sent; return True if nobody did before, in this process or in another one.

        The first week that is not over when digests are switched on has none.
        """
        ours = False

        def claim(document: Digest | None) -> Digest:
            nonlocal ours
            if document is None:
                return Digest(sent=due)
            ours = document.sent < due
            # What only a clock that was wrong can have written must not silence the digests until then.
            return msgspec.structs.replace(document, sent=due) if ours or document.sent > due + _WEEK else document

        await self._service.change_state("digest", Digest, claim)
        return ours
