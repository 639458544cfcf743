"""What the cog says, in the language of who reads it. English is written in the code, other languages in tables.

``de/*.toml`` is German: each English text, as it stands in the code, and what it is in German. A text that counts
something has two forms. A language more is a folder more, its name in ``catalog.LANGUAGES``, and its separators.
"""

from .catalog import LANGUAGES, load_tables
from .core_sentences import core_text
from .menus import localized, localized_beside
from .quantities import duration_text, size_text
from .speaking import for_the_host, number_text, phrase, plural, set_host_language, speak, text
from .words import word

__all__ = [
    "LANGUAGES",
    "core_text",
    "duration_text",
    "for_the_host",
    "load_tables",
    "localized",
    "localized_beside",
    "number_text",
    "phrase",
    "plural",
    "set_host_language",
    "size_text",
    "speak",
    "text",
    "word",
]
