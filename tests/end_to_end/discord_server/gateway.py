"""The gateway, version 10: identify, heartbeat, resume, and the events that the bot gets.

https://discord.com/developers/docs/events/gateway
"""

from __future__ import annotations

import dataclasses
import json
import secrets
from typing import Any

from aiohttp import WSMsgType, web

from . import payloads
from .state import Discord, Guild

__all__ = ["Gateway"]

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, RESUME, RECONNECT, INVALID, HELLO, ACKNOWLEDGED = 0, 1, 2, 3, 6, 7, 9, 10, 11
_WRONG_TOKEN = 4004
_INTERVAL = 41250
"""Milliseconds between two heartbeats."""


@dataclasses.dataclass(eq=False)
class _Session:
    """What one shard of the bot gets, also what it could not get while it was not connected."""

    id: str
    shard: int
    shards: int
    events: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    socket: web.WebSocketResponse | None = None


class Gateway:
    """The gateway of one Discord; ``address`` is its own, where a bot resumes."""

    def __init__(self, discord: Discord, address: str) -> None:
        self._discord = discord
        self.address = address
        self._sessions: list[_Session] = []
        self.identified = 0
        self.resumed = 0

    @property
    def connected(self) -> int:
        """How many shards are connected."""
        return sum(session.socket is not None for session in self._sessions)

    async def dispatch(self, event: str, data: dict[str, Any], guild: Guild | None = None) -> None:
        """Send an event to the shard that the guild belongs to; direct messages belong to the first."""
        for session in self._sessions:
            if session.shard == ((guild.id >> 22) % session.shards if guild is not None else 0):
                await self._send(session, event, data)

    async def drop(self) -> None:
        """Close every connection; the sessions can be resumed."""
        sockets = [session.socket for session in self._sessions if session.socket is not None]
        for session in self._sessions:
            session.socket = None
        for each in sockets:
            await each.close(code=1001)

    async def ask_to_reconnect(self) -> None:
        """Ask every shard to connect anew and resume, as Discord does when it moves its own servers."""
        for session in self._sessions:
            if session.socket is not None:
                await session.socket.send_json({"op": RECONNECT, "d": None, "s": None, "t": None})

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Talk to one shard for as long as it is connected."""
        connection = web.WebSocketResponse(max_msg_size=1 << 24)
        await connection.prepare(request)
        await connection.send_json({"op": HELLO, "d": {"heartbeat_interval": _INTERVAL}, "s": None, "t": None})
        try:
            async for received in connection:
                if received.type is WSMsgType.TEXT:
                    await self._receive(connection, json.loads(received.data))
        finally:
            for session in self._sessions:
                if session.socket is connection:
                    session.socket = None
        return connection

    async def _receive(self, connection: web.WebSocketResponse, message: dict[str, Any]) -> None:
        operation, data = message["op"], message["d"]
        if operation == HEARTBEAT:
            await connection.send_json({"op": ACKNOWLEDGED, "d": None, "s": None, "t": None})
        elif operation in (IDENTIFY, RESUME) and data["token"] != self._discord.token:
            await connection.close(code=_WRONG_TOKEN, message=b"Authentication failed.")
        elif operation == IDENTIFY:
            await self._identify(connection, data)
        elif operation == RESUME:
            await self._resume(connection, data)
        elif operation != PRESENCE:
            self._discord.faults.append(f"The gateway does not know operation {operation}")

    async def _identify(self, connection: web.WebSocketResponse, data: dict[str, Any]) -> None:
        shard, shards = data.get("shard", (0, 1))
        session = _Session(secrets.token_hex(8), shard, shards, socket=connection)
        self._sessions = [each for each in self._sessions if each.shard != shard] + [session]
        guilds = [guild for guild in self._discord.guilds if (guild.id >> 22) % shards == shard]
        ready = {
            "v": 10,
            "user": payloads.own_user(self._discord),
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "resume_gateway_url": self.address,
            "shard": [shard, shards],
            "application": {"id": str(self._discord.bot.id), "flags": 0},
        }
        await self._send(session, "READY", ready)
        for guild in guilds:
            await self._send(session, "GUILD_CREATE", payloads.guild(self._discord, guild))
        self.identified += 1

    async def _resume(self, connection: web.WebSocketResponse, data: dict[str, Any]) -> None:
        session = next((each for each in self._sessions if each.id == data["session_id"]), None)
        if session is None:
            await connection.send_json({"op": INVALID, "d": False, "s": None, "t": None})
            return
        session.socket = connection
        for event in session.events:
            if event["s"] > data["seq"]:
                await connection.send_json(event)
        await self._send(session, "RESUMED", {})
        self.resumed += 1

    async def _send(self, session: _Session, event: str, data: dict[str, Any]) -> None:
        made = {"op": DISPATCH, "s": len(session.events) + 1, "t": event, "d": data}
        session.events.append(made)
        if session.socket is not None and not session.socket.closed:
            await session.socket.send_json(made)
