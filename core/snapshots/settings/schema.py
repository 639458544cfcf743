"""All settings with their defaults, and the functions that load them.

The structs mirror the sections of ``config/backup.toml``. ``load`` combines the defaults, the file, ``DATABASE_URL``
and ``BACKUP_<SECTION>_<KEY>``; later ones win. Its result is validated, so no other code has to do that again.
Durations are seconds, sizes are bytes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from ..models import Kind, RetentionRules
from ..units import Duration, Size, duration_text
from .database_url import redact
from .json_column import JsonColumn
from .rules import RULES
from .sources import RawValue, chosen_file, from_environment, from_file
from .triggers import DEFAULT_TRIGGERS, TriggerSettings, combined
from .validators import InvalidValue, settings_error

__all__ = [
    "DatabaseSettings",
    "DiscordSettings",
    "HistorySettings",
    "JsonColumn",
    "RepositorySettings",
    "RetentionRules",
    "ScheduleSettings",
    "Settings",
    "StartupSettings",
    "TriggerSettings",
    "defaults",
    "load",
]

_MINUTE = 60
_HOUR = 3600
_KEPT_INTERVALS = 72
"""How many periodic snapshots are all kept if ``retention.keep_all`` is not set: a day of those every 20 minutes."""


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The game's database, and its most important tables.

    ``busy_timeout`` is how long to wait for locks of others. With ``restore_points``, each critical event gets a name
    in the log of a PostgreSQL server. ``exclude_unreadable`` leaves out of snapshots what the database's role may not
    read, such as a private schema of another role. ``url`` can contain a password, which is never shown, neither by
    ``repr`` nor in an error.
    """

    url: str = "sqlite:///data/game.db"
    critical_tables: tuple[str, ...] = ()
    json_columns: tuple[JsonColumn, ...] = (JsonColumn(table="creator_packs", column="cards_data", expects="list"),)
    busy_timeout: Duration = Duration(15)
    restore_points: bool = False
    exclude_unreadable: bool = True
    shrink_percent: int = 50

    def __rich_repr__(self) -> list[tuple[str, object]]:
        fields = [(name, getattr(self, name)) for name in self.__struct_fields__]
        return [(name, redact(value) if name == "url" else value) for name, value in fields]

    def __repr__(self) -> str:
        return f"DatabaseSettings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


class RepositorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The repository.

    ``min_free`` bytes of its disk are kept free. ``latest_after`` are the kinds of snapshots after which ``latest.*``
    is refreshed. ``lock_timeout`` is how long an operation waits for another one before it raises ``Busy``.
    """

    path: str = "backups"
    min_free: Size = Size(500 * 1024**2)
    latest_after: tuple[Kind, ...] = (Kind.PERIODIC, Kind.MANUAL, Kind.SHUTDOWN)
    lock_timeout: Duration = Duration(10)


class ScheduleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When snapshots are taken, and how long each operation may take.

    ``critical_spacing`` is the least time between the starts of two event snapshots. After a failure the next attempt
    follows after ``retry_first``, and this pause doubles up to ``retry_longest``. The newest snapshot is verified by a
    test restore every ``verify_interval`` (0: never). The owner is warned if nothing succeeded for ``stale_after``.
    """

    periodic_interval: Duration = Duration(20 * _MINUTE)
    first_after: Duration = Duration(5 * _MINUTE)
    only_with_guilds: bool = True
    critical_spacing: Duration = Duration(1)
    retry_first: Duration = Duration(30)
    retry_longest: Duration = Duration(10 * _MINUTE)
    verify_interval: Duration = Duration(24 * _HOUR)
    shutdown: bool = True
    snapshot_deadline: Duration = Duration(10 * _MINUTE)
    verify_deadline: Duration = Duration(30 * _MINUTE)
    restore_deadline: Duration = Duration(30 * _MINUTE)
    integrity_deadline: Duration = Duration(10 * _MINUTE)
    shutdown_deadline: Duration = Duration(8)
    stale_after: Duration = Duration(2 * _HOUR)


class StartupSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens before the host's own cogs load.

    ``check`` is ``quick``, ``full`` or ``off``, ``deadline`` is for that check, ``restore_pause`` is the least time
    between two automatic restores. ``restore`` says which findings restore by themselves: ``unreadable`` (the data
    cannot be read), ``errors`` (any finding of severity error, with the newest snapshot only), or ``never``.
    """

    check: str = "quick"
    restore: str = "unreadable"
    deadline: Duration = Duration(2 * _MINUTE)
    restore_pause: Duration = Duration(_HOUR)


class HistorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who the player is, for looking at the past and for putting rows back, and which numbers are watched.

    ``player`` is "table.column", "" to let the schema tell. ``also`` are more columns that refer to it, ``never``
    tables or columns that do not. ``watch`` are questions such as "sum(gold) FROM users", asked of each snapshot;
    a change by more than ``watch_jump`` percent is an alert, 0 for none.
    """

    player: str = ""
    also: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    watch: tuple[str, ...] = ()
    watch_jump: int = 50


class DiscordSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Permissions, alerts and the names of the commands on Discord.

    Without ``admin_guild_ids``, only the bot's owners can use the commands. Without ``alert_channel_id``, alerts go to
    the owner by direct message. ``alert_webhook_url`` delivers them when the bot itself cannot; whoever knows it can
    write into its channel, so it is never shown. ``owner_ids`` narrows who of the bot's owners counts as one. ``names``
    are columns with the name of a player whose id a reason has. ``language`` and ``time_zone`` are for notices, and for
    people who chose none. With ``weekly_digest``, the owner gets a summary every week.
    """

    admin_guild_ids: tuple[int, ...] = ()
    owner_ids: tuple[int, ...] = ()
    alert_channel_id: int | None = None
    alert_webhook_url: str = ""
    backup_group: str = "backup"
    database_group: str = "db"
    language: str = "en"
    time_zone: str = "UTC"
    names: tuple[str, ...] = ()
    weekly_digest: bool = False
    handle_sigterm: bool = True
    confirm_timeout: Duration = Duration(3 * _MINUTE)

    def __rich_repr__(self) -> list[tuple[str, object]]:
        fields = [(name, getattr(self, name)) for name in self.__struct_fields__]
        return [(name, "***" if name == "alert_webhook_url" and value else value) for name, value in fields]

    def __repr__(self) -> str:
        return f"DiscordSettings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings, by section. A token is never among them."""

    database: DatabaseSettings = DatabaseSettings()
    repository: RepositorySettings = RepositorySettings()
    schedule: ScheduleSettings = ScheduleSettings()
    retention: RetentionRules = RetentionRules()
    startup: StartupSettings = StartupSettings()
    history: HistorySettings = HistorySettings()
    discord: DiscordSettings = DiscordSettings()
    triggers: tuple[TriggerSettings, ...] = DEFAULT_TRIGGERS


_SECTIONS: dict[str, Any] = {
    "database": DatabaseSettings,
    "repository": RepositorySettings,
    "schedule": ScheduleSettings,
    "retention": RetentionRules,
    "startup": StartupSettings,
    "history": HistorySettings,
    "discord": DiscordSettings,
}


def defaults() -> Settings:
    """Return the settings with all values at their defaults."""
    return Settings()


def load(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings from a file (None: no file) and from an environment (None: this process's), which wins.

    Raises SettingsError, which names the key, the value, what is allowed and where the value came from.
    """
    raw_values = {} if path is None else from_file(path, RULES)
    raw_values |= from_environment(os.environ if environment is None else environment, RULES)
    values: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS}
    whole: dict[str, Any] = {"triggers": None, "replace_default_triggers": False}
    for name, raw in raw_values.items():
        value = _read(name, raw)
        if name in whole:
            whole[name] = value
        else:
            section, _, key = name.partition(".")
            values[section][key] = value
    _derive_defaults(values["schedule"], values["retention"])
    sections = {name: section(**values[name]) for name, section in _SECTIONS.items()}
    own, replace = whole["triggers"], whole["replace_default_triggers"]
    triggers = combined(own or (), replace=replace) if own is not None or replace else DEFAULT_TRIGGERS
    settings = Settings(**sections, triggers=triggers)
    _check_combinations(settings, raw_values)
    return settings


def load_chosen(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings from the file named by BACKUP_CONFIG, or from ``config/backup.toml`` if that exists.

    The environment wins, as in ``load``, and the same errors are raised.
    """
    environment = os.environ if environment is None else environment
    return load(chosen_file(environment), environment)


def _read(name: str, raw: RawValue) -> Any:
    try:
        return RULES[name].read(raw.value)
    except InvalidValue as error:
        invalid = error
    raise settings_error(raw.source, name, invalid)


def _derive_defaults(schedule: dict[str, Any], retention: dict[str, Any]) -> None:
    """Change a default that depends on another setting, so that it is enough to set that one."""
    default = ScheduleSettings()
    interval = schedule.get("periodic_interval", default.periodic_interval)
    # A day of snapshots every ten seconds would be thousands: the last hour in full, then one of each hour.
    most = RetentionRules().keep_all
    retention.setdefault("keep_all", min(most, max(Duration(_HOUR), Duration(_KEPT_INTERVALS * interval))))
    schedule.setdefault("stale_after", max(default.stale_after, Duration(3 * interval)))
    schedule.setdefault("retry_longest", max(default.retry_longest, schedule.get("retry_first", default.retry_first)))


_AT_LEAST, _LONGER = "at least {other}, which is {value}", "longer than {other}, which is {value}"
_DIFFERENT = "different from {other}, which is {value}"


def _check_combinations(settings: Settings, raw_values: Mapping[str, RawValue]) -> None:
    """Raise SettingsError for values that are valid each by itself, but not together."""
    schedule, discord = settings.schedule, settings.discord
    if schedule.retry_longest < schedule.retry_first:
        _refuse_pair(settings, raw_values, "schedule.retry_longest", _AT_LEAST, "schedule.retry_first")
    if schedule.stale_after <= schedule.periodic_interval:
        _refuse_pair(settings, raw_values, "schedule.stale_after", _LONGER, "schedule.periodic_interval")
    if discord.database_group == discord.backup_group:
        _refuse_pair(settings, raw_values, "discord.database_group", _DIFFERENT, "discord.backup_group")


def _refuse_pair(
    settings: Settings, raw_values: Mapping[str, RawValue], name: str, relation: str, other: str
) -> NoReturn:
    sources = [raw_values[key].source for key in (name, other) if key in raw_values]
    value, other_value = _value_text(settings, name), _value_text(settings, other)
    invalid = InvalidValue(value, relation.format(other=other, value=other_value))
    raise settings_error(" and ".join(dict.fromkeys(sources)), name, invalid)


def _value_text(settings: Settings, name: str) -> str:
    section, _, key = name.partition(".")
    value = getattr(getattr(settings, section), key)
    return duration_text(value) if isinstance(value, Duration) else str(value)
