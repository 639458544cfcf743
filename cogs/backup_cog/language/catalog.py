"""The tables of texts, read once from the files beside this module.

A file that cannot be read costs its texts, which stay English, and nothing else.
"""

from __future__ import annotations

import functools
import logging
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["LANGUAGES", "SEPARATORS", "Translation", "core_table", "language_of", "load_tables", "table"]

log = logging.getLogger(__name__)

LANGUAGES = ("en", "de")
"""The languages that all texts exist in, by the codes of ISO 639-1, which Discord's locales begin with."""

SEPARATORS = {"en": (",", "."), "de": (".", ",")}
"""What stands between thousands, and before decimals."""

Translation = str | list[str]
"""A text; or one for a count of one, and one for every other count."""

_FOLDER = Path(__file__).parent


def language_of(locale: str) -> str | None:
    """Return the language of a locale such as "de" or "en-GB"; None for one that there is no table of."""
    code = locale.partition("-")[0].lower()
    return code if code in LANGUAGES else None


@functools.cache
def table(language: str) -> Mapping[str, Translation]:
    """Return the translation of each English text; English itself needs none."""
    return _read(_FOLDER / language)


@functools.cache
def core_table(language: str) -> Mapping[str, str]:
    """Return the translation of each sentence of the core that is known, with places for what differs in it."""
    return _read(_FOLDER / language / "core")


def _read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            found |= tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            log.error("The texts in %s cannot be read, so they stay English: %s", path, error)
    return found


def load_tables() -> None:
    """Read all tables, so that nobody waits for the disk later."""
    for language in LANGUAGES:
        table(language)
        core_table(language)
