"""Triggers: what in the host requests a snapshot, on which condition, and with which reason.

That is an event that the host dispatches, a command that has ended without an error, or a click on a button.

A reason is a template like those of ``str.format``, but with names only: ``{user_id}``, or ``{member.id}`` for a public
attribute. Everything else that a template could reach (private attributes, indexes, conversions) is refused, because
the values are the host's own objects and people see the result.
"""

from __future__ import annotations

import difflib
import re
from string import Formatter
from typing import Any

import msgspec

from .validators import InvalidValue, Validator, from_json, list_of, text

__all__ = ["DEFAULT_TRIGGERS", "OWN_EVENTS", "TRIGGERS", "TriggerSettings", "combined", "placeholders"]

_PUBLIC = re.compile(r"[^\W\d_]\w*(?:\.[^\W\d_]\w*)*")

OWN_EVENTS = (
    "backup_created",
    "backup_failed",
    "backup_restore_starting",
    "backup_restore_finished",
    "backup_rescued",
)
"""What Savepoint itself dispatches: a snapshot for each snapshot would never end."""

_CLICK_FIELDS = ("custom_id", "user", "interaction")
_COMMAND_FIELDS = ("command", "user", "ctx", "interaction")


class TriggerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event, commands or buttons that request a snapshot; exactly one of the three is set.

    ``event`` is the name that the host passes to ``bot.dispatch``. ``fields`` are names for the event's arguments, in
    the order of the positional ones, and ``reason`` is a template that uses them. ``commands`` are qualified names of
    prefix, hybrid and slash commands ("shop buy"), ``buttons`` the custom ids of components and modals; in both ``*``
    stands for anything. Their fields are given: ``command`` or ``custom_id``, ``user``, ``ctx``, ``interaction``, and a
    command's own arguments. With ``field``, which may be a path (``ctx.guild.id``), it counts only if the value of that
    field equals or contains one of ``any_of``, in upper or lower case.
    """

    event: str = ""
    reason: str
    commands: tuple[str, ...] = ()
    buttons: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    field: str | None = None
    any_of: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Which of ``event``, ``commands`` and ``buttons`` is set."""
        return "commands" if self.commands else "buttons" if self.buttons else "event"

    @property
    def source(self) -> str:
        """What requests the snapshot, in words: ``pack_opened``, ``commands shop buy, trade *``."""
        return self.event or f"{self.kind} {', '.join(self.commands or self.buttons)}"


DEFAULT_TRIGGERS = (
    TriggerSettings(
        event="pack_opened",
        reason="pack_opening_user_{user_id}",
        fields=("user_id", "rarities"),
        field="rarities",
        any_of=("legendary", "epic", "mythic"),
    ),
    TriggerSettings(event="marketplace_listed", reason="marketplace_listing_{card_id}", fields=("card_id",)),
    TriggerSettings(event="marketplace_sold", reason="marketplace_buy_{card_id}", fields=("card_id",)),
    TriggerSettings(event="pack_published", reason="pack_published_{pack_id}", fields=("pack_id",)),
    TriggerSettings(event="pack_purchased", reason="pack_purchase_{pack_id}", fields=("pack_id",)),
)


def combined(own: tuple[TriggerSettings, ...], *, replace: bool) -> tuple[TriggerSettings, ...]:
    """Return the default triggers and ``own`` after them; with ``replace``, or if ``own`` is empty, only ``own``.

    A trigger of one's own for one of the five events takes the place of the default one.
    """
    if replace or not own:
        return own
    named = {trigger.event for trigger in own}
    return (*(trigger for trigger in DEFAULT_TRIGGERS if trigger.event not in named), *own)


def placeholders(reason: str) -> tuple[str, ...]:
    """Return the names between a template's braces, with their dots; raise ValueError if one is not a public name."""
    names = []
    for _, name, specification, conversion in Formatter().parse(reason):
        if name is None:
            continue
        if conversion or specification or not _PUBLIC.fullmatch(name):
            raise ValueError(f"{{{name}}} is not a public name")
        names.append(name)
    return tuple(names)


def _is_event(value: str) -> bool:
    return value.isidentifier() and not value.startswith("on_") and value not in OWN_EVENTS


def _is_path(value: str) -> bool:
    return _PUBLIC.fullmatch(value) is not None


def _is_command(value: str) -> bool:
    return bool(value.strip()) and value[0] != "/"


def _is_reason(value: str) -> bool:
    try:
        placeholders(value)
    except ValueError:
        return False
    return bool(value.strip())


_SOURCES = ("event", "commands", "buttons")
_FIELD = text("a name from the event's payload", str.isidentifier)
_RULES = {
    "event": text("an event's name as bot.dispatch takes it, without \"on_\", and none of Savepoint's own", _is_event),
    "commands": list_of(text('a command\'s qualified name without "/", like "shop buy"', _is_command), '["shop *"]'),
    "buttons": list_of(text('a component\'s custom_id, like "buy:*"', lambda value: bool(value.strip())), '["buy:*"]'),
    "reason": text(
        'a text with {names} of fields between braces, like "marketplace_buy_{card_id}" or "left_{member.id}"',
        _is_reason,
    ),
    "fields": list_of(_FIELD, '["user_id"]'),
    "field": text("a name from the event's payload, or a path like ctx.guild.id", _is_path),
    "any_of": list_of(text("a text", lambda value: bool(value.strip())), '["epic"]'),
}
_DEFAULT_REASONS = {"commands": "{command}_by_{user.id}", "buttons": "{custom_id}_by_{user.id}"}


def _read_trigger(value: object) -> TriggerSettings:
    if not isinstance(value, dict):
        raise InvalidValue(value, "a table with event, reason and fields")
    for name in value:
        if name not in _RULES:
            near = difflib.get_close_matches(name, _RULES, n=1)
            why = f"did you mean {near[0]}?" if near else ""
            raise InvalidValue(
                value[name], f"absent: a trigger has only {', '.join(_RULES)}", why=why, where=f".{name}"
            )
    sources = [name for name in _SOURCES if name in value]
    if not sources:
        raise InvalidValue(
            value, 'a table with an event, like event = "boss_defeated", or with commands, or with buttons'
        )
    if len(sources) > 1:
        raise InvalidValue(value, f"a table with one of {', '.join(sources)}; write a [[triggers]] table for each")
    if "reason" not in value and "event" in value:
        raise InvalidValue(value, 'a table with a reason, like reason = "boss_{id}"')
    defaults = {"reason": _DEFAULT_REASONS.get(sources[0])}
    trigger = TriggerSettings(**(defaults | {name: _read_key(name, part) for name, part in value.items()}))
    if not (trigger.event or trigger.commands or trigger.buttons):
        raise InvalidValue([], "a list of at least one text", where=f".{sources[0]}")
    _check(trigger)
    return trigger


def _read_key(name: str, value: object) -> Any:
    try:
        return _RULES[name].read(value)
    except InvalidValue as error:
        raise InvalidValue(error.value, error.allowed, why=error.why, where=f".{name}{error.where}") from None


def _check(trigger: TriggerSettings) -> None:
    if trigger.fields and not trigger.event:
        given = ", ".join(_COMMAND_FIELDS if trigger.commands else _CLICK_FIELDS)
        raise InvalidValue(
            list(trigger.fields), f"absent: the fields of commands and buttons are given ({given})", where=".fields"
        )
    known = trigger.fields if trigger.event else _CLICK_FIELDS
    fields = ", ".join(known) or "of which there are none"
    for name in placeholders(trigger.reason):
        # A command's own arguments are fields too, and only the host knows them.
        if name.partition(".")[0] not in known and not trigger.commands:
            why = f"{{{name}}} is a field that never comes"
            raise InvalidValue(
                trigger.reason, f"a template over the trigger's fields, {fields}", why=why, where=".reason"
            )
    if len(set(trigger.fields)) < len(trigger.fields):
        raise InvalidValue(list(trigger.fields), "a list that names each field once", where=".fields")
    if trigger.field is not None and trigger.field.partition(".")[0] not in known and not trigger.commands:
        raise InvalidValue(trigger.field, f"one of the trigger's fields, {fields}", where=".field")
    if trigger.any_of and trigger.field is None:
        raise InvalidValue(list(trigger.any_of), "absent where there is no field for it to look at", where=".any_of")
    if trigger.field is not None and not trigger.any_of:
        raise InvalidValue([], "a list of at least one text where there is a field to look at", where=".any_of")


_TRIGGER = Validator(allowed="a table with event, reason and fields", read=_read_trigger)
_LIST = list_of(_TRIGGER, '[{"event": "member_join", "reason": "join_{member.id}", "fields": ["member"]}]')


def _read_triggers(value: object) -> tuple[TriggerSettings, ...]:
    triggers: tuple[TriggerSettings, ...] = _LIST.read(value)
    seen = set()
    for position, trigger in enumerate(triggers):
        if (trigger.source, trigger.reason) in seen:
            why = f"{'event ' if trigger.event else ''}{trigger.source} has this reason already"
            raise InvalidValue(trigger.reason, "a reason of its own", why=why, where=f"[{position}].reason")
        seen.add((trigger.source, trigger.reason))
    return triggers


TRIGGERS = Validator(allowed=_LIST.allowed, read=_read_triggers, from_text=from_json)
"""The validator of the whole list of triggers."""
