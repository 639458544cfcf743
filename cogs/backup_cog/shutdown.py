"""How the bot goes down: who closes it is noticed, SIGTERM closes it, and nobody ends the process half-way.

``Bot.close`` unloads the extensions while everything still works, but a cog cannot tell that from a reload. So this
one bot's ``close`` is wrapped, which serves ``bot.close()``, ``async with bot`` and ``bot.run()`` alike. SIGTERM, which
is how Docker and systemd stop a bot, kills a process under plain ``bot.run()`` without any of that.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from .permissions import Bot

__all__ = ["CloseNotice", "SigtermCloses"]

log = logging.getLogger(__name__)


class CloseNotice:
    """Knows whether the bot is being closed, by standing before its ``close``."""

    def __init__(self, bot: Bot, patience: float) -> None:
        """Take the bot, and how many seconds a second ``close`` waits for the first one at most."""
        self.closing = False
        self._bot = bot
        self._patience = patience
        self._closed = asyncio.Event()
        self._original: Callable[[], Any] | None = None
        self._was_on_instance = False

    def install(self) -> None:
        """Stand before the bot's ``close``."""
        self._was_on_instance = "close" in vars(self._bot)
        self._original = self._bot.close
        self._bot.close = self._close  # type: ignore[method-assign]

    def remove(self) -> None:
        """Put back what was there, unless somebody stands before us by now: then we just pass everything on."""
        if self._original is None or vars(self._bot).get("close") != self._close:
            return
        if self._was_on_instance:
            self._bot.close = self._original  # type: ignore[method-assign]
        else:
            del self._bot.close

    async def _close(self) -> None:
        assert self._original is not None
        if self.closing:
            # A second close would tear the process from under the snapshot that the first one takes.
            try:
                await asyncio.wait_for(self._closed.wait(), self._patience)
            except TimeoutError:
                log.warning("The bot is still closing after %g s", self._patience)
            return
        self.closing = True
        try:
            await self._original()
        finally:
            self._closed.set()


class SigtermCloses:
    """Closes the bot on SIGTERM, then calls the handler that was there before."""

    def __init__(self, bot: Bot) -> None:
        """Take the bot; nothing is installed yet."""
        self._bot = bot
        self._previous: Any = None
        self._installed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def install(self) -> None:
        """Handle SIGTERM, where that can be done and nobody else closes the bot on it already.

        Not on Windows, which has no such signal, and not outside the main thread. A handler of the event loop is the
        host's own and cannot be chained, and a signal that is ignored is ignored on purpose: both stay.
        """
        if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
            return
        previous = signal.getsignal(signal.SIGTERM)
        if previous is signal.SIG_IGN or _belongs_to_loop(previous):
            log.debug("SIGTERM is the host's business already")
            return
        self._loop = asyncio.get_running_loop()
        self._previous = previous
        signal.signal(signal.SIGTERM, self._handle)
        self._installed = True

    def remove(self) -> None:
        """Put the earlier handler back, unless somebody has installed another one since."""
        if self._installed and signal.getsignal(signal.SIGTERM) == self._handle:
            signal.signal(signal.SIGTERM, signal.SIG_DFL if self._previous is None else self._previous)
        self._installed = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        # In a signal handler only this is safe: it wakes the loop, which then does the work.
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._begin, number)

    def _begin(self, number: int) -> None:
        if self._task is None:
            log.info("SIGTERM: closing the bot")
            self._task = asyncio.get_running_loop().create_task(self._close(number), name="savepoint SIGTERM")

    async def _close(self, number: int) -> None:
        previous = self._previous
        try:
            await self._bot.close()
        finally:
            if callable(previous):
                previous(number, None)


def _belongs_to_loop(handler: Any) -> bool:
    """Whether a handler is the placeholder that ``loop.add_signal_handler`` leaves with the ``signal`` module."""
    return callable(handler) and str(getattr(handler, "__module__", "")).split(".")[0] in {"asyncio", "uvloop"}
