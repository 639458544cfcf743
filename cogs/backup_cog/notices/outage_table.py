"""The outages that are not over: there is one table of them, which all processes of a bot share on disk.

Whatever can fail can succeed, and ends its own outage. The first process that meets an outage sends the message about
it, the others go on in it: what is news is decided while the document is changed, one process at a time. While it
cannot be changed, each process knows only what it meets itself.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from typing import Protocol

import discord
import msgspec

from . import outage_texts, texts
from .buttons import alert_buttons, claim_buttons
from .models import Button, How, Outage, Outages, PastAlert
from .outages import DAY, PAST_KEPT, about, begun, changed, ended, is_quiet, noted, reminded, snoozed

__all__ = ["LOGIN", "OutageTable", "Post", "Store"]

LOGIN = "login"
STARTS_IN_VAIN = 3
"""How many starts in a row must not reach Discord before the owner is alerted."""
_UPDATE_AFTER = 60.0
"""Seconds between two edits of the message about an outage that goes on."""


class Post(Protocol):
    """Sends a notice and returns at once; see ``Notice`` for what it is about, and how it goes."""

    def __call__(
        self, embed: discord.Embed, buttons: Sequence[Button] = (), *, about: str = "", how: How = How.NEW
    ) -> None: ...


class Store(Protocol):
    """Changes the document of outages in the background.

    ``then`` gets the document after the change, or None if it cannot be changed now.
    """

    def __call__(
        self, change: Callable[[Outages | None], Outages], then: Callable[[Outages | None], None] | None = None
    ) -> None: ...


class OutageTable:
    """The outages that one process knows of. ``now`` returns the time in UTC, ``monotonic`` seconds."""

    def __init__(
        self, post: Post, store: Store, *, now: Callable[[], dt.datetime], monotonic: Callable[[], float]
    ) -> None:
        self._post = post
        self._store = store
        self._now = now
        self._monotonic = monotonic
        self._outages: dict[str, Outage] = {}
        self._past: tuple[PastAlert, ...] = ()
        self._updated: dict[str, float] = {}

    def __contains__(self, operation: str) -> bool:
        """Return True if an operation fails."""
        return operation in self._outages

    @property
    def open(self) -> tuple[str, ...]:
        """The outages that are not over, as sentences."""
        now = self._now()
        return tuple(
            outage_texts.open_alert(operation, outage, now)
            for operation, outage in self._outages.items()
            if _is_told(operation, outage)
        )

    @property
    def past(self) -> tuple[PastAlert, ...]:
        """The newest alerts that are over, and after them those that are not, which end now."""
        now = self._now()
        told = (each for each in self._outages.items() if _is_told(*each))
        return (*self._past, *(PastAlert(key=key, began=outage.began, ended=now) for key, outage in told))

    def take_over(self, found: Outages | None) -> dict[str, str]:
        """Go on with the outages that an earlier process left open.

        Returns the names of those that began here before that was known, with the names that they have from now on.
        """
        renamed: dict[str, str] = {}
        earlier = dict(found.outages) if found is not None else {}
        for operation, outage in self._outages.items():
            before = earlier.get(operation)
            if before is not None:
                failures = before.failures + outage.failures
                renamed[about(operation, outage)] = about(operation, before)
                outage = msgspec.structs.replace(before, failures=failures, message=outage.message)
            earlier[operation] = outage
        self._outages = earlier
        self._past = ((*found.past, *self._past) if found is not None else self._past)[-PAST_KEPT:]
        return {old: new for old, new in renamed.items() if old != new}

    def fail(self, operation: str, message: str, *, began: dt.datetime | None = None, claimable: bool = False) -> None:
        """Count a failure, and tell of the first one of an outage."""
        before, now = self._outages.get(operation), self._now()
        if before is None:
            outage = Outage(began=began or now, failures=1, message=message, told=now, claimable=claimable)
            self._outages[operation], self._updated[operation] = outage, self._monotonic()
            self._store(
                lambda document: begun(document, operation, outage), lambda after: self._begun(operation, after)
            )
            return
        outage = msgspec.structs.replace(before, failures=before.failures + 1, message=message)
        self._outages[operation] = outage
        last = self._updated.get(operation)
        if last is None or self._monotonic() - last >= _UPDATE_AFTER:
            self._keep(operation, outage)
            self._tell(operation, How.EDIT)

    def _begun(self, operation: str, after: Outages | None) -> None:
        """Tell of an outage, in a new message unless another process has one about it already."""
        mine = self._outages.get(operation)
        if mine is None:
            return  # over before it was written down
        shared = after.outages.get(operation) if after is not None else None
        if shared is None or shared.began == mine.began:
            self._tell(operation, How.NEW)
        else:
            self._outages[operation] = shared
            self._tell(operation, How.EDIT)

    def count_start(self) -> None:
        """Count a start as one that did not reach Discord, which ``succeed`` takes back once the bot is ready."""
        before, now = self._outages.get(LOGIN), self._now()
        failures = 1 if before is None else before.failures + 1
        began, told = (now, now) if before is None else (before.began, before.told)
        outage = Outage(began=began, failures=failures, message=outage_texts.login(), told=told)
        self._keep(LOGIN, outage)
        if failures == STARTS_IN_VAIN:
            self._tell(LOGIN, How.NEW)

    def succeed(self, operation: str) -> None:
        """Record a success; close the message if it ends an outage."""
        outage = self._outages.pop(operation, None)
        if outage is None:
            return
        past = None
        if _is_told(operation, outage):
            past = PastAlert(key=operation, began=outage.began, ended=self._now())
            self._past = (*self._past, past)[-PAST_KEPT:]
            notice = outage_texts.recovered(operation, outage, self._now())
            self._post(notice, about=about(operation, outage), how=How.CLOSE)
        self._store(lambda document: ended(document, operation, past))

    def remind(self) -> None:
        """Tell again of the outages that were last told of over a day ago."""
        for operation, outage in tuple(self._outages.items()):
            now = self._now()
            if _is_told(operation, outage) and not is_quiet(outage, now):
                self._remind(operation, msgspec.structs.replace(outage, told=now))

    def _remind(self, operation: str, asked: Outage) -> None:
        """Tell again of an outage, unless another process did, or was asked not to."""
        self._outages[operation] = asked
        ours = True

        def change(document: Outages | None) -> Outages:
            nonlocal ours
            after = reminded(document, operation, asked)
            ours = after is not document
            return after

        def told(after: Outages | None) -> None:
            if operation not in self._outages:
                return
            if ours or after is None:
                self._tell(operation, How.NEW, again=True)
            else:
                self._outages[operation] = after.outages.get(operation, asked)

        self._store(change, told)

    async def snooze(self, name: str, person: str) -> dt.datetime | None:
        """Remind nobody of an outage for a day; return until when, or None if there is no outage of this name."""
        until = self._now() + DAY
        found = (each for each, outage in self._outages.items() if about(each, outage) == name)
        operation = next(found, None)
        if operation is None:
            return until if await self._snooze_shared(name, until, person) else None
        self._keep(operation, msgspec.structs.replace(self._outages[operation], snoozed_until=until, snoozed_by=person))
        self._tell(operation, How.EDIT)
        return until

    async def _snooze_shared(self, name: str, until: dt.datetime, person: str) -> bool:
        """Snooze an outage that only another process has met; return False if there is none of this name."""
        written: asyncio.Future[Outages | None] = asyncio.get_running_loop().create_future()
        self._store(lambda document: snoozed(document, name, until, person), written.set_result)
        after = await written or Outages()
        shared = next((each for each in after.outages.items() if about(*each) == name), None)
        if shared is not None:
            self._post_about(*shared, How.EDIT)
        return shared is not None

    def note(self, key: str) -> None:
        """Write down an alert that is no outage."""
        past = PastAlert(key=key, began=self._now(), ended=self._now())
        self._past = (*self._past, past)[-PAST_KEPT:]
        self._store(lambda document: noted(document, past))

    def _keep(self, operation: str, outage: Outage) -> None:
        self._outages[operation] = outage
        self._store(lambda document: changed(document, operation, outage))

    def _tell(self, operation: str, how: How, *, again: bool = False) -> None:
        self._updated[operation] = self._monotonic()
        self._post_about(operation, self._outages[operation], how, again=again)

    def _post_about(self, operation: str, outage: Outage, how: How, *, again: bool = False) -> None:
        name = about(operation, outage)
        if outage.claimable:
            self._post(texts.another_database(outage.message), claim_buttons(), about=name, how=how)
        else:
            notice = outage_texts.failed(operation, outage, self._now(), again=again)
            self._post(notice, alert_buttons(about=name), about=name, how=how)


def _is_told(operation: str, outage: Outage) -> bool:
    return operation != LOGIN or outage.failures >= STARTS_IN_VAIN
