"""Texts in the language of the person who is being answered, or of the host where nobody in particular is.

Each interaction runs in a task of its own, so the language is a context variable: ``speak`` sets it where an
interaction is first answered, and everything that is said in that task is in that language.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

from .catalog import SEPARATORS, language_of, table

__all__ = ["for_the_host", "number_text", "phrase", "plural", "set_host_language", "speak", "spoken", "text"]

_language: contextvars.ContextVar[str | None] = contextvars.ContextVar("savepoint_language", default=None)
_host = "en"


def set_host_language(locale: str) -> None:
    """Speak this language where nobody in particular is answered, and to people whose own one there is no table of."""
    global _host
    _host = language_of(locale) or "en"


def speak(locale: object) -> None:
    """Speak the language of a person, whose locale is a name such as "de", from here on in this task."""
    _language.set(language_of(str(locale)))


@contextlib.contextmanager
def for_the_host() -> Iterator[None]:
    """Speak the host's language for a while, whoever is being answered; also a decorator."""
    token = _language.set(None)
    try:
        yield
    finally:
        _language.reset(token)


def text(english: str, /, **values: object) -> str:
    """Return a text in the language that is spoken, with ``values`` in the places that it names in braces."""
    found = table(spoken()).get(english, english)
    chosen = found if isinstance(found, str) else found[-1]
    return chosen.format(**values) if values else chosen


def plural(count: int, one: str, many: str, /, **values: object) -> str:
    """Return the text for a count, which both forms can name as ``{count}``: ``one`` for 1, else ``many``."""
    found = table(spoken()).get(many, [one, many])
    forms = [found, found] if isinstance(found, str) else found
    return forms[0 if count == 1 else -1].format(count=number_text(count), **values)


def phrase(english: str, /) -> str:
    """Return the text itself: it marks one that ``text`` gets later, so that no language misses it."""
    return english


def number_text(number: float, decimals: int = 0) -> str:
    """Return a number as the language writes it: "1,024" and "1.5" in English."""
    thousands, point = SEPARATORS[spoken()]
    return f"{number:,.{decimals}f}".translate(str.maketrans(",.", thousands + point))


def spoken() -> str:
    """Return the language that is spoken in this task, as one of ``LANGUAGES``."""
    return _language.get() or _host
