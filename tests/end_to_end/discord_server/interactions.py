"""The routes by which a bot answers interactions: callbacks, follow-ups, edits. With Discord's time limits.

https://discord.com/developers/docs/interactions/receiving-and-responding
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from . import payloads, rules
from .rules import Refused, unknown
from .state import EPHEMERAL, Discord, Interaction, Message
from .trouble import json_response
from .uploads import Upload, read_upload

__all__ = ["ACKNOWLEDGE_WITHIN", "ANSWER_WITHIN", "InteractionRoutes"]

ACKNOWLEDGE_WITHIN, ANSWER_WITHIN = 3.0, 15 * 60.0
MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE, SUGGESTIONS, MODAL = 4, 5, 6, 7, 8, 9
COMMAND, COMPONENT, AUTOCOMPLETE, SUBMIT = 2, 3, 4, 5


class InteractionRoutes:
    """The routes of one Discord."""

    def __init__(self, discord: Discord) -> None:
        self._discord = discord

    def add_to(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Add the routes."""
        router.add_post(prefix + "/interactions/{id}/{token}/callback", self.callback)
        router.add_post(prefix + "/webhooks/{application:\\d+}/{token}", self.follow_up)
        messages = prefix + "/webhooks/{application:\\d+}/{token}/messages/{message}"
        router.add_get(messages, self.fetch)
        router.add_patch(messages, self.edit)
        router.add_delete(messages, self.delete)

    # Callbacks

    async def callback(self, request: web.Request) -> web.StreamResponse:
        """Take the first answer to an interaction."""
        upload = await read_upload(request, self._discord)
        made = self._discord.interactions.get(request.match_info["token"])
        if made is None or self._discord.seconds - made.began >= ACKNOWLEDGE_WITHIN:
            raise unknown("interaction", 10062)
        if made.answered is not None:
            raise Refused(400, 40060, "Interaction has already been acknowledged.")
        kind, data = upload.payload["type"], upload.payload.get("data") or {}
        self._take(made, kind, data, upload)
        made.answered = kind
        if request.query.get("with_response") not in ("1", "true", "True"):
            return web.Response(status=204)
        answer: dict[str, Any] = {"id": str(made.id), "type": made.kind}
        resource: dict[str, Any] = {"type": kind}
        if made.original is not None:
            answer |= {
                "response_message_id": str(made.original.id),
                "response_message_loading": made.original.loading,
                "response_message_ephemeral": bool(made.original.flags & EPHEMERAL),
            }
            if not made.original.loading:
                resource["message"] = payloads.message(made.original)
        return json_response({"interaction": answer, "resource": resource})

    def _take(self, made: Interaction, kind: int, data: dict[str, Any], upload: Upload) -> None:
        if (kind == SUGGESTIONS) != (made.kind == AUTOCOMPLETE):
            raise Refused(400, 50035, "Invalid Form Body: this kind of answer")
        if kind in (DEFERRED_UPDATE, UPDATE) and made.source is None:
            raise Refused(400, 50035, "Invalid Form Body: there is no message to update")
        if kind == MESSAGE:
            rules.require_message(data, len(upload.files))
            made.original = self._post(made, data, upload)
        elif kind == DEFERRED:
            made.original = self._post(made, data, upload)
            made.original.loading = True
        elif kind == DEFERRED_UPDATE:
            made.original = made.source
        elif kind == UPDATE:
            assert made.source is not None
            made.original, attached = made.source, upload.attachments(made.source)
            rules.require_edit(data, made.source.flags, made.source.attachments if attached is None else attached)
            made.original.change(data, attached)
        elif kind == SUGGESTIONS:
            rules.require_choices(data["choices"])
            made.choices = data["choices"]
        elif kind == MODAL and made.kind != SUBMIT:
            rules.require_modal(data)
            made.modal = data
        else:
            raise Refused(400, 50035, f"Invalid Form Body: type {kind}")

    def _post(self, made: Interaction, data: dict[str, Any], upload: Upload) -> Message:
        posted = Message(self._discord.snowflake(), made.channel, self._discord.bot)
        posted.only_for = made.user if int(data.get("flags") or 0) & EPHEMERAL else None
        posted.change(data, upload.attachments(posted))
        made.channel.messages.append(posted)
        return posted

    # What comes later

    async def follow_up(self, request: web.Request) -> web.StreamResponse:
        """Take one more message; the first one after a deferral takes its place, and stays as ephemeral as it was."""
        upload = await read_upload(request, self._discord)
        made = self._open(request)
        rules.require_message(upload.payload, len(upload.files))
        if made.original is not None and made.original.loading:
            posted = made.original
            posted.change(upload.payload, upload.attachments(posted))
        else:
            posted = self._post(made, upload.payload, upload)
            made.followups.append(posted)
        return json_response(payloads.message(posted))

    async def fetch(self, request: web.Request) -> web.StreamResponse:
        """Return an answer."""
        return json_response(payloads.message(self._message(request)))

    async def edit(self, request: web.Request) -> web.StreamResponse:
        """Change an answer."""
        upload = await read_upload(request, self._discord)
        shown = self._message(request)
        attached = upload.attachments(shown)
        rules.require_edit(upload.payload, shown.flags, shown.attachments if attached is None else attached)
        shown.change(upload.payload, attached)
        return json_response(payloads.message(shown))

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """Delete an answer."""
        self._message(request).deleted = True
        return web.Response(status=204)

    def _open(self, request: web.Request) -> Interaction:
        made = self._discord.interactions.get(request.match_info["token"])
        if made is None or made.answered is None:
            raise unknown("Webhook", 10015)
        if self._discord.seconds - made.began >= ANSWER_WITHIN:
            raise Refused(401, 50027, "Invalid Webhook Token")
        return made

    def _message(self, request: web.Request) -> Message:
        made, name = self._open(request), request.match_info["message"]
        found = made.original if name == "@original" else None
        found = found or next((each for each in made.messages if str(each.id) == name), None)
        if found is None or found.deleted:
            raise unknown("Message", 10008)
        return found
