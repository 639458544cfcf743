"""What a test lets go wrong between the bot and Discord: refusals, lost replies, resets, and time that passes."""

from __future__ import annotations

import asyncio
import dataclasses
import fnmatch
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from .rules import Refused

__all__ = ["Trouble", "Troubles", "json_response"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_RESET = struct.pack("ii", 1, 0)
"""Closing a socket that lingers for no time sends RST instead of FIN."""


@dataclasses.dataclass(eq=False)
class Trouble:
    """What happens to the next ``times`` requests of a method to a path, in which ``*`` stands for anything."""

    method: str
    path: str
    status: int = 0
    code: int = 0
    retry_after: float = 0.0
    reset: bool = False
    """The connection is reset before the request is handled."""
    lose_reply: bool = False
    """The request is handled, and the connection reset instead of the reply."""
    takes: float = 0.0
    """So many seconds of Discord's clock pass before the request arrives."""
    held: asyncio.Event | None = None
    """The request waits for this."""
    times: int = 1
    met: int = 0
    """How many requests it has happened to."""

    def concerns(self, request: web.Request) -> bool:
        """Return True if it happens to this request."""
        return self.met < self.times and request.method == self.method and fnmatch.fnmatchcase(request.path, self.path)


class Troubles:
    """Everything that a test wants to go wrong."""

    def __init__(self, pass_time: Callable[[float], None]) -> None:
        self._pass_time = pass_time
        self.planned: list[Trouble] = []

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Handle a request, in trouble or not."""
        trouble = next((each for each in self.planned if each.concerns(request)), None)
        if trouble is None:
            return await handler(request)
        trouble.met += 1
        self._pass_time(trouble.takes)
        if trouble.held is not None:
            await trouble.held.wait()
        if trouble.reset:
            return _reset(request)
        if trouble.status == 429:
            body = {"message": "You are being rate limited.", "retry_after": trouble.retry_after, "global": False}
            return json_response(body, status=429, headers={"Via": "1.1 test"})
        if trouble.status:
            raise Refused(trouble.status, trouble.code, "Injected")
        response = await handler(request)
        return _reset(request) if trouble.lose_reply else response


def _reset(request: web.Request) -> web.StreamResponse:
    transport = request.transport
    assert transport is not None
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
    return web.Response()


def json_response(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return a document as Discord sends it: the content type is exact, because discord.py compares it."""
    content = json.dumps(body).encode()
    return web.Response(body=content, status=status, headers={"Content-Type": "application/json", **(headers or {})})
