"""The beginning of the shell, with nothing but the standard library: it says what is missing, whatever is missing.

``python -m core.snapshots``, ``python core/snapshots`` and the command ``savepoint`` begin here. An administrator often
has the system's Python and not the bot's, which lacks Savepoint's libraries or is too old for it.
"""

from __future__ import annotations

import sys

from .libraries import WAY_OUT, document_without_libraries, lacking

__all__ = ["main"]

_OLDEST = (3, 11)


def main(program: str | None = None) -> None:
    """Run the command that this process's arguments name, and exit. ``program`` is how it was started, if not click's.

    If this Python cannot run it, that is one sentence and exit code 1.
    """
    if sys.version_info < _OLDEST:
        wanted = ".".join(str(number) for number in _OLDEST)
        found = ".".join(str(number) for number in sys.version_info[:2])
        _refuse(f"Savepoint needs Python {wanted} or newer, and {sys.executable} is {found}. {WAY_OUT}.")
    try:
        from .commands import main as run
    except ImportError as error:
        sentence = lacking(error)
        if sentence is None:
            raise
        _refuse(sentence)
    else:
        run(program)


def _refuse(sentence: str) -> None:
    """Print why nothing can be done, as a document for a program, and exit."""
    if "--json" in sys.argv:
        sys.stdout.write(document_without_libraries(sentence) + "\n")
    else:
        sys.stderr.write(f"Error: {sentence}\n")
    sys.exit(1)
