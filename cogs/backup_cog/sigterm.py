"""Closing the bot on SIGTERM, by which Docker and systemd stop it, and which otherwise kills it without closing it.

What would have happened without this handler happens after it: an earlier handler is called, and where there was none,
the process ends. Without the last part a bot whose own thread hangs (an aiosqlite connection that is left open) would
stay for ever, since nothing kills it any more.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
import weakref
from types import FrameType
from typing import Any

from .permissions import Bot

__all__ = ["SigtermHandler"]

log = logging.getLogger(__name__)
_EXIT_SECONDS = 3.0
"""How long after a finished close the process may still take to end by itself, while its main thread runs."""
_THREADS_SECONDS = 0.5
"""The same once only other threads keep it."""
_POLL_SECONDS = 0.05


class SigtermHandler:
    """A signal handler that closes the bot on SIGTERM, then does what was to be done before it was installed.

    Handlers of several bots in one process begin together, and the last one that was installed ends the process when
    all have closed.
    """

    savepoint_handler = True

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
        _forget_in_children(self)

    def remove(self) -> None:
        """Put the previous handler back, unless somebody has installed another one since."""
        if self._installed and signal.getsignal(signal.SIGTERM) == self._handle:
            signal.signal(signal.SIGTERM, signal.SIG_DFL if self._previous is None else self._previous)
        self._installed = False

    @property
    def bottom(self) -> SigtermHandler:
        """The handler of ours that was installed first, above what was there before."""
        last = self
        while (below := _ours(last._previous)) is not None:
            last = below
        return last

    def _handle(self, number: int, frame: FrameType | None) -> None:
        # All that is safe in a signal handler: it wakes the loops, which do the work.
        below: SigtermHandler | None = self
        while below is not None:
            below._wake(ends=below is self)
            below = _ours(below._previous)

    def _wake(self, *, ends: bool) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._begin, ends)

    def _begin(self, ends: bool) -> None:
        if self._task is None:
            log.info("SIGTERM: closing the bot")
            self._task = asyncio.get_running_loop().create_task(self._close(ends), name="savepoint SIGTERM")

    async def _close(self, ends: bool) -> None:
        try:
            await self._bot.close()
        finally:
            if ends:
                await self._others()
                self._do_previous()

    async def _others(self) -> None:
        """Wait until the bots below have closed as well."""
        below = _ours(self._previous)
        while below is not None:
            if below._task is not None and below._task is not asyncio.current_task():
                await asyncio.wait([below._task])
            below = _ours(below._previous)

    def _do_previous(self) -> None:
        """Do what SIGTERM would have done without us."""
        previous = self.bottom._previous
        if callable(previous):
            previous(signal.SIGTERM, None)
        else:
            threading.Thread(target=_end_process, name="savepoint SIGTERM", daemon=True).start()


def _end_process() -> None:
    """End this process by the signal that was meant to end it, unless it ends by itself."""
    main, deadline = threading.main_thread(), time.monotonic() + _EXIT_SECONDS
    while main.is_alive() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    # Without a main thread the interpreter only waits for threads that are no daemons.
    time.sleep(_THREADS_SECONDS)
    logging.getLogger(__name__).warning("A thread of the bot still runs after its close; the process ends all the same")
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        os.kill(os.getpid(), signal.SIGTERM)
    else:
        os._exit(128 + signal.SIGTERM)


def _ours(handler: Any) -> Any:
    """Return the SigtermHandler whose method a handler is, or None; by a mark, because a reload makes classes anew."""
    owner = getattr(handler, "__self__", None)
    return owner if getattr(owner, "savepoint_handler", False) else None


def _belongs_to_loop(handler: Any) -> bool:
    """Return True if it is the placeholder that ``loop.add_signal_handler`` leaves with the ``signal`` module."""
    return callable(handler) and str(getattr(handler, "__module__", "")).split(".")[0] in {"asyncio", "uvloop"}


def _forget_in_children(handler: SigtermHandler) -> None:
    """Put the earlier handler back in a forked child, whose copy of the bot nobody can close."""
    reference = weakref.ref(handler)

    def forget() -> None:
        top = _ours(signal.getsignal(signal.SIGTERM)) if reference() is not None else None
        if top is not None:
            previous = top.bottom._previous
            signal.signal(signal.SIGTERM, signal.SIG_DFL if previous is None else previous)

    os.register_at_fork(after_in_child=forget)
