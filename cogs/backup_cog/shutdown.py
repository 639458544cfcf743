"""The bot's shutdown: noticing it, and keeping a second ``close`` from cutting it short.

``Bot.close`` unloads the extensions while everything still works, but a cog cannot tell that from a reload. So
``close`` of this one bot is wrapped, which covers ``bot.close()``, ``async with bot`` and ``bot.run()``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from discord.ext import commands

from .permissions import Bot
from .wrapping import WrappedMethod

__all__ = ["CloseHook", "unload_others"]

log = logging.getLogger(__name__)


class CloseHook:
    """A wrapper around the bot's ``close`` that records that the bot is being closed.

    A second ``close`` waits for the first one, for at most ``second_close_timeout`` seconds; after one that was
    cancelled or failed, it closes the bot itself. ``on_closing`` is called when the first one begins.
    """

    def __init__(
        self,
        bot: Bot,
        second_close_timeout: float,
        *,
        on_closing: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.closing = False
        self.began = 0.0
        """When the first ``close`` began, in seconds of the monotonic clock."""
        self._bot = bot
        self._second_close_timeout = second_close_timeout
        self._on_closing = on_closing
        self._monotonic = monotonic
        self._running: asyncio.Event | None = None
        """Set at the end of the ``close`` that is running; None if none is."""
        self._done = False
        self._wrapped = WrappedMethod(bot, "close", self._close)

    def install(self) -> None:
        """Wrap the bot's ``close``."""
        self._wrapped.install()

    def remove(self) -> None:
        """Put the original back; see ``WrappedMethod.remove``."""
        self._wrapped.remove()

    async def _close(self) -> None:
        if self._running is not None:
            # A second close would end the process while the first one takes the last snapshot.
            try:
                await asyncio.wait_for(self._running.wait(), self._second_close_timeout)
            except TimeoutError:
                log.warning("The bot is still closing after %g s", self._second_close_timeout)
            return
        if self._done:
            return
        self._running = running = asyncio.Event()
        if not self.closing:
            self.closing = True
            self.began = self._monotonic()
            self._on_closing()
        try:
            await self._wrapped.original()
            self._done = True
        finally:
            self._running = None
            running.set()


async def unload_others(bot: Bot, cog: commands.Cog, seconds: float) -> None:
    """Unload the other extensions and cogs of a bot that is closing, in its own order, before ours.

    ``Bot.close`` would unload them after ours, which is loaded first. One that takes longer than ``seconds`` is left to
    finish beside what comes next; exceptions are logged, as ``Bot.close`` ignores them too.
    """
    own = cog.__module__

    async def unload() -> None:
        for name in tuple(bot.extensions):
            if own != name and not own.startswith(f"{name}."):
                await _logged(bot.unload_extension(name), name)
        for name, other in tuple(bot.cogs.items()):
            if other is not cog:
                await _logged(bot.remove_cog(name), name)

    task = asyncio.create_task(unload(), name="savepoint unloads the others")
    _, late = await asyncio.wait([task], timeout=seconds)
    if late:
        log.warning("An extension is still unloading after %.1f s; the last snapshot does not wait for it", seconds)


async def _logged(unloading: Awaitable[object], name: str) -> None:
    try:
        await unloading
    except Exception:
        log.exception("%s could not be unloaded in good order", name)
