"""Where a host keeps the settings of its backups."""

from __future__ import annotations

from collections.abc import Mapping

from .engine import Settings, SettingsError, load_chosen

__all__ = ["settings_for"]


def settings_for(bot: object, environment: Mapping[str, str] | None = None) -> Settings:
    """Give a bot's settings: its ``backup_settings``, else the file that BACKUP_CONFIG names, else the default file.

    Without any of them: the defaults. The environment wins over a file. Reads one small file at most. Raises
    SettingsError with the sentence for the owner.
    """
    given = getattr(bot, "backup_settings", None)
    return load_chosen(environment) if given is None else _checked(given)


def _checked(given: object) -> Settings:
    if not isinstance(given, Settings):
        allowed = "a Settings, as core.snapshots.load() gives it"
        message = f"bot.backup_settings is a {type(given).__name__}, but it must be {allowed}."
        raise SettingsError(message, key="backup_settings", value=type(given).__name__, allowed=allowed)
    return given
