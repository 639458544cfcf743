"""Requests that wait until the game has committed.

discord.py dispatches a click at the moment at which it starts the button's callback, and most of its other events at
the moment at which the game hears of them: a snapshot then would not hold what the click changes. So the request waits
until the tasks that handle the event have ended and the database has committed since, but not for long: what cannot be
told is covered anyway.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import discord

from ..core_api import SnapshotService

__all__ = ["LONGEST", "AfterCommit"]

log = logging.getLogger(__name__)

LONGEST = 10.0
"""How many seconds a request waits at most."""
_PAUSE = 0.2


class _Waiting:
    """A request, and what it waits for; ``before`` is the token at the event, unknown until it was read."""

    def __init__(self, request: Callable[[], None], handlers: Sequence[asyncio.Task[Any]], until: float) -> None:
        self.request = request
        self.handlers = handlers
        self.until = until
        self.before: str | None = None
        self.uncovered = False

    def is_due(self, token: str | None, now: float) -> bool:
        if now >= self.until:
            return True
        if token is None or not all(task.done() for task in self.handlers):
            return False
        # A quick callback may have committed before the first token was read.
        return token != self.before or (bool(self.handlers) and self.uncovered)


class AfterCommit:
    """Makes requests as soon as the game has committed, at the latest after ``LONGEST`` seconds.

    ``monotonic`` is a clock in seconds.
    """

    def __init__(self, service: SnapshotService, *, monotonic: Callable[[], float]) -> None:
        self._service = service
        self._monotonic = monotonic
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def add(self, request: Callable[[], None], payload: Iterable[object]) -> None:
        """Make a request later; ``payload`` are the arguments of the event. Call it in the task of its listener.

        An event that nothing else handles has nothing to wait for, but a click always means something to somebody.
        Once this is closed nothing waits: the last snapshot is about to be taken, and nobody would end the wait.
        """
        arguments = tuple(payload)
        handlers = tuple(_handlers(arguments))
        meaningless = not handlers and not any(isinstance(value, discord.Interaction) for value in arguments)
        if self._closed or meaningless:
            request()
            return
        self._waiting.append(_Waiting(request, handlers, self._monotonic() + LONGEST))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._watch(), name="savepoint after commit")

    async def close(self) -> None:
        """Make the requests that still wait, and stop."""
        self._closed = True
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.request()

    async def _watch(self) -> None:
        while self._waiting:
            token = await self._read_token()
            now, due = self._monotonic(), []
            for each in self._waiting:
                if each.before is None and token is not None:
                    each.before, each.uncovered = token, token != self._service.covered_token
                if each.is_due(token, now):
                    due.append(each)
            self._waiting = [each for each in self._waiting if each not in due]
            for each in due:
                each.request()
            await asyncio.sleep(_PAUSE)

    async def _read_token(self) -> str | None:
        try:
            return await self._service.commit_token()
        except Exception:
            log.exception("Whether the database has changed could not be told; going on after %g s", LONGEST)
            return None


def _handlers(payload: Sequence[object]) -> Iterator[asyncio.Task[Any]]:
    """Yield the other tasks that handle an event: those whose coroutine was called with one of its arguments.

    discord.py keeps no record of them, but it starts them before, or together with, the listeners.
    """
    wanted = {id(value) for value in payload}
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        frame = getattr(task.get_coro(), "cr_frame", None)
        values = tuple(frame.f_locals.values()) if frame is not None else ()
        packed = [each for value in values if type(value) is tuple for each in value]
        if not wanted.isdisjoint(map(id, (*values, *packed))):
            yield task
