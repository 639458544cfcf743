"""Triggers: the events of the host that request a snapshot, on which condition, and with which reason.

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

__all__ = ["DEFAULT_TRIGGERS", "TRIGGERS", "TriggerSettings", "placeholders"]

_PUBLIC = re.compile(r"[^\W\d_]\w*(?:\.[^\W\d_]\w*)*")


class TriggerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event that requests a snapshot.

    ``event`` is the name that the host passes to ``bot.dispatch``. ``fields`` are names for the event's arguments, in
    the order of the positional ones, and ``reason`` is a template that uses them. With ``field``, the event counts only
    if the value of that field equals or contains one of ``any_of``, in upper or lower case.
    """

    event: str
    reason: str
    fields: tuple[str, ...] = ()
    field: str | None = None
    any_of: tuple[str, ...] = ()


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
    return value.isidentifier() and not value.startswith("on_")


def _is_reason(value: str) -> bool:
    try:
        placeholders(value)
    except ValueError:
        return False
    return bool(value.strip())


_REQUIRED = {"event": 'an event, like event = "boss_defeated"', "reason": 'a reason, like reason = "boss_{id}"'}
_FIELD = text("a name from the event's payload", str.isidentifier)
_RULES = {
    "event": text('an event\'s name as bot.dispatch takes it, without "on_"', _is_event),
    "reason": text(
        'a text with {names} of fields between braces, like "marketplace_buy_{card_id}" or "left_{member.id}"',
        _is_reason,
    ),
    "fields": list_of(_FIELD, '["user_id"]'),
    "field": _FIELD,
    "any_of": list_of(text("a text", lambda value: bool(value.strip())), '["epic"]'),
}


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
    for name, text_with_example in _REQUIRED.items():
        if name not in value:
            raise InvalidValue(value, f"a table with {text_with_example}")
    trigger = TriggerSettings(**{name: _read_key(name, part) for name, part in value.items()})
    _check(trigger)
    return trigger


def _read_key(name: str, value: object) -> Any:
    try:
        return _RULES[name].read(value)
    except InvalidValue as error:
        raise InvalidValue(error.value, error.allowed, why=error.why, where=f".{name}{error.where}") from None


def _check(trigger: TriggerSettings) -> None:
    fields = ", ".join(trigger.fields) or "of which there are none"
    for name in placeholders(trigger.reason):
        if name.partition(".")[0] not in trigger.fields:
            why = f"{{{name}}} is a field that never comes"
            raise InvalidValue(
                trigger.reason, f"a template over the trigger's fields, {fields}", why=why, where=".reason"
            )
    if len(set(trigger.fields)) < len(trigger.fields):
        raise InvalidValue(list(trigger.fields), "a list that names each field once", where=".fields")
    if trigger.field is not None and trigger.field not in trigger.fields:
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
        if (trigger.event, trigger.reason) in seen:
            why = f"event {trigger.event} has this reason already"
            raise InvalidValue(trigger.reason, "a reason of its own", why=why, where=f"[{position}].reason")
        seen.add((trigger.event, trigger.reason))
    return triggers


TRIGGERS = Validator(allowed=_LIST.allowed, read=_read_triggers, from_text=from_json)
"""The validator of the whole list of triggers."""
