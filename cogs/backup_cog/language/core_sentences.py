"""What the core says, in the language of who reads it.

The core speaks English. A sentence of it, or a part of one, is known by a template in ``de/core/*.toml``, and a test
finds each of them in the core. What fits none stays English. The values in a template are translated in the same way.
A place whose name begins with "count" stands for a number, so that such a template fits little else.
"""

from __future__ import annotations

import functools
import re

from .catalog import core_table
from .speaking import spoken

__all__ = ["core_text"]

_BETWEEN = re.compile(r"(?<=[.!?]) (?=[A-Z])")
"""What is between two sentences."""
_PLACE = re.compile(r"\{(\w+)\}")
_LONGEST = 400
"""Characters of a sentence that is looked for; a longer one quotes something."""


def core_text(said: str) -> str:
    """Return what the core said, each sentence translated if it is known."""
    templates = _templates(spoken())
    if not templates:
        return said
    return " ".join(_translated(sentence, templates) for sentence in _BETWEEN.split(said))


def _translated(said: str, templates: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    if len(said) <= _LONGEST:
        for pattern, translation in templates:
            if found := pattern.fullmatch(said):
                values = {name: _translated(value, templates) for name, value in found.groupdict().items()}
                return translation.format(**values)
    return said


@functools.cache
def _templates(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return the patterns of a language with their translations, those with the most text of their own first."""
    texts = core_table(language)
    ordered = sorted(texts, key=lambda english: len(_PLACE.sub("", english)), reverse=True)
    return tuple((re.compile(_pattern(english), re.DOTALL), texts[english]) for english in ordered)


def _pattern(english: str) -> str:
    parts = _PLACE.split(english)
    return "".join(_value(part) if index % 2 else re.escape(part) for index, part in enumerate(parts))


def _value(name: str) -> str:
    return rf"(?P<{name}>-?\d[\d.,]*)" if name.startswith("count") else f"(?P<{name}>.*?)"
