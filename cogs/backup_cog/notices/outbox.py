"""The outbox: notices wait on disk until somebody has them, across restarts.

A notice is sent as soon as the bot is ready. If the bot cannot send it, the webhook may: at once if the bot goes down
or if the notice comes from an earlier process (a bot that cannot log in starts again and again), otherwise after a
minute.
A notice can arrive twice if the process dies between its delivery and the note of that; it is never lost. Of several
that wait and are about the same outage only the newest is sent. Of several processes that know of a notice one sends it
(``claims``).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
import logging
import uuid
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence

import discord
import msgspec

from ..core_api import SnapshotError, SnapshotService, count_text
from ..permissions import Bot
from .claims import Claim, Claims
from .delivery import Delivery, Draw, is_temporary
from .documents import StoredDocument
from .models import Button, How, Notice, SentMessages, WaitingNotices
from .standing import StandingMessages

__all__ = ["Outbox"]

log = logging.getLogger(__name__)
_QUEUE_LIMIT, _DONE_KEPT = 50, 100
_ATTEMPT_SECONDS = 15.0
_GIVE_BACK_SECONDS = 1.0
"""How long ``close`` waits until others may send what was given up."""
_WEBHOOK_AFTER = dt.timedelta(minutes=1)
_NOBODY_PAUSE = 3600.0
"""Seconds until the next attempt after everybody refused (closed direct messages, say): Discord counts refusals."""


class Outbox:
    """Notices on their way to the owner; see ``Delivery`` for ``channel_id`` and ``webhook_url``."""

    def __init__(self, bot: Bot, service: SnapshotService, *, channel_id: int | None, webhook_url: str) -> None:
        self._bot = bot
        self._service = service
        self._delivery = Delivery(bot, channel_id, webhook_url, service.settings.discord.owner_ids)
        self._document = StoredDocument(service, "outbox", WaitingNotices)
        self._claims = Claims(service, self._document)
        self._standing = StandingMessages(bot, StoredDocument(service, "messages", SentMessages))
        self._waiting: deque[Notice] = deque()
        self._sending: Notice | None = None
        self._inherited: set[str] = set()
        """The ids of the notices that an earlier process could not deliver."""
        self.draw: Draw | None = None
        """What draws the picture of the snapshots."""
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._not_before = 0.0

    @property
    def waiting(self) -> int:
        """How many notices were not delivered yet."""
        return len(self._waiting)

    async def open(self, renamed: Mapping[str, str] | None = None) -> None:
        """Take over what earlier processes could not deliver, and keep on disk what is posted from now on.

        ``renamed`` has what notices of this process are about, and what the same is called by earlier ones.
        """
        await self._standing.open()
        for before, after in (renamed or {}).items():
            self._rename(before, after)
            await self._standing.rename(before, after)
        found = await self._document.open()
        known = {notice.id for notice in self._waiting}
        left = [notice for notice in (found.notices if found else ()) if notice.id not in known]
        inherited = [notice for notice in left if not await self._is_kept_for(notice)]
        self._inherited = {notice.id for notice in inherited}
        self._waiting.extendleft(reversed(inherited))
        self.flush()

    def _rename(self, before: str, after: str) -> None:
        """Let what waits be about what earlier processes have a message about."""
        for index, notice in enumerate(self._waiting):
            if notice.about == before and notice is not self._sending:
                how = How.EDIT if notice.how is How.NEW and self._standing.has(after) else notice.how
                self._waiting[index] = renamed = msgspec.structs.replace(notice, about=after, how=how)
                self._document.change(functools.partial(_exchanged, before=notice, after=renamed))

    def post(
        self,
        embed: discord.Embed,
        buttons: Sequence[Button] = (),
        *,
        about: str = "",
        how: How = How.NEW,
        picture: bool = False,
    ) -> None:
        """Send a notice as soon as that is possible; returns at once. See ``Notice`` for what it is about and how."""
        notice, earlier = self._made(embed, buttons, about, how), None
        if picture:
            notice = msgspec.structs.replace(notice, picture=True)
        if about:
            waiting = (each for each in self._waiting if each.about == about and each is not self._sending)
            earlier = next(waiting, None)
        if earlier is not None:
            if earlier.how is How.NEW and how is How.EDIT:
                notice = msgspec.structs.replace(notice, how=How.NEW, at=earlier.at)
            self._waiting.remove(earlier)
        self._waiting.append(notice)
        self._document.change(functools.partial(_exchanged, before=earlier, after=notice))
        while len(self._waiting) > _QUEUE_LIMIT:
            self._give_up(self._waiting[0], "there are too many newer ones")
        self.flush()

    @contextlib.asynccontextmanager
    async def promised(self, embed: discord.Embed, control: str, label: str) -> AsyncIterator[None]:
        """Keep a notice on disk for the next process, in case this one does not live to see the end of the block.

        A process that starts while the block runs elsewhere leaves it alone.
        """
        notice = msgspec.structs.replace(self._made(embed, (Button(control=control, label=label),)), promised=True)
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._service.mark(notice.id).held())
            except SnapshotError as error:
                log.warning("A process that starts meanwhile may report what is done here as interrupted: %s", error)
            self._document.change(lambda document: _added(document, notice))
            await self._document.save()
            try:
                yield
            except Exception:
                self._remove(notice)
                raise
            self._remove(notice)

    async def _is_kept_for(self, notice: Notice) -> bool:
        """Return True if the process that promised a notice lives, and can answer for itself."""
        try:
            return notice.promised and await self._service.mark(notice.id).is_held()
        except SnapshotError as error:
            log.warning("It could not be found out if another process is at work: %s", error)
            return False

    def _made(self, embed: discord.Embed, buttons: Sequence[Button], about: str = "", how: How = How.NEW) -> Notice:
        return Notice(
            id=uuid.uuid4().hex,
            at=self._service.now(),
            embed=dict(embed.to_dict()),
            buttons=tuple(buttons),
            about=about,
            how=how,
        )

    def flush(self) -> None:
        """Try to send the notices that wait; returns at once."""
        running = self._task is not None and not self._task.done()
        loop = asyncio.get_running_loop()
        if running or not self._waiting or not self._may_send or (loop.time() < self._not_before and not self._closing):
            return
        self._task = loop.create_task(self._send_all(), name="savepoint alerts")

    async def close(self, seconds: float) -> None:
        """Let deliveries under way finish, for at most ``seconds``, and stop; what is left stays on disk."""
        self._closing = True
        self.flush()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=seconds)
            self._task.cancel()
            await asyncio.wait([self._task], timeout=_GIVE_BACK_SECONDS)
        await self._document.save()
        await self._standing.save()
        if self._waiting:
            notices = count_text(len(self._waiting), "notice")
            log.warning("%s to the owner could not be sent yet; the next start tries again", notices)

    @property
    def _may_send(self) -> bool:
        return self._bot.is_ready() or any(self._may_use_webhook(notice) for notice in self._waiting)

    def _may_use_webhook(self, notice: Notice) -> bool:
        if not self._delivery.has_webhook or notice.how is How.EDIT:
            return False
        waited = self._service.now() - notice.at > _WEBHOOK_AFTER
        return waited or self._closing or self._bot.is_ready() or notice.id in self._inherited

    async def _send_all(self) -> None:
        elsewhere: set[str] = set()  # the ids of those that other processes are sending
        while (notice := next((each for each in self._waiting if each.id not in elsewhere), None)) is not None:
            self._sending = notice
            try:
                async with self._claims.claimed(notice.id) as claim:
                    if claim is Claim.TAKEN:
                        elsewhere.add(notice.id)
                        continue
                    if claim is Claim.OURS and not await self._attempted(notice):
                        return
                    self._remove(notice)
            finally:
                self._sending = None

    async def _attempted(self, notice: Notice) -> bool:
        """Try to send a notice; return False if it must be tried again."""
        try:
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                return await self._send(notice)
        except TimeoutError:
            return False
        except Exception as error:
            # Whatever is wrong with this one, such as a document that somebody edited: the others must go out.
            log.exception("A notice to the owner could not be sent")
            self._give_up(notice, str(error))
            return True

    async def _send(self, notice: Notice) -> bool:
        now, refused = self._service.now(), False
        if notice.how is How.EDIT and not self._bot.is_ready():
            return True  # only the bot can edit, and what comes behind it may go by the webhook
        if self._bot.is_ready():
            try:
                if notice.how is not How.NEW and await self._standing.edit(notice):
                    return True
                picture = await self.draw() if notice.picture and self.draw is not None else None
                message = await self._delivery.by_bot(notice, now, picture)
                if message is not None:
                    if notice.about:
                        await self._standing.replace(notice, message)
                    return True
                embed = notice.embed
                log.error("Nobody could be notified: %s. %s", embed.get("title"), embed.get("description"))
                refused = True
            except Exception as error:
                if not is_temporary(error):
                    raise
                log.warning("A notice to the owner waits, because Discord cannot be reached now: %s", error)
        if self._may_use_webhook(notice) and await self._delivery.by_webhook(notice, now):
            return True
        if refused:
            self._not_before = asyncio.get_running_loop().time() + _NOBODY_PAUSE
        return False

    def _give_up(self, notice: Notice, why: str) -> None:
        embed = notice.embed
        log.error("A notice is given up (%s): %s. %s", why, embed.get("title"), embed.get("description"))
        self._remove(notice)

    def _remove(self, notice: Notice) -> None:
        if notice in self._waiting:
            self._waiting.remove(notice)
        self._document.change(lambda document: _without(document, notice))


def _added(document: WaitingNotices | None, notice: Notice) -> WaitingNotices:
    before = document or WaitingNotices()
    return WaitingNotices(
        notices=(*before.notices, notice)[-_QUEUE_LIMIT:],
        done=tuple(each for each in before.done if each != notice.id),  # one that was only renamed
    )


def _exchanged(document: WaitingNotices | None, before: Notice | None, after: Notice) -> WaitingNotices:
    return _added(_without(document, before), after)


def _without(document: WaitingNotices | None, notice: Notice | None) -> WaitingNotices:
    before = document or WaitingNotices()
    if notice is None:
        return before
    return WaitingNotices(
        notices=tuple(each for each in before.notices if each.id != notice.id),
        done=tuple(dict.fromkeys((*before.done, notice.id)))[-_DONE_KEPT:],
    )
