"""The sources of settings: a TOML file and the environment.

Each returns raw values by dotted name (``database.url``), which are validated later. Unknown names raise SettingsError
here, with a suggestion.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from ..errors import SettingsError
from .validators import InvalidValue, Validator, settings_error, shown, without_secrets

__all__ = ["DEFAULT_FILE", "FILE_VARIABLE", "RawValue", "chosen_file", "from_environment", "from_file", "variable"]

PREFIX = "BACKUP_"
FILE_VARIABLE = "BACKUP_CONFIG"
DEFAULT_FILE = Path("config/backup.toml")
_NEVER_EMPTY = "repository.path"


class RawValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value before validation, and the file or the variable that it comes from."""

    value: object
    source: str


def variable(name: str) -> str:
    """Return the environment variable of a setting: for ``retention.daily`` it is ``BACKUP_RETENTION_DAILY``."""
    return PREFIX + name.upper().replace(".", "_")


def chosen_file(environment: Mapping[str, str]) -> Path | None:
    """Return the file named by BACKUP_CONFIG, or ``config/backup.toml`` in the working directory if it exists."""
    named = environment.get(FILE_VARIABLE, "").strip()
    if named:
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def from_file(path: Path, rules: Mapping[str, Validator]) -> dict[str, RawValue]:
    """Return the raw values in a TOML file.

    Raises SettingsError if the file cannot be read, is not TOML, or has an unknown section or key.
    """
    source = str(path)
    values: dict[str, RawValue] = {}
    for section, content in _document(path).items():
        if section in rules:
            values[section] = RawValue(value=content, source=source)
            continue
        if not _keys(section, rules):
            sections = _sections(rules)
            raise _unknown(source, section, content, ", ".join(sections), _suggestion(section, sections))
        if not isinstance(content, dict):
            raise settings_error(source, section, InvalidValue(content, f"a section, [{section}] on a line of its own"))
        for key, value in content.items():
            name = f"{section}.{key}"
            if name not in rules:
                raise _unknown_key(source, section, key, value, rules)
            values[name] = RawValue(value=value, source=source)
    return values


def from_environment(environment: Mapping[str, str], rules: Mapping[str, Validator]) -> dict[str, RawValue]:
    """Return the raw values in ``DATABASE_URL`` and the ``BACKUP_`` variables; an empty variable counts as not set.

    Raises SettingsError for a ``BACKUP_`` variable that names no setting, since a misspelt one would be missed by
    nobody, and for an empty path of the repository, since snapshots would go where nobody looks for them.
    """
    values: dict[str, RawValue] = {}
    url = environment.get("DATABASE_URL", "")
    if url.strip():
        values["database.url"] = RawValue(value=url, source="environment variable DATABASE_URL")
    settings = {variable(setting): setting for setting in rules}
    for name in sorted(environment):
        text = environment[name]
        if settings.get(name) == _NEVER_EMPTY and not text.strip():
            raise settings_error(f"environment variable {name}", _NEVER_EMPTY, InvalidValue(text, "a folder's path"))
        if name in settings and text.strip():
            value = rules[settings[name]].from_text(text)
            values[settings[name]] = RawValue(value=value, source=f"environment variable {name}")
        elif name.startswith(PREFIX) and name not in settings and name != FILE_VARIABLE:
            raise _unknown_variable(name, text, rules)
    return values


def _document(path: Path) -> dict[str, object]:
    allowed = "a TOML file that can be read"
    try:
        # With the line end, tomllib names the line of a mistake in the last one too, not just "at end of document".
        return tomllib.loads(path.read_bytes().decode("utf-8-sig") + "\n")
    except FileNotFoundError:
        problem = "there is no such file"
    except OSError as error:
        problem = f"it cannot be read ({error.strerror or error})"
    except UnicodeDecodeError as error:
        problem = f"it is not UTF-8 (byte {error.start})"
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        problem = f"it is not TOML: {error}"
    message = f"{path}: {problem}, but the settings must be {allowed}."
    raise SettingsError(message, key="file", value=str(path), allowed=allowed, source=str(path), why=problem)


def _sections(rules: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name.partition(".")[0] for name in rules))


def _keys(section: str, rules: Iterable[str]) -> list[str]:
    return [name.partition(".")[2] for name in rules if name.startswith(f"{section}.")]


def _unknown_variable(name: str, text: str, rules: Mapping[str, Validator]) -> SettingsError:
    source = f"environment variable {name}"
    for section in _sections(rules):
        prefix = variable(section) + "_"
        if name.startswith(prefix) and _keys(section, rules):
            return _unknown_key(source, section, name.removeprefix(prefix).lower(), text, rules)
    known = [*(variable(setting) for setting in rules), FILE_VARIABLE]
    allowed = f"DATABASE_URL, {FILE_VARIABLE}, {variable('triggers')} and {PREFIX}<SECTION>_<KEY>"
    hint = _suggestion(name, known) or "if another program reads it, start Savepoint without it"
    # The value may be another program's secret.
    message = f"{source}: there is no such setting; there are {allowed} ({hint})."
    return SettingsError(message, key=name, value="", allowed=allowed, source=source)


def _unknown_key(source: str, section: str, key: str, value: object, rules: Mapping[str, Validator]) -> SettingsError:
    keys = _keys(section, rules)
    others = [name.partition(".")[0] for name in rules if name.endswith(f".{key}")]
    hint = f"it belongs to [{others[0]}]" if others else _suggestion(key, keys)
    if key in rules:
        hint = "it stands at the top of the file, before the first [section]"
    return _unknown(source, f"{section}.{key}", value, f"in [{section}] {', '.join(keys)}", hint)


def _unknown(source: str, name: str, found: object, allowed: str, hint: str) -> SettingsError:
    value = without_secrets(name, found)
    hint = f" ({hint})" if hint else ""
    message = f"{source}: {name} is {shown(value)}, but there is no such setting; there are {allowed}{hint}."
    return SettingsError(message, key=name, value=value, allowed=allowed, source=source)


def _suggestion(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else ""
