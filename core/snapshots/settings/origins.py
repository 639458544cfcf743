"""Where each setting that counts comes from: the environment, the settings file, another setting, or the default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..units import Duration, Size, duration_text, size_text
from .database_url import redact
from .json_column import JsonColumn
from .rules import RULES
from .schema import defaults, load
from .sources import from_environment, from_file

__all__ = ["Effective", "effective"]

DEFAULT = "default"
_SECRET = "discord.alert_webhook_url"
_WHOLE = ("triggers", "replace_default_triggers")
"""What stands in no section."""


class Effective(NamedTuple):
    """A setting as it counts, in a form that JSON has and that shows no secret, and where it comes from."""

    name: str
    value: Any
    source: str


def effective(path: Path | None, environment: Mapping[str, str] | None = None) -> tuple[Effective, ...]:
    """Return every setting in the order of the schema. Raises SettingsError like ``load``."""
    environment = os.environ if environment is None else environment
    settings, standard = load(path, environment), defaults()
    raw = {} if path is None else from_file(path, RULES)
    raw |= from_environment(environment, RULES)
    found = []
    for section in settings.__struct_fields__:
        if section in _WHOLE:
            continue
        values, usual = getattr(settings, section), getattr(standard, section)
        for key in values.__struct_fields__:
            name, value = f"{section}.{key}", getattr(values, key)
            if name in raw:
                source = raw[name].source
            else:
                source = DEFAULT if value == getattr(usual, key) else f"{DEFAULT}, by schedule.periodic_interval"
            found.append(Effective(name, _shown(name, value), source))
    written = [raw[name].source for name in _WHOLE if name in raw]
    triggers = [msgspec.to_builtins(trigger) for trigger in settings.triggers]
    found.append(Effective("triggers", triggers, " and ".join(dict.fromkeys(written)) or DEFAULT))
    return tuple(found)


def _shown(name: str, value: Any) -> Any:
    if name == "database.url":
        return redact(value)
    if name == _SECRET:
        return "***" if value else ""
    if isinstance(value, Duration):
        return duration_text(value)
    if isinstance(value, Size):
        return size_text(value)
    if isinstance(value, tuple):
        return [_shown("", each) for each in value]
    if isinstance(value, JsonColumn):
        return f"{value.table}.{value.column}:{value.expects}"
    return msgspec.to_builtins(value)
