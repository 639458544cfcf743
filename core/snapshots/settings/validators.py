"""Validators of settings: each reads a raw value, or raises InvalidValue with the reason.

A validator reads what TOML can hold: texts, numbers, booleans, lists and tables. The environment has only texts, which
``Validator.from_text`` converts to what TOML would hold. A text that it cannot convert is left as it is, and ``read``
refuses it.
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
    "list_of",
    "settings_error",
    "shown",
    "size",
    "snowflake",
    "text",
    "without_secrets",
]

CENTURY = Duration(36525 * 86400)
"""The longest duration of a setting, so that a date computed with it stays within the calendar."""

_SWITCHES = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_SECRET = re.compile(r"pass|pwd|secret|token|key\b|credential|webhook", re.IGNORECASE)
_ADDRESS = re.compile(r"url|dsn|uri", re.IGNORECASE)
_SHOWN = 120
"""Characters of an invalid value that a message shows."""


class InvalidValue(ValueError):
    """A value that a validator refuses; ``where`` is its path in the setting (``[2]``), ``why`` a further reason."""

    def __init__(self, value: object, allowed: str, *, why: str = "", where: str = "") -> None:
        super().__init__(allowed)
        self.value = value
        self.allowed = allowed
        self.why = why
        self.where = where


def _unchanged(value: str) -> object:
    return value


class Validator(msgspec.Struct, frozen=True, kw_only=True):
    """The validator of a setting: what is ``allowed``, in words, and how its value is read.

    ``read`` returns the value from what TOML holds, or raises InvalidValue; ``from_text`` is for the environment.
    """

    allowed: str
    read: Callable[[object], Any]
    from_text: Callable[[str], object] = _unchanged


def text(allowed: str, fits: Callable[[str], bool]) -> Validator:
    """Return a validator for a text for which ``fits`` returns True."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not fits(value):
            raise InvalidValue(value, allowed)
        return value

    return Validator(allowed=allowed, read=read)


def choice(*names: str) -> Validator:
    """Return a validator for one of these words."""
    return text("one of " + ", ".join(f'"{name}"' for name in names), names.__contains__)


def _read_switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidValue(value, SWITCH.allowed)
    return value


def _switch_from_text(value: str) -> object:
    return _SWITCHES.get(value.strip().lower(), value)


SWITCH = Validator(allowed="true or false", read=_read_switch, from_text=_switch_from_text)


def _number_from_text(value: str) -> object:
    return int(value.strip()) if re.fullmatch(r"\s*[+-]?[0-9]{1,30}\s*", value) else value


def _number(allowed: str, least: int, most: int) -> Validator:
    def read(value: object) -> int:
        if type(value) is not int or not least <= value <= most:
            raise InvalidValue(value, allowed)
        return value

    return Validator(allowed=allowed, read=read, from_text=_number_from_text)


def count() -> Validator:
    """Return a validator for a count; 0 is allowed."""
    return _number("a whole number from 0", 0, 10**9)


def snowflake(*, none: str = "") -> Validator:
    """Return a validator for an id of Discord's. With ``none``, 0 is allowed too, and ``none`` is what it means."""
    allowed = "a Discord id, a positive whole number"
    if none:
        allowed = f"a Discord id, a positive whole number, or 0 for {none}"
    whole = _number(allowed, 0, 2**64 - 1)

    def read(value: object) -> int | None:
        number: int = whole.read(value)
        if number == 0 and not none:
            raise InvalidValue(value, whole.allowed)
        return number or None

    return Validator(allowed=whole.allowed, read=read, from_text=_number_from_text)


def duration(*, zero: bool = False, longest: Duration = CENTURY) -> Validator:
    """Return a validator for a duration with its unit: above 0 (with ``zero``, from 0) and up to ``longest``."""
    least = "from 0" if zero else "longer than 0"
    allowed = f'a duration like "90s", "20m" or "1h 30m", {least} and up to {duration_text(longest)}'

    def read(value: object) -> Duration:
        seconds = Duration(_with_unit(value, allowed, Duration.parse))
        if seconds > longest or (not seconds and not zero):
            raise InvalidValue(value, allowed)
        return seconds

    return Validator(allowed=allowed, read=read)


def size() -> Validator:
    """Return a validator for an amount of storage with its unit, from 0."""
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
    """Parse a list or a table in JSON, as the environment holds it; return a text that is no JSON as it is."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def list_of(item: Validator, example: str) -> Validator:
    """Return a validator for a list of such items, read as a tuple; ``example`` is a list in JSON."""
    allowed = f"a list whose values are each {item.allowed} (in the environment as JSON, like {example})"

    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise InvalidValue(value, allowed)
        return tuple(_read_item(item, position, part) for position, part in enumerate(value))

    return Validator(allowed=allowed, read=read, from_text=from_json)


def _read_item(validator: Validator, position: int, value: object) -> Any:
    try:
        return validator.read(value)
    except InvalidValue as error:
        where = f"[{position}]{error.where}"
        raise InvalidValue(error.value, error.allowed, why=error.why, where=where) from None


def without_secrets(key: str, value: object) -> object:
    """Return a value as a message may contain it: convertible to JSON, without passwords.

    Passwords are recognised by their key, or by the form of a URL.
    """
    if isinstance(value, dict):
        return {str(name): without_secrets(str(name), part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(key, part) for part in value]
    if _SECRET.search(key):
        return "***"
    if isinstance(value, str):
        return redact(value) if _ADDRESS.search(key) or "://" in value else value
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def shown(value: object) -> str:
    """Return a value as the file would contain it, shortened if it is long."""
    whole = json.dumps(value, ensure_ascii=False)
    return whole if len(whole) <= _SHOWN else whole[:_SHOWN] + "…"


def settings_error(source: str, key: str, invalid: InvalidValue) -> SettingsError:
    """Return the error for the owner; ``source`` is the file or the variable that the invalid value comes from."""
    path = key + invalid.where
    value = without_secrets(path, invalid.value)
    why = f" ({invalid.why})" if invalid.why else ""
    message = f"{source}: {path} is {shown(value)}, but must be {invalid.allowed}{why}."
    return SettingsError(message, key=path, value=value, allowed=invalid.allowed, source=source)
