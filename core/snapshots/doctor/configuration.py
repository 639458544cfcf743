"""Writes the settings that the doctor found into the settings file, and keeps whatever else is there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files import PRIVATE_FILE, sync_folder, write_atomically
from ..settings.schema import load

__all__ = ["merged", "write_settings"]

_HEADING = re.compile(r"\s*\[\[?\s*([\w.]+)\s*]]?\s*(?:#.*)?")
_BEGINNING = (
    "# Savepoint's settings, by its doctor. What is not here has its default; docs/settings.md lists all of them.\n"
)


def write_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Add settings to a file, which is created if it is missing. A line that has one of them is replaced.

    The new content is loaded before it is put in the file's place: raises SettingsError, and OSError, and then the file
    is as it was.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        text = _BEGINNING
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(path.name + ".new")
    content = merged(text, settings)
    # Only the owner may read it, from the beginning on: it can hold a password or the address of a webhook.
    scratch.unlink(missing_ok=True)
    scratch.touch(mode=PRIVATE_FILE, exist_ok=False)
    try:
        scratch.write_text(content, encoding="utf-8")
        load(scratch, {})
    finally:
        scratch.unlink()
    write_atomically(path, content.encode(), scratch=scratch)
    sync_folder(path.parent)


def merged(text: str, settings: Mapping[str, Any]) -> str:
    """Return the text of a settings file with these settings in it, by dotted name. Pure."""
    lines = text.splitlines()
    for name, value in settings.items():
        section, _, key = name.partition(".")
        lines = _with_setting(lines, section, key, f"{key} = {_as_toml(value)}")
    return "\n".join(lines) + "\n"


def _with_setting(lines: list[str], section: str, key: str, line: str) -> list[str]:
    start = next((at for at, each in enumerate(lines) if _heading(each) == section), None)
    if start is None:
        # A new section goes before the tables of a list, which would swallow nothing, but read better last.
        at = next((at for at, each in enumerate(lines) if each.lstrip().startswith("[[")), len(lines))
        return [*lines[:at], *([""] if at and lines[at - 1].strip() else []), f"[{section}]", line, "", *lines[at:]]
    end = next((at for at in range(start + 1, len(lines)) if _heading(lines[at]) is not None), len(lines))
    for at in range(start + 1, end):
        if re.match(rf"\s*{re.escape(key)}\s*=", lines[at]):
            last = _last_line(lines, at, end)
            return [*lines[:at], line + _comment(lines[at]), *lines[last + 1 :]]
    while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1  # what stands before the next heading belongs to that
    return [*lines[:end], line, *lines[end:]]


def _last_line(lines: list[str], at: int, end: int) -> int:
    """Return the number of the line in which the value that begins in line ``at`` ends: a list can have several."""
    depth = 0
    for number in range(at, end):
        code = re.sub(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|#.*", "", lines[number])
        depth += code.count("[") - code.count("]")
        if depth <= 0:
            return number
    return at


def _comment(line: str) -> str:
    found = re.search(r"  # .*$", line)
    return found[0] if found else ""


def _heading(line: str) -> str | None:
    found = _HEADING.fullmatch(line)
    return found[1] if found else None


def _as_toml(value: Any) -> str:
    """Return a text or a list of texts in TOML, whose basic strings are JSON's."""
    text = json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")  # the one character that JSON leaves as it is and TOML refuses
