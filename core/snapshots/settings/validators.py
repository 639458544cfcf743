"""What a setting's value may be: rules that read it from the file or the environment, and refuse with a reason.

A rule reads what TOML gives (texts, numbers, true and false, lists, tables). The environment has only text;
``Validator.from_text`` turns that into what TOML would have given, and leaves what it cannot turn for the validator to
refuse.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec

from ..errors import SettingsError
from ..units import Duration, Size, duration_text
from .database_url import redact

__all__ = [
    "SWITCH",
    "InvalidValue",
    "Validator",
    "choice",
    "count",
    "duration",
    "from_json",
    "hidden",
    "many",
    "refusal",
    "size",
    "snowflake",
    "text",
    "written",
]

CENTURY = Duration(36525 * 86400)
"""The longest duration a setting takes, so that no date computed from one leaves the calendar."""

_SWITCHES = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_SECRET = re.compile(r"pass|pwd|secret|token|key\b|credential", re.IGNORECASE)
_PLACE = re.compile(r"url|dsn|uri", re.IGNORECASE)
_SHOWN = 120
"""How many characters of a refused value a message shows."""


class InvalidValue(ValueError):
    """A value that a rule refuses. ``where`` is the place inside the setting (``[2]``), ``why`` is said on top."""

    def __init__(self, value: object, allowed: str, *, why: str = "", where: str = "") -> None:
        super().__init__(allowed)
        self.value = value
        self.allowed = allowed
        self.why = why
        self.where = where


def _unchanged(value: str) -> object:
    return value


class Validator(msgspec.Struct, frozen=True, kw_only=True):
    """What one setting may be, in words, and how its value is read; ``read`` raises ``InvalidValue``."""

    allowed: str
    read: Callable[[object], Any]
    from_text: Callable[[str], object] = _unchanged


def text(allowed: str, fits: Callable[[str], bool]) -> Validator:
    """A text for which ``fits`` holds."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not fits(value):
            raise InvalidValue(value, allowed)
        return value

    return Validator(allowed=allowed, read=read)


def choice(*names: str) -> Validator:
    """One of a few words."""
    return text("one of " + ", ".join(f'"{name}"' for name in names), names.__contains__)


def _read_switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidValue(value, SWITCH.allowed)
    return value


def _switch_from_text(value: str) -> object:
    return _SWITCHES.get(value.strip().lower(), value)


SWITCH = Validator(allowed="true or false", read=_read_switch, from_text=_switch_from_text)


def _number_from_text(value: str) -> object:
    return int(value) if re.fullmatch(r"\s*[+-]?[0-9]{1,30}\s*", value) else value


def _number(allowed: str, least: int, most: int) -> Validator:
    def read(value: object) -> int:
        if type(value) is not int or not least <= value <= most:
            raise InvalidValue(value, allowed)
        return value

    return Validator(allowed=allowed, read=read, from_text=_number_from_text)


def count() -> Validator:
    """How many of something; 0 is allowed."""
    return _number("a whole number from 0", 0, 10**9)


def snowflake(*, none: str = "") -> Validator:
    """An id of Discord's; with ``none``, 0 says that there is none, and ``none`` says what that means."""
    rule = _number("a Discord id, a positive whole number" + (f", or 0 for {none}" if none else ""), 0, 2**64 - 1)

    def read(value: object) -> int | None:
        number: int = rule.read(value)
        if number == 0 and not none:
            raise InvalidValue(value, rule.allowed)
        return number or None

    return Validator(allowed=rule.allowed, read=read, from_text=_number_from_text)


def duration(*, zero: bool = False, longest: Duration = CENTURY) -> Validator:
    """A duration above 0 (with ``zero``, 0 too) up to ``longest``, written with its unit."""
    least = "from 0" if zero else "longer than 0"
    allowed = f'a duration like "90s", "20m" or "1h 30m", {least} and up to {duration_text(longest)}'

    def read(value: object) -> Duration:
        seconds = Duration(_with_unit(value, allowed, Duration.parse))
        if seconds > longest or (not seconds and not zero):
            raise InvalidValue(value, allowed)
        return seconds

    return Validator(allowed=allowed, read=read)


def size() -> Validator:
    """An amount of storage, 0 included, written with its unit."""
    allowed = 'a size like "500 MiB", "1.5 GB" or "4096 B"'

    def read(value: object) -> Size:
        return Size(_with_unit(value, allowed, Size.parse))

    return Validator(allowed=allowed, read=read)


def _with_unit(value: object, allowed: str, parse: Callable[[str], float]) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value == 0:
            return 0
        raise InvalidValue(value, allowed, why="a number needs a unit and quotes; only 0 goes without")
    if not isinstance(value, str):
        raise InvalidValue(value, allowed)
    try:
        return 0 if value.strip() == "0" else parse(value)
    except ValueError:
        raise InvalidValue(value, allowed) from None


def from_json(value: str) -> object:
    """Read a list or a table that the environment gives as JSON; text that is no JSON comes back as it is."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def many(item: Validator, example: str) -> Validator:
    """Any number of values that fit ``item``, given as a tuple; ``example`` shows how the environment writes them."""
    allowed = f"a list whose values are each {item.allowed} (in the environment as JSON, like {example})"

    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise InvalidValue(value, allowed)
        return tuple(_item(item, position, part) for position, part in enumerate(value))

    return Validator(allowed=allowed, read=read, from_text=from_json)


def _item(rule: Validator, position: int, value: object) -> Any:
    try:
        return rule.read(value)
    except InvalidValue as unfit:
        where = f"[{position}]{unfit.where}"
        raise InvalidValue(unfit.value, unfit.allowed, why=unfit.why, where=where) from None


def hidden(key: str, value: object) -> object:
    """Give a value as messages may carry it: JSON-ready, and without a password that its key or its form betrays."""
    if isinstance(value, dict):
        return {str(name): hidden(str(name), part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [hidden(key, part) for part in value]
    if _SECRET.search(key):
        return "***"
    if isinstance(value, str):
        return redact(value) if _PLACE.search(key) or "://" in value else value
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def written(value: object) -> str:
    """Give a value as the file would write it, shortened where it is long."""
    whole = json.dumps(value, ensure_ascii=False)
    return whole if len(whole) <= _SHOWN else whole[:_SHOWN] + "…"


def refusal(source: str, key: str, unfit: InvalidValue) -> SettingsError:
    """Make the owner's sentence of a refused value; ``source`` is the file or the variable that it came from."""
    place = key + unfit.where
    value = hidden(place, unfit.value)
    why = f" ({unfit.why})" if unfit.why else ""
    message = f"{source}: {place} is {written(value)}, but must be {unfit.allowed}{why}."
    return SettingsError(message, key=place, value=value, allowed=unfit.allowed, source=source)
