"""Discord's rules: what it refuses, with the code that it gives. Pure functions.

Limits: https://discord.com/developers/docs/resources/message and .../components/reference; codes:
https://discord.com/developers/docs/topics/opcodes-and-status-codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from .state import walk

__all__ = ["Refused", "require_choices", "require_command", "require_message", "require_modal"]

Document = dict[str, Any]
COMPONENTS_V2 = 1 << 15
ROW, BUTTON, SELECT, TEXT_INPUT, TEXT_DISPLAY, GALLERY, LABEL = 1, 2, 3, 4, 10, 12, 18
LINK = 5


class Refused(Exception):
    """Discord refuses a request, with an HTTP status and a code of its own."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def unknown(what: str, code: int) -> Refused:
    """Return the refusal of something that does not exist (any more)."""
    return Refused(404, code, f"Unknown {what}")


def require_message(message: Document, files: int = 0) -> None:
    """Raise Refused if a new or edited message breaks a limit. ``files`` is how many are uploaded with it."""
    _require(_faults_of_message(message))
    named = ("content", "embeds", "components", "sticker_ids", "poll")
    if not any(message.get(key) for key in named) and not files:
        raise Refused(400, 50006, "Cannot send an empty message")


def require_edit(message: Document, flags: int, attached: Sequence[Document] = ()) -> None:
    """Raise Refused if what replaces parts of a message with these flags breaks a limit.

    ``attached`` is what the message will have attached. A message of components stays one.
    """
    faults = _faults_of_message({**message, "flags": int(message.get("flags") or 0) | flags})
    names = {f"attachment://{each['filename']}" for each in attached}
    for each in walk(message.get("components") or []):
        for item in each.get("items", []):
            if item["media"]["url"].startswith("attachment://") and item["media"]["url"] not in names:
                faults.append(f"{item['media']['url']}, which is not attached")
    _require(faults)


def require_modal(modal: Document) -> None:
    """Raise Refused if a modal breaks a limit."""
    _require(_faults_of_modal(modal))


def require_choices(choices: Sequence[Document]) -> None:
    """Raise Refused if suggestions break a limit."""
    faults = [] if len(choices) <= 25 else [f"{len(choices)} choices"]
    _require([*faults, *_faults_of_choices(choices)])


def require_command(command: Document) -> None:
    """Raise Refused if a command, with everything in it, breaks a limit."""
    faults = list(_faults_of_command(command))
    if (length := sum(len(text) for text in _texts_of_command(command))) > 8000:
        faults.append(f"command of {length} characters")
    _require(faults)


def _require(faults: Sequence[str]) -> None:
    if faults:
        raise Refused(400, 50035, f"Invalid Form Body: {'; '.join(faults)}")


def _faults_of_message(message: Document) -> list[str]:
    components, embeds = message.get("components") or [], message.get("embeds") or []
    faults = list(_faults_of_components(components))
    if len(message.get("content") or "") > 2000:
        faults.append("content longer than 2000")
    if int(message.get("flags") or 0) & COMPONENTS_V2:
        if message.get("content") or embeds:
            faults.append("content or embeds beside components v2")
        every = list(walk(components))
        if len(every) > 40:
            faults.append("more than 40 components")
        if sum(len(each["content"]) for each in every if each["type"] == TEXT_DISPLAY) > 4000:
            faults.append("more than 4000 characters in components")
        if any(each["type"] == GALLERY and not 1 <= len(each["items"]) <= 10 for each in every):
            faults.append("a gallery of anything but 1 to 10 pictures")
    elif len(components) > 5 or any(each["type"] != ROW for each in components):
        faults.append("anything but at most 5 action rows")
    if len(embeds) > 10:
        faults.append("more than 10 embeds")
    if sum(_length(embed) for embed in embeds) > 6000:
        faults.append("embeds longer than 6000 in all")
    for embed in embeds:
        faults += _faults_of_embed(embed)
    return faults


def _length(embed: Document) -> int:
    fields = sum(len(field["name"]) + len(field["value"]) for field in embed.get("fields", []))
    rest = (embed.get("title"), embed.get("description"), embed.get("footer", {}).get("text"))
    return fields + len(embed.get("author", {}).get("name", "")) + sum(len(text or "") for text in rest)


def _faults_of_embed(embed: Document) -> Iterator[str]:
    yield from _too_long("embed title", embed.get("title"), 256, least=0)
    yield from _too_long("embed description", embed.get("description"), 4096, least=0)
    yield from _too_long("embed footer", embed.get("footer", {}).get("text"), 2048, least=0)
    fields = embed.get("fields", [])
    if len(fields) > 25:
        yield f"{len(fields)} fields"
    for field in fields:
        yield from _too_long("field name", field["name"], 256)
        yield from _too_long("field value", field["value"], 1024)


def _too_long(what: str, text: str | None, most: int, *, least: int = 1) -> Iterator[str]:
    if text is not None and not least <= len(text.strip() if least else text) <= most:
        yield f"{what} of {len(text)} characters ({least} to {most})"


def _faults_of_components(components: Sequence[Document]) -> Iterator[str]:
    every = list(walk(list(components)))
    ids = [each["custom_id"] for each in every if "custom_id" in each]
    if len(ids) != len(set(ids)):
        yield "a custom id twice"
    for custom_id in ids:
        yield from _too_long("custom id", custom_id, 100)
    for each in every:
        if each["type"] == ROW:
            inner = each["components"]
            if not 1 <= len(inner) <= 5 or (len(inner) > 1 and any(one["type"] != BUTTON for one in inner)):
                yield "a row of anything but 1 to 5 buttons or one select"
        elif each["type"] == BUTTON:
            yield from _too_long("button label", each.get("label"), 80)
            if ("url" in each) != (each["style"] == LINK) or (each["style"] != LINK and "custom_id" not in each):
                yield "a button without a custom id, or a link without an address"
        elif each["type"] == SELECT:
            yield from _faults_of_select(each)
        elif each["type"] == TEXT_DISPLAY:
            yield from _too_long("text display", each["content"], 4000)


def _faults_of_select(select: Document) -> Iterator[str]:
    options = select["options"]
    if not 1 <= len(options) <= 25 or len({option["value"] for option in options}) != len(options):
        yield "a select of anything but 1 to 25 different options"
    yield from _too_long("placeholder", select.get("placeholder"), 150, least=0)
    for option in options:
        yield from _too_long("option label", option["label"], 100)
        yield from _too_long("option value", option["value"], 100)
        yield from _too_long("option description", option.get("description"), 100)


def _faults_of_modal(modal: Document) -> list[str]:
    components = modal["components"]
    faults = [*_too_long("modal title", modal["title"], 45), *_too_long("custom id", modal["custom_id"], 100)]
    if not 1 <= len(components) <= 5 or any(each["type"] not in (ROW, TEXT_DISPLAY, LABEL) for each in components):
        faults.append("a modal of anything but 1 to 5 rows, labels and texts")
    for each in walk(components):
        if each["type"] == LABEL:
            faults += [*_too_long("label", each["label"], 45), *_too_long("label", each.get("description"), 100)]
        elif each["type"] == TEXT_INPUT:
            faults += [*_too_long("placeholder", each.get("placeholder"), 100, least=0)]
    return faults


def _faults_of_choices(choices: Sequence[Document]) -> Iterator[str]:
    for choice in choices:
        yield from _too_long("choice", choice["name"], 100)
        if isinstance(choice["value"], str):
            yield from _too_long("value of a choice", choice["value"], 100)


def _faults_of_command(command: Document) -> Iterator[str]:
    name, options = command["name"], command.get("options") or []
    if command.get("type", 1) == 1 and (not re.fullmatch(r"[-_'\w]{1,32}", name) or name != name.lower()):
        yield f"name {name!r}"
    if "description" in command and command.get("type", 1) not in (2, 3):
        yield from _too_long(f"description of {name}", command["description"], 100)
    choices = command.get("choices") or []
    if len(options) > 25 or len(choices) > 25 or len({option["name"] for option in options}) != len(options):
        yield f"more than 25 options or choices, or one twice, in {name}"
    yield from _faults_of_choices(choices)
    for option in options:
        yield from _faults_of_command({"type": 1, **{key: value for key, value in option.items() if key != "type"}})


def _texts_of_command(command: Document) -> Iterator[str]:
    yield from (command["name"], command.get("description", ""))
    for choice in command.get("choices") or []:
        yield from (choice["name"], str(choice["value"]))
    for option in command.get("options") or []:
        yield from _texts_of_command(option)
