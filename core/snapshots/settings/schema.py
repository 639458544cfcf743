"""Every setting, what it is unless somebody says otherwise, and how all of them are read.

The structs mirror the sections of ``config/backup.toml``. ``load`` puts together, later ones winning: the defaults, the
file, ``DATABASE_URL``, and ``BACKUP_<SECTION>_<KEY>``. Whatever it gives has been checked: code that takes a
``Settings`` need not check again. Durations are seconds, sizes bytes.
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
from .triggers import DEFAULT_TRIGGERS, TriggerSettings
from .validators import InvalidValue, refusal

__all__ = [
    "DatabaseSettings",
    "DiscordSettings",
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


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The game's database, and what in it matters most.

    ``busy_timeout`` is how long to wait for locks that others hold. ``restore_points`` names each critical event in the
    log of a PostgreSQL server. ``url`` can hold a password: its text is never
    shown, neither by ``repr`` nor in an error.
    """

    url: str = "sqlite:///data/game.db"
    critical_tables: tuple[str, ...] = ()
    json_columns: tuple[JsonColumn, ...] = (JsonColumn(table="creator_packs", column="cards_data", expects="list"),)
    busy_timeout: Duration = Duration(15)
    restore_points: bool = False

    def __rich_repr__(self) -> list[tuple[str, object]]:
        fields = [(name, getattr(self, name)) for name in self.__struct_fields__]
        return [(name, redact(value) if name == "url" else value) for name, value in fields]

    def __repr__(self) -> str:
        return f"DatabaseSettings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


class RepositorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The folder of snapshots.

    ``min_free`` bytes stay free on its disk, ``latest_after`` are the kinds after which ``latest.*`` is refreshed,
    ``lock_timeout`` is how long an operation waits for another one before it gives up as ``Busy``.
    """

    path: str = "backups"
    min_free: Size = Size(500 * 1024**2)
    latest_after: tuple[Kind, ...] = (Kind.PERIODIC, Kind.MANUAL, Kind.SHUTDOWN)
    lock_timeout: Duration = Duration(10)


class ScheduleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When snapshots are taken, and how long each operation may last.

    ``critical_spacing`` is the least time between the starts of two event snapshots. After a failure the next attempt
    comes after ``retry_first``, then later and later up to ``retry_longest``. The newest snapshot is proven by
    ``restored`` every ``verify_interval`` (0: never). Without a success for ``stale_after`` the owner is told.
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


class DiscordSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may do what on Discord, and what the commands are called.

    Without ``admin_guild_ids`` only the bot's owners use the commands; without ``alert_channel_id`` alerts go to the
    owner by direct message.
    """

    admin_guild_ids: tuple[int, ...] = ()
    alert_channel_id: int | None = None
    backup_group: str = "backup"
    database_group: str = "db"
    handle_sigterm: bool = True
    confirm_timeout: Duration = Duration(3 * _MINUTE)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings, by section. A token is never among them."""

    database: DatabaseSettings = DatabaseSettings()
    repository: RepositorySettings = RepositorySettings()
    schedule: ScheduleSettings = ScheduleSettings()
    retention: RetentionRules = RetentionRules()
    startup: StartupSettings = StartupSettings()
    discord: DiscordSettings = DiscordSettings()
    triggers: tuple[TriggerSettings, ...] = DEFAULT_TRIGGERS


_SECTIONS: dict[str, Any] = {
    "database": DatabaseSettings,
    "repository": RepositorySettings,
    "schedule": ScheduleSettings,
    "retention": RetentionRules,
    "startup": StartupSettings,
    "discord": DiscordSettings,
}


def defaults() -> Settings:
    """Give the settings of somebody who set nothing."""
    return Settings()


def load(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Give the settings of a file (None: no file) and of an environment (None: this process's own), which wins.

    Raise ``SettingsError`` that names the key, the value, what is allowed and where the value came from.
    """
    given = {} if path is None else from_file(path, RULES)
    given |= from_environment(os.environ if environment is None else environment, RULES)
    values: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS}
    triggers = DEFAULT_TRIGGERS
    for name, found in given.items():
        value = _read(name, found)
        if name == "triggers":
            triggers = value
        else:
            section, _, key = name.partition(".")
            values[section][key] = value
    _follow(values["schedule"])
    sections = {name: section(**values[name]) for name, section in _SECTIONS.items()}
    settings = Settings(**sections, triggers=triggers)
    _check_together(settings, given)
    return settings


def load_chosen(environment: Mapping[str, str] | None = None) -> Settings:
    """Give the settings of the file that BACKUP_CONFIG names, else of ``config/backup.toml`` where that is there.

    As ``load`` otherwise.
    """
    environment = os.environ if environment is None else environment
    return load(chosen_file(environment), environment)


def _read(name: str, found: RawValue) -> Any:
    try:
        return RULES[name].read(found.value)
    except InvalidValue as unfit:
        problem = unfit
    raise refusal(found.source, name, problem)


def _follow(schedule: dict[str, Any]) -> None:
    """Let a default grow with the setting it belongs to, so that setting one of them is enough."""
    usual = ScheduleSettings()
    interval = schedule.get("periodic_interval", usual.periodic_interval)
    schedule.setdefault("stale_after", max(usual.stale_after, Duration(3 * interval)))
    schedule.setdefault("retry_longest", max(usual.retry_longest, schedule.get("retry_first", usual.retry_first)))


def _check_together(settings: Settings, given: Mapping[str, RawValue]) -> None:
    """Refuse values that are fine alone and wrong beside each other."""
    schedule, discord = settings.schedule, settings.discord
    if schedule.retry_longest < schedule.retry_first:
        _refuse_pair(settings, given, "schedule.retry_longest", "at least", "schedule.retry_first")
    if schedule.stale_after <= schedule.periodic_interval:
        _refuse_pair(settings, given, "schedule.stale_after", "longer than", "schedule.periodic_interval")
    if discord.database_group == discord.backup_group:
        _refuse_pair(settings, given, "discord.database_group", "different from", "discord.backup_group")


def _refuse_pair(settings: Settings, given: Mapping[str, RawValue], name: str, relation: str, other: str) -> NoReturn:
    sources = [given[key].source for key in (name, other) if key in given]
    value, beside = _plain(settings, name), _plain(settings, other)
    raise refusal(
        " and ".join(dict.fromkeys(sources)), name, InvalidValue(value, f"{relation} {other}, which is {beside}")
    )


def _plain(settings: Settings, name: str) -> str:
    section, _, key = name.partition(".")
    value = getattr(getattr(settings, section), key)
    return duration_text(value) if isinstance(value, Duration) else str(value)
