"""The REST routes beside the answers to interactions; an unknown route is a fault of the test world, said aloud."""

from __future__ import annotations

import json
import traceback
from typing import Any

from aiohttp import web

from . import payloads, rules
from .gateway import Gateway
from .interactions import InteractionRoutes
from .rules import Refused, unknown
from .state import Channel, Discord, Message
from .trouble import Handler, Troubles, json_response
from .uploads import read_upload

__all__ = ["PREFIX", "make_application"]

PREFIX = "/api/v10"
SECRET = "s3cret"
"""The token in the address of the alert webhook."""


def make_application(discord: Discord, gateway: Gateway, troubles: Troubles) -> web.Application:
    """Return the web application of a Discord."""
    rest = _Rest(discord, gateway, troubles)

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await rest.answer(request, handler)

    application = web.Application(client_max_size=1 << 26, middlewares=[answer])
    router = application.router
    router.add_get("/gateway/", gateway.connect)
    router.add_get("/attachments/{id}/{name}", rest.attachment)
    router.add_post(f"/alerts/1/{SECRET}", rest.alert)
    router.add_get(PREFIX + "/gateway/bot", rest.gateway_bot)
    router.add_get(PREFIX + "/users/@me", rest.own_user)
    router.add_get(PREFIX + "/oauth2/applications/@me", rest.application)
    router.add_get(PREFIX + "/applications/@me", rest.application)
    router.add_get(PREFIX + "/users/{user:\\d+}", rest.user)
    router.add_post(PREFIX + "/users/@me/channels", rest.open_direct)
    router.add_get(PREFIX + "/channels/{channel}", rest.channel)
    router.add_post(PREFIX + "/channels/{channel}/messages", rest.post)
    router.add_patch(PREFIX + "/channels/{channel}/messages/{message}", rest.edit)
    router.add_delete(PREFIX + "/channels/{channel}/messages/{message}", rest.delete)
    for place in ("", "/guilds/{guild}"):
        commands = PREFIX + "/applications/{application}" + place + "/commands"
        router.add_get(commands, rest.commands)
        router.add_put(commands, rest.register)
    InteractionRoutes(discord).add_to(router, PREFIX)
    return application


class _Rest:
    def __init__(self, discord: Discord, gateway: Gateway, troubles: Troubles) -> None:
        self._discord = discord
        self._gateway = gateway
        self._troubles = troubles

    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer any request: refusals with their codes, and what nobody foresaw as a fault."""
        self._discord.requests.append(f"{request.method} {request.path}")
        try:
            if "Authorization" in request.headers and request.headers["Authorization"] != f"Bot {self._discord.token}":
                raise Refused(401, 0, "401: Unauthorized")
            return await self._troubles.handle(request, handler)
        except Refused as refused:
            if refused.code == 50035:
                self._discord.faults.append(f"{request.method} {request.path}: {refused.message}")
            return json_response({"code": refused.code, "message": refused.message}, status=refused.status)
        except web.HTTPException as unrouted:
            self._discord.faults.append(f"{request.method} {request.path}: {unrouted.status}, no such route")
        except Exception:  # noqa: BLE001 - a fault of this Discord must fail the test and not the bot alone
            self._discord.faults.append(f"{request.method} {request.path}: {traceback.format_exc()}")
        return json_response({"code": 0, "message": "500: Internal Server Error"}, status=500)

    # The bot itself

    async def gateway_bot(self, request: web.Request) -> web.StreamResponse:
        limit = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 16}
        url = f"ws://{request.host}/gateway/"
        return json_response({"url": url, "shards": self._discord.shards, "session_start_limit": limit})

    async def own_user(self, _: web.Request) -> web.StreamResponse:
        return json_response(payloads.own_user(self._discord))

    async def application(self, _: web.Request) -> web.StreamResponse:
        return json_response(payloads.application(self._discord))

    async def commands(self, request: web.Request) -> web.StreamResponse:
        return json_response(self._discord.commands.get(self._guild_id(request), []))

    async def register(self, request: web.Request) -> web.StreamResponse:
        guild_id = self._guild_id(request)
        registered = []
        for command in await request.json():
            rules.require_command(command)
            identity = {"id": str(self._discord.snowflake()), "application_id": str(self._discord.bot.id)}
            identity |= {"version": "1"} | ({"guild_id": str(guild_id)} if guild_id is not None else {})
            registered.append({"type": 1, "description": "", **command, **identity})
        self._discord.commands[guild_id] = registered
        return json_response(registered)

    def _guild_id(self, request: web.Request) -> int | None:
        guild_id = request.match_info.get("guild")
        if guild_id is None:
            return None
        if not any(str(guild.id) == guild_id for guild in self._discord.guilds):
            raise Refused(403, 50001, "Missing Access")
        return int(guild_id)

    # People, channels, messages

    async def user(self, request: web.Request) -> web.StreamResponse:
        found = self._discord.users.get(int(request.match_info["user"]))
        if found is None:
            raise unknown("User", 10013)
        return json_response(payloads.user(found))

    async def open_direct(self, request: web.Request) -> web.StreamResponse:
        recipient = self._discord.users[int((await request.json())["recipient_id"])]
        return json_response(payloads.channel(self._discord.direct_with(recipient)))

    async def channel(self, request: web.Request) -> web.StreamResponse:
        return json_response(payloads.channel(self._channel(request)))

    async def post(self, request: web.Request) -> web.StreamResponse:
        upload = await read_upload(request, self._discord)
        channel = self._channel(request)
        if channel.recipient is not None and not channel.recipient.dms_open:
            raise Refused(403, 50007, "Cannot send messages to this user")
        rules.require_message(upload.payload, len(upload.files))
        posted = Message(self._discord.snowflake(), channel, self._discord.bot)
        posted.change(upload.payload, upload.attachments(posted))
        channel.messages.append(posted)
        return json_response(payloads.message(posted))

    async def edit(self, request: web.Request) -> web.StreamResponse:
        upload = await read_upload(request, self._discord)
        shown = self._own_message(request)
        attached = upload.attachments(shown)
        rules.require_edit(upload.payload, shown.flags, shown.attachments if attached is None else attached)
        shown.change(upload.payload, attached)
        return json_response(payloads.message(shown))

    async def delete(self, request: web.Request) -> web.StreamResponse:
        self._own_message(request).deleted = True
        return web.Response(status=204)

    def _channel(self, request: web.Request) -> Channel:
        found = self._discord.channel(int(request.match_info["channel"]))
        if found is None:
            raise unknown("Channel", 10003)
        if not found.open_to_bot:
            raise Refused(403, 50001, "Missing Access")
        return found

    def _own_message(self, request: web.Request) -> Message:
        channel, wanted = self._channel(request), request.match_info["message"]
        for each in channel.messages:
            # Nobody can touch an ephemeral message but by the interaction that made it.
            if str(each.id) == wanted and not each.deleted and each.only_for is None:
                if each.author is not self._discord.bot:
                    raise Refused(403, 50005, "Cannot edit a message authored by another user")
                return each
        raise unknown("Message", 10008)

    async def attachment(self, request: web.Request) -> web.StreamResponse:
        content = self._discord.files.get(request.match_info["id"])
        return web.Response(body=content) if content is not None else web.Response(status=404)

    # The alert webhook

    async def alert(self, request: web.Request) -> web.StreamResponse:
        document: dict[str, Any] = json.loads(await request.read())
        rules.require_message(document)
        self._discord.posted.append(document)
        return web.Response(status=204)
