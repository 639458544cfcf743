"""The body of a request to Discord: a document, alone or with files."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from aiohttp import BodyPartReader, web

from .payloads import UPLOAD_LIMIT
from .rules import Refused
from .state import Discord, Message

__all__ = ["Upload", "read_upload"]


@dataclasses.dataclass
class Upload:
    """A document and the files beside it, by their numbers."""

    discord: Discord
    address: str
    payload: dict[str, Any]
    files: dict[str, tuple[str, bytes]]

    def attachments(self, message: Message) -> list[dict[str, Any]] | None:
        """Store the files; return all attachments that the message has from now on, None if they stay as they are."""
        data = self.payload.get("data", self.payload)
        if not self.files and "attachments" not in data:
            return None
        before = {each["id"]: each for each in message.attachments}
        kept = [before[str(each["id"])] for each in data.get("attachments", []) if str(each["id"]) in before]
        return [*kept, *(self._store(name, content) for name, content in self.files.values())]

    def _store(self, name: str, content: bytes) -> dict[str, Any]:
        number = str(self.discord.snowflake())
        self.discord.files[number] = content
        url = f"{self.address}/attachments/{number}/{name}"
        return {"id": number, "filename": name, "size": len(content), "url": url, "proxy_url": url}


async def read_upload(request: web.Request, discord: Discord) -> Upload:
    """Read the body of a request. Raises Refused if it is too large."""
    payload: dict[str, Any] = {}
    files: dict[str, tuple[str, bytes]] = {}
    if request.content_type == "application/json":
        payload = await request.json()
    elif request.content_type == "multipart/form-data":
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            content = bytes(await part.read(decode=False))
            if part.name == "payload_json":
                payload = json.loads(content)
            else:
                files[str(part.name)] = (part.filename or "file", content)
    if sum(len(content) for _, content in files.values()) > UPLOAD_LIMIT:
        raise Refused(413, 40005, "Request entity too large")
    return Upload(discord, f"http://{request.host}", payload, files)
