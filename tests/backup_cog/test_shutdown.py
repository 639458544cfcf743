"""How the cog notices that the bot goes down, and what SIGTERM does."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import discord
import pytest
from discord.ext import commands

from cogs.backup_cog.shutdown import CloseHook, unload_others
from cogs.backup_cog.sigterm import SigtermHandler
from tests.worlds.waiting import PATIENCE

ON_WINDOWS = sys.platform == "win32"


class SlowBot(commands.Bot):
    """A bot whose close takes as long as the test wants, and counts."""

    def __init__(self) -> None:
        super().__init__(command_prefix="!", intents=discord.Intents.none(), help_command=None)
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()
        self.closes = 0

    async def close(self) -> None:
        self.closes += 1
        self.entered.set()
        await self.gate.wait()
        await super().close()


@pytest.fixture
def sigterm() -> Iterator[None]:
    """Put SIGTERM back to what the test runner had."""
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


async def test_a_second_close_waits_for_the_first() -> None:
    """Otherwise the process would end under the snapshot that the first one takes."""
    bot = SlowBot()
    notice = CloseHook(bot, 5.0)
    notice.install()
    first = asyncio.create_task(bot.close())
    await bot.entered.wait()
    second = asyncio.create_task(bot.close())
    await asyncio.sleep(0)
    assert (notice.closing, bot.closes, second.done()) == (True, 1, False)
    bot.gate.set()
    await asyncio.gather(first, second)
    assert bot.closes == 1


async def test_a_second_close_does_not_wait_for_ever() -> None:
    """A close that calls itself must not lock up."""
    bot = SlowBot()
    notice = CloseHook(bot, 0.01)
    notice.install()
    first = asyncio.create_task(bot.close())
    await bot.entered.wait()
    await bot.close()
    assert not first.done()
    bot.gate.set()
    await first


async def test_leaving_the_bots_context_is_noticed() -> None:
    """``async with bot`` closes through the same door."""
    bot = SlowBot()
    bot.gate.set()
    async with bot:
        notice = CloseHook(bot, 1.0)
        notice.install()
        assert not notice.closing
    assert notice.closing


async def test_removing_the_notice_leaves_no_trace() -> None:
    """The bot has its own close again, or the one that somebody had put there before."""
    bot = SlowBot()
    notice = CloseHook(bot, 1.0)
    notice.install()
    notice.remove()
    assert "close" not in vars(bot)

    async def hosts_own() -> None:
        return

    bot.close = hosts_own  # type: ignore[method-assign]
    notice.install()
    notice.remove()
    assert bot.close is hosts_own


async def test_a_notice_under_somebody_elses_stays_and_passes_on() -> None:
    """Whoever wrapped close after us keeps what they put there, and it still closes."""
    bot = SlowBot()
    bot.gate.set()
    notice = CloseHook(bot, 1.0)
    notice.install()
    ours = bot.close

    async def above() -> None:
        await ours()

    bot.close = above  # type: ignore[method-assign]
    notice.remove()
    assert bot.close is above
    await bot.close()
    assert bot.closes == 1


@pytest.mark.process
@pytest.mark.kill
@pytest.mark.skipif(ON_WINDOWS, reason="Windows has no SIGTERM")
async def test_sigterm_closes_the_bot_then_calls_the_earlier_handler(sigterm: None) -> None:
    """A real signal: the bot is closed first, and the host's own handler runs after it."""
    seen: list[tuple[str, Any]] = []
    called = asyncio.Event()
    bot = SlowBot()
    bot.gate.set()

    def hosts_own(number: int, frame: Any) -> None:
        seen.append(("host", bot.is_closed()))
        called.set()

    signal.signal(signal.SIGTERM, hosts_own)
    handler = SigtermHandler(bot)
    handler.install()
    async with bot:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(bot.entered.wait(), PATIENCE)
    await asyncio.wait_for(called.wait(), PATIENCE)
    assert seen == [("host", True)]
    handler.remove()
    assert signal.getsignal(signal.SIGTERM) is hosts_own


@pytest.mark.skipif(ON_WINDOWS, reason="Windows has no SIGTERM")
async def test_a_handler_of_the_loop_is_the_hosts_own(sigterm: None) -> None:
    """It cannot be chained, and a host that has one knows what it does."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: None)
    before = signal.getsignal(signal.SIGTERM)
    handler = SigtermHandler(SlowBot())
    handler.install()
    assert signal.getsignal(signal.SIGTERM) is before
    handler.remove()
    assert signal.getsignal(signal.SIGTERM) is before
    loop.remove_signal_handler(signal.SIGTERM)


@pytest.mark.skipif(ON_WINDOWS, reason="Windows has no SIGTERM")
async def test_an_ignored_sigterm_stays_ignored(sigterm: None) -> None:
    """Somebody ignores it on purpose."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    SigtermHandler(SlowBot()).install()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


@pytest.mark.skipif(ON_WINDOWS, reason="Windows has no SIGTERM")
async def test_a_later_handler_is_not_taken_away(sigterm: None) -> None:
    """On unload only our own handler is removed."""
    handler = SigtermHandler(SlowBot())
    handler.install()

    def later(number: int, frame: Any) -> None:
        return

    signal.signal(signal.SIGTERM, later)
    handler.remove()
    assert signal.getsignal(signal.SIGTERM) is later


async def test_a_close_that_was_cancelled_can_be_called_again() -> None:
    """A host that gives up waiting, or a second Ctrl-C, leaves a bot that can still be closed in good order."""
    bot = SlowBot()
    hook = CloseHook(bot, 5.0)
    hook.install()
    first = asyncio.create_task(bot.close())
    await bot.entered.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (bot.is_closed(), hook.closing) == (False, True)
    bot.gate.set()
    await bot.close()
    assert (bot.is_closed(), bot.closes) == (True, 2)
    await bot.close()
    assert bot.closes == 2


@pytest.mark.skipif(ON_WINDOWS, reason="Windows has no SIGTERM")
async def test_the_handlers_of_two_bots_close_both_at_once_then_call_the_earlier_one(sigterm: None) -> None:
    """The second does not wait for the first, and the host's own handler runs once, after both."""
    bots = [SlowBot(), SlowBot()]
    seen: list[list[bool]] = []
    called = asyncio.Event()

    def hosts_own(number: int, frame: Any) -> None:
        seen.append([bot.is_closed() for bot in bots])
        called.set()

    signal.signal(signal.SIGTERM, hosts_own)
    handlers = [SigtermHandler(bot) for bot in bots]
    for handler in handlers:
        handler.install()
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(5):
        for bot in bots:
            await bot.entered.wait()
        for bot in bots:
            bot.gate.set()
        await called.wait()
    assert seen == [[True, True]]
    for handler in reversed(handlers):
        handler.remove()
    assert signal.getsignal(signal.SIGTERM) is hosts_own


class Last(commands.Cog):
    """A cog of the host's that notes when it unloads."""

    def __init__(self, order: list[str], wait: asyncio.Event | None = None) -> None:
        self._order = order
        self._wait = wait

    async def cog_unload(self) -> None:
        if self._wait is not None:
            await self._wait.wait()
        self._order.append("host")


class Ours(commands.Cog):
    """A cog that unloads the others first, as the backup cog does."""

    def __init__(self, bot: commands.Bot, order: list[str], seconds: float) -> None:
        self._bot, self._order, self._seconds = bot, order, seconds

    async def cog_unload(self) -> None:
        await unload_others(self._bot, self, self._seconds)
        self._order.append("ours")


@pytest.mark.parametrize(("hangs", "expected"), [(False, ["host", "ours"]), (True, ["ours", "host"])])
async def test_the_others_unload_first_unless_one_hangs(hangs: bool, expected: list[str]) -> None:
    """What the game commits at its end belongs into the last snapshot; but that is not put at risk for it."""
    bot = SlowBot()
    bot.gate.set()
    order: list[str] = []
    wait = asyncio.Event()
    await bot.add_cog(Ours(bot, order, 0.05 if hangs else 5.0))
    await bot.add_cog(Last(order, wait if hangs else None))
    await bot.close()
    wait.set()
    async with asyncio.timeout(5):
        while len(order) < 2:
            await asyncio.sleep(0)
    assert order == expected
