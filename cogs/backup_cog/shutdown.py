"""The bot's shutdown: noticing it, closing the bot on SIGTERM, and keeping a second ``close`` from cutting it short.

``Bot.close`` unloads the extensions while everything still works, but a cog cannot tell that from a reload. So
``close`` of this one bot is wrapped, which covers ``bot.close()``, ``async with bot`` and ``bot.run()``. Docker and
systemd stop a bot by SIGTERM, which under plain ``bot.run()`` kills the process without closing the bot.
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

__all__ = ["CloseHook", "SigtermHandler"]

log = logging.getLogger(__name__)


class CloseHook:
    """A wrapper around the bot's ``close`` that records that the bot is being closed.

    A second ``close`` waits for the first one, for at most ``second_close_timeout`` seconds.
    """

    def __init__(self, bot: Bot, second_close_timeout: float) -> None:
        self.closing = False
        self._bot = bot
        self._second_close_timeout = second_close_timeout
        self._closed = asyncio.Event()
        self._original: Callable[[], Any] | None = None
        self._was_on_instance = False

    def install(self) -> None:
        """Wrap the bot's ``close``."""
        self._was_on_instance = "close" in vars(self._bot)
        self._original = self._bot.close
        self._bot.close = self._close  # type: ignore[method-assign]

    def remove(self) -> None:
        """Put the original back, unless somebody has wrapped ours since: then ours stays and passes calls on."""
        if self._original is None or vars(self._bot).get("close") != self._close:
            return
        if self._was_on_instance:
            self._bot.close = self._original  # type: ignore[method-assign]
        else:
            del self._bot.close

    async def _close(self) -> None:
        assert self._original is not None
        if self.closing:
            # A second close would end the process while the first one takes the last snapshot.
            try:
                await asyncio.wait_for(self._closed.wait(), self._second_close_timeout)
            except TimeoutError:
                log.warning("The bot is still closing after %g s", self._second_close_timeout)
            return
        self.closing = True
        try:
            await self._original()
        finally:
            self._closed.set()


class SigtermHandler:
    """A signal handler that closes the bot on SIGTERM, then calls the handler that was there before."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._previous: Any = None
        self._installed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def install(self) -> None:
        """Handle SIGTERM, if that is possible and the host does not handle it itself.

        It is not possible on Windows, which has no such signal, and outside the main thread. A handler of the event
        loop is the host's own and cannot be chained; a signal that is ignored is ignored on purpose. Both stay.
        """
        if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
            return
        previous = signal.getsignal(signal.SIGTERM)
        if previous is signal.SIG_IGN or _belongs_to_loop(previous):
            log.debug("The host handles SIGTERM itself")
            return
        self._loop = asyncio.get_running_loop()
        self._previous = previous
        signal.signal(signal.SIGTERM, self._handle)
        self._installed = True

    def remove(self) -> None:
        """Put the previous handler back, unless somebody has installed another one since."""
        if self._installed and signal.getsignal(signal.SIGTERM) == self._handle:
            signal.signal(signal.SIGTERM, signal.SIG_DFL if self._previous is None else self._previous)
        self._installed = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        # All that is safe in a signal handler: it wakes the loop, which does the work.
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
    """Return True if it is the placeholder that ``loop.add_signal_handler`` leaves with the ``signal`` module."""
    return callable(handler) and str(getattr(handler, "__module__", "")).split(".")[0] in {"asyncio", "uvloop"}
