"""Where the game's database is."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from discord.ext import commands

__all__ = ["DEFAULT_URL", "database_url", "sqlite_path"]

DEFAULT_URL = "sqlite:///data/game.db"


def database_url(bot: commands.Bot) -> str:
    """Give the bot's ``database_url`` where it has one, else DATABASE_URL of the environment, else the default."""
    return getattr(bot, "database_url", None) or os.environ.get("DATABASE_URL") or DEFAULT_URL


def sqlite_path(url: str) -> Path:
    """Give the file behind a SQLite URL: three slashes relative to the working directory, four absolute.

    Percent-encoded characters are decoded. Raises ValueError for another engine or a URL that names no file; the
    message does not repeat the URL, which can hold a password.
    """
    parts = urlsplit(url)
    if parts.scheme != "sqlite":
        raise ValueError(f'the card game keeps its data in SQLite, not in "{parts.scheme}": use {DEFAULT_URL}')
    name = unquote(parts.path.removeprefix("/"))
    if parts.netloc or parts.query or parts.fragment or name in ("", ":memory:"):
        raise ValueError(
            f"a SQLite URL is sqlite:///relative/file.db or sqlite:////absolute/file.db, e.g. {DEFAULT_URL}"
        )
    return Path(name)
