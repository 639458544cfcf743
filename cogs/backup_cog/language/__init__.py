"""What the cog says, in the language of who reads it. English is written in the code, other languages in tables.

``de/*.toml`` is German: each English text, as it stands in the code, and what it is in German. A text that counts
something has two forms. A language more is a folder more, and its name in ``catalog.LANGUAGES``.
"""

from .catalog import LANGUAGES
from .speaking import for_the_host, phrase, plural, set_host_language, speak, text

__all__ = ["LANGUAGES", "for_the_host", "phrase", "plural", "set_host_language", "speak", "text"]
