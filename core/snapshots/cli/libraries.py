"""What is said of a library that is missing. Nothing but the standard library is used here."""

from __future__ import annotations

import json
import sys

__all__ = ["LACKING", "WAY_OUT", "document_without_libraries", "lacking"]

LACKING = "ImportError"
"""The type of the error, in a document."""

WAY_OUT = "Activate the bot's environment"


def lacking(error: ImportError) -> str | None:
    """Return the sentence for a library that this Python lacks or cannot load; None if the library is not to blame."""
    library = (error.name or "").partition(".")[0]
    if not library or library in sys.stdlib_module_names or library == __name__.partition(".")[0]:
        return None
    if isinstance(error, ModuleNotFoundError) and error.name == library:
        why = f"Savepoint's libraries are not in this Python ({sys.executable}): {library} is missing."
    else:
        why = f"A library of Savepoint's cannot be loaded in this Python ({sys.executable}): {error}."
    return f"{why} {WAY_OUT}, or: pip install -r requirements.txt"


def document_without_libraries(sentence: str) -> str:
    """Return the document of the error, which the library for documents cannot write if that is what is missing."""
    return json.dumps({"error": {"type": LACKING, "code": LACKING, "message": sentence}})
