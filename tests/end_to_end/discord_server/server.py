"""A Discord on this machine, in a thread of its own, so that tests and the bot's process both can talk to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web

from .gateway import Gateway
from .rest import PREFIX, SECRET, make_application
from .state import Discord
from .trouble import Trouble, Troubles

__all__ = ["DiscordServer"]

_START_WITHIN = 60.0


class DiscordServer:
    """The server of one Discord, which listens from the beginning; ``close`` ends it."""

    def __init__(self, discord: Discord) -> None:
        self.discord = discord
        self.troubles = Troubles(self.pass_time)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="discord", daemon=True)
        self._thread.start()
        self.run(self._start())

    async def _start(self) -> None:
        # The gateway's own address is known once the port is.
        self.gateway = Gateway(self.discord, "")
        self._runner = web.AppRunner(
            make_application(self.discord, self.gateway, self.troubles), access_log=None, shutdown_timeout=1.0
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.host = f"127.0.0.1:{self._runner.addresses[0][1]}"
        self.gateway.address = self.gateway_address

    @property
    def rest_address(self) -> str:
        """Where the REST routes are."""
        return f"http://{self.host}{PREFIX}"

    @property
    def gateway_address(self) -> str:
        """Where the gateway is."""
        return f"ws://{self.host}/gateway/"

    @property
    def alert_address(self) -> str:
        """The address of the alert webhook, which is a secret."""
        return f"http://{self.host}/alerts/1/{SECRET}"

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something in the server's loop and wait for it."""
        asyncio.run_coroutine_threadsafe(work, self.loop).result(_START_WITHIN)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, on Discord's clock only."""
        self.discord.seconds += seconds

    def plan(self, method: str, path: str, **what: Any) -> Trouble:
        """Let something go wrong with requests to come; the path begins after ``/api/v10``."""
        made = Trouble(method, PREFIX + path, **what)
        self.troubles.planned.append(made)
        return made

    def hold(self, method: str, path: str) -> Callable[[], None]:
        """Keep the next request waiting until the returned function is called."""
        event = asyncio.Event()
        self.plan(method, path, held=event)
        return lambda: self.run(_set(event))

    def close(self) -> None:
        """End the server and its thread."""
        self.run(self._runner.cleanup())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


async def _set(event: asyncio.Event) -> None:
    event.set()
