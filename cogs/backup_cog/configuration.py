"""Where a host keeps the settings of its backups."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from .engine import Settings, SettingsError, load

__all__ = ["DEFAULT_FILE", "FILE_VARIABLE", "settings_for"]

FILE_VARIABLE = "BACKUP_CONFIG"
DEFAULT_FILE = Path("config/backup.toml")


def settings_for(bot: object, environment: Mapping[str, str] | None = None) -> Settings:
    """Give a bot's settings: its ``backup_settings``, else the file that BACKUP_CONFIG names, else the default file.

    Without any of them: the defaults. The environment wins over a file. Reads one small file at most. Raises
    SettingsError with the sentence for the owner.
    """
    given = getattr(bot, "backup_settings", None)
    if given is not None:
        return _checked(given)
    variables = dict(os.environ if environment is None else environment)
    named = variables.pop(FILE_VARIABLE, "").strip()
    if named:
        return load(Path(named), variables)
    return load(DEFAULT_FILE if DEFAULT_FILE.is_file() else None, variables)


def _checked(given: object) -> Settings:
    if not isinstance(given, Settings):
        allowed = "a Settings, as core.snapshots.load() gives it"
        message = f"bot.backup_settings is a {type(given).__name__}, but it must be {allowed}."
        raise SettingsError(message, key="backup_settings", value=type(given).__name__, allowed=allowed)
    return given
