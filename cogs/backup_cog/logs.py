"""Where Savepoint's log can be read: where the library's is, if the host has set up no other place.

``bot.run()`` shows only what discord.py logs: its handler is on the logger ``discord``, and what others log below a
warning is dropped. An owner would never read that the database was checked, or what was restored.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

__all__ = ["follow_library"]

log = logging.getLogger(__name__)

_LIBRARY = "discord"
_NAME = "savepoint: where discord.py logs"


class _LibraryHandler(logging.Handler):
    """Hands records to the library's handlers, as long as the root logger has none."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on one record."""
        if logging.getLogger().handlers:
            return  # the host has set one up since, and it gets the record too
        for handler in logging.getLogger(_LIBRARY).handlers:
            if record.levelno >= handler.level:
                handler.handle(record)


def follow_library(packages: Iterable[str]) -> None:
    """Let these packages log where discord.py does, and log that, if nobody else would show their records."""
    library = logging.getLogger(_LIBRARY)
    loggers = [logging.getLogger(name) for name in packages]
    for logger in loggers:
        for handler in [each for each in logger.handlers if each.get_name() == _NAME]:
            logger.removeHandler(handler)  # of an earlier load
    if not library.handlers or any(logger.hasHandlers() for logger in loggers):
        return
    for logger in loggers:
        handler = _LibraryHandler()
        handler.set_name(_NAME)
        logger.addHandler(handler)
        if logger.level == logging.NOTSET:
            logger.setLevel(library.level or logging.INFO)
    log.info("Savepoint logs here, where discord.py does (loggers %s)", ", ".join(each.name for each in loggers))
