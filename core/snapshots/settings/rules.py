"""The rules: a validator for each setting, by its dotted name."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from urllib.parse import urlsplit

from ..errors import SettingsError
from ..models import Kind
from ..units import Duration
from . import database_url, json_column
from .triggers import TRIGGERS
from .validators import SWITCH, InvalidValue, Validator, choice, count, duration, list_of, size, snowflake, text

__all__ = ["RULES"]

_DAY = Duration(86400)


def _is_name(value: str) -> bool:
    return bool(value.strip()) and "\0" not in value


def _is_column(value: str) -> bool:
    table, _, column = value.rpartition(".")
    return _is_name(table) and _is_name(column)


def _is_column_or_nothing(value: str) -> bool:
    return not value or _is_column(value)


def _is_sum(value: str) -> bool:
    return re.search(r"\S\s+from\s+\S", value, re.IGNORECASE) is not None and ";" not in value


def _is_group(value: str) -> bool:
    return re.fullmatch(r"[-_a-z0-9]{1,32}", value) is not None


def _is_time_zone(value: str) -> bool:
    if value == "UTC":
        return True  # also where no data of time zones is installed
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _is_webhook(value: str) -> bool:
    """Return True for "" and for an address to which a message can be posted without anybody reading it on the way."""
    if not value:
        return True
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    safe = parts.scheme == "https" or (parts.scheme == "http" and host in ("localhost", "127.0.0.1", "::1"))
    return safe and bool(host) and not any(letter.isspace() or not letter.isprintable() for letter in value)


def _read_url(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidValue(value, _URL.allowed)
    try:
        return database_url.parse(value).text
    except SettingsError as error:
        problem = InvalidValue(error.value, error.allowed, why=error.why)
    raise problem


def _read_json_column(value: object) -> json_column.JsonColumn:
    if not isinstance(value, str):
        raise InvalidValue(value, _JSON_COLUMN.allowed)
    try:
        return json_column.parse(value)
    except ValueError as error:
        raise InvalidValue(value, _JSON_COLUMN.allowed, why=f"it takes {error}") from None


def _read_restore(value: object) -> str:
    """Read the setting; in the first edition it was true or false."""
    if isinstance(value, bool):
        return "unreadable" if value else "never"
    return str(_RESTORE_WORD.read(value))


def _restore_from_text(value: str) -> object:
    switch = SWITCH.from_text(value)
    return switch if isinstance(switch, bool) else value


def _read_kind(value: object) -> Kind:
    return Kind(_KIND.read(value))


_URL = Validator(allowed='a URL like "sqlite:///data/game.db"', read=_read_url)
_TABLE = text("a table's name", _is_name)
_COLUMN = text('a column like "users.id"', _is_column)
_SUM = text('a number of a table, like "sum(gold) FROM users"', _is_sum)
_JSON_COLUMN = Validator(
    allowed='"table.column", or with ":list", ":object" or ":any" after it', read=_read_json_column
)
_KIND = choice(*Kind)
_RESTORE_WORD = choice("unreadable", "errors", "never")
_RESTORE = Validator(allowed=_RESTORE_WORD.allowed, read=_read_restore, from_text=_restore_from_text)
_GROUP = text("1 to 32 of the characters a-z, 0-9, - and _", _is_group)

RULES: Mapping[str, Validator] = {
    "database.url": _URL,
    "database.critical_tables": list_of(_TABLE, '["users"]'),
    "database.json_columns": list_of(_JSON_COLUMN, '["creator_packs.cards_data"]'),
    "database.busy_timeout": duration(longest=_DAY),
    "database.restore_points": SWITCH,
    "database.exclude_unreadable": SWITCH,
    "database.shrink_percent": count(),
    "repository.path": text("a folder's path", _is_name),
    "repository.min_free": size(),
    "repository.latest_after": list_of(Validator(allowed=_KIND.allowed, read=_read_kind), '["manual"]'),
    "repository.lock_timeout": duration(zero=True, longest=_DAY),
    "schedule.periodic_interval": duration(),
    "schedule.first_after": duration(zero=True),
    "schedule.only_with_guilds": SWITCH,
    "schedule.critical_spacing": duration(zero=True),
    "schedule.retry_first": duration(),
    "schedule.retry_longest": duration(),
    "schedule.verify_interval": duration(zero=True),
    "schedule.shutdown": SWITCH,
    "schedule.snapshot_deadline": duration(),
    "schedule.verify_deadline": duration(),
    "schedule.restore_deadline": duration(),
    "schedule.integrity_deadline": duration(),
    "schedule.shutdown_deadline": duration(),
    "schedule.stale_after": duration(),
    "retention.keep_all": duration(zero=True),
    "retention.hourly": count(),
    "retention.daily": count(),
    "retention.weekly": count(),
    "retention.monthly": count(),
    "retention.critical": count(),
    "retention.safety": duration(zero=True),
    "retention.shutdown": duration(zero=True),
    "startup.check": choice("quick", "full", "off"),
    "startup.restore": _RESTORE,
    "startup.deadline": duration(),
    "startup.restore_pause": duration(zero=True),
    "history.player": text('a column like "users.id", or "" to let the schema tell', _is_column_or_nothing),
    "history.also": list_of(_COLUMN, '["trades.buyer_id"]'),
    "history.never": list_of(_TABLE, '["bans"]'),
    "history.watch": list_of(_SUM, '["sum(gold) FROM users"]'),
    "history.watch_jump": count(),
    "discord.admin_guild_ids": list_of(snowflake(), "[123456789012345678]"),
    "discord.owner_ids": list_of(snowflake(), "[123456789012345678]"),
    "discord.alert_channel_id": snowflake(none="direct messages to the owner"),
    "discord.alert_webhook_url": text('a webhook\'s URL, https://…, or "" for none', _is_webhook),
    "discord.backup_group": _GROUP,
    "discord.database_group": _GROUP,
    "discord.language": choice("en", "de"),
    "discord.time_zone": text(
        '"UTC", or a zone like "Europe/Berlin" (some systems lack the package tzdata)', _is_time_zone
    ),
    "discord.names": list_of(_COLUMN, '["users.name"]'),
    "discord.weekly_digest": SWITCH,
    "discord.handle_sigterm": SWITCH,
    "discord.confirm_timeout": duration(),
    "replace_default_triggers": SWITCH,
    "triggers": TRIGGERS,
}
