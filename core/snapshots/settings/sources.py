"""Where settings come from: a TOML file, and the environment, which wins.

Both give the settings that they name, by dotted name (``database.url``), not yet read by their rules. A name that no
rule has is refused here, with the one that was probably meant.
"""

from __future__ import annotations

import difflib
import logging
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from ..errors import SettingsError
from .validators import InvalidValue, Validator, hidden, refusal, written

__all__ = ["DEFAULT_FILE", "FILE_VARIABLE", "RawValue", "chosen_file", "from_environment", "from_file", "variable"]

PREFIX = "BACKUP_"
FILE_VARIABLE = "BACKUP_CONFIG"
DEFAULT_FILE = Path("config/backup.toml")
ALIKE = 0.85
"""From which difflib ratio on a variable of an unknown section counts as one of ours, misspelt."""

_log = logging.getLogger(__name__)


class RawValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value as it was found, and the file or the variable that it was found in."""

    value: object
    source: str


def variable(name: str) -> str:
    """Give the environment variable of a setting: ``repository.min_free`` is ``BACKUP_REPOSITORY_MIN_FREE``."""
    return PREFIX + name.upper().replace(".", "_")


def chosen_file(environment: Mapping[str, str]) -> Path | None:
    """Give the file that BACKUP_CONFIG names, else ``config/backup.toml`` of the working directory if it is there."""
    named = environment.get(FILE_VARIABLE, "").strip()
    if named:
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def from_file(path: Path, rules: Mapping[str, Validator]) -> dict[str, RawValue]:
    """Give every setting that a TOML file names.

    Raise ``SettingsError`` where the file cannot be read, is not TOML, or has a section or a key that no rule has.
    """
    source = str(path)
    given: dict[str, RawValue] = {}
    for section, content in _document(path).items():
        if section in rules:
            given[section] = RawValue(value=content, source=source)
            continue
        if not _keys(section, rules):
            sections = _sections(rules)
            raise _unknown(source, section, content, ", ".join(sections), _meant(section, sections))
        if not isinstance(content, dict):
            raise refusal(source, section, InvalidValue(content, f"a section, [{section}] on a line of its own"))
        for key, value in content.items():
            name = f"{section}.{key}"
            if name not in rules:
                raise _unknown_key(source, section, key, value, rules)
            given[name] = RawValue(value=value, source=source)
    return given


def from_environment(environment: Mapping[str, str], rules: Mapping[str, Validator]) -> dict[str, RawValue]:
    """Give every setting that ``DATABASE_URL`` and the ``BACKUP_`` variables name; an empty one counts as absent.

    Raise ``SettingsError`` for a variable of a known section that no rule has, or that is nearly one of ours. Another
    ``BACKUP_`` variable may be the host's: a warning is logged.
    """
    given: dict[str, RawValue] = {}
    url = environment.get("DATABASE_URL", "")
    if url.strip():
        given["database.url"] = RawValue(value=url, source="environment variable DATABASE_URL")
    settings = {variable(setting): setting for setting in rules}
    for name in sorted(environment):
        text = environment[name]
        if name in settings and text.strip():
            value = rules[settings[name]].from_text(text)
            given[settings[name]] = RawValue(value=value, source=f"environment variable {name}")
        elif name.startswith(PREFIX) and name not in settings and name != FILE_VARIABLE:
            _question(name, text, rules)
    return given


def _document(path: Path) -> dict[str, object]:
    allowed = "a TOML file that can be read"
    try:
        # The line end gives a mistake in the last line a place; otherwise tomllib says only "at end of document".
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


def _question(name: str, text: str, rules: Mapping[str, Validator]) -> None:
    """Refuse a variable that nobody but Savepoint can have meant, and warn of any other."""
    source = f"environment variable {name}"
    for section in _sections(rules):
        prefix = variable(section) + "_"
        if name.startswith(prefix) and _keys(section, rules):
            raise _unknown_key(source, section, name.removeprefix(prefix).lower(), text, rules)
    known = [variable(setting) for setting in rules]
    if difflib.get_close_matches(name, known, n=1, cutoff=ALIKE):
        allowed = f"DATABASE_URL, {variable('triggers')} and {PREFIX}<SECTION>_<KEY>"
        raise _unknown(source, name, text, allowed, _meant(name, known))
    _log.warning("The environment variable %s is not a setting of Savepoint; it is ignored.", name)


def _unknown_key(source: str, section: str, key: str, value: object, rules: Mapping[str, Validator]) -> SettingsError:
    keys = _keys(section, rules)
    places = [name.partition(".")[0] for name in rules if name.endswith(f".{key}")]
    hint = f"it belongs to [{places[0]}]" if places else _meant(key, keys)
    return _unknown(source, f"{section}.{key}", value, f"in [{section}] {', '.join(keys)}", hint)


def _unknown(source: str, name: str, found: object, allowed: str, hint: str) -> SettingsError:
    value = hidden(name, found)
    hint = f" ({hint})" if hint else ""
    message = f"{source}: {name} is {written(value)}, but there is no such setting; there are {allowed}{hint}."
    return SettingsError(message, key=name, value=value, allowed=allowed, source=source)


def _meant(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else ""
