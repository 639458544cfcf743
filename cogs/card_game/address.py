"""Where the game's database is."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from discord.ext import commands

from .database import Database
from .postgres import PostgresDatabase
from .sqlite import SqliteDatabase

__all__ = ["DEFAULT_URL", "database_at", "database_url", "postgres_dsn", "sqlite_path"]

DEFAULT_URL = "sqlite:///data/game.db"

_POSTGRES_FORM = (
    "a PostgreSQL URL is postgresql://user:password@host:5432/name; "
    "special characters of the password are percent-encoded (a slash is %2F, an at sign %40)"
)
_SCHEME = re.compile(r"(?P<engine>[a-z0-9]+)(?:\+\w+)?://")
_ONLY_LIBPQ = re.compile(
    "channel_binding|connect_timeout|fallback_application_name|gssencmode|hostaddr|keepalives.*|load_balance_hosts|"
    "m(in|ax)_protocol_version|require_auth|requirepeer|sslcertmode|sslcompression|sslcrldir|sslsni|tcp_user_timeout"
)
"""Options that asyncpg would hand to the server as settings of the session, which it refuses."""


def database_url(bot: commands.Bot) -> str:
    """Give the bot's ``database_url`` where it has one, else DATABASE_URL of the environment, else the default."""
    return getattr(bot, "database_url", None) or os.environ.get("DATABASE_URL") or DEFAULT_URL


def database_at(url: str) -> Database:
    """Give the database behind a URL, not yet opened, with a driver in its scheme or without (``sqlite+aiosqlite``).

    Raises ValueError for another engine or a URL that names no database; the message does not repeat the URL, which
    can hold a password.
    """
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise ValueError(f"the card game's database is given by a URL, e.g. {DEFAULT_URL}")
    engine = scheme["engine"]
    url = f"{engine}://{url[scheme.end() :]}"
    if engine == "sqlite":
        return SqliteDatabase(sqlite_path(url))
    if engine in ("postgresql", "postgres"):
        return PostgresDatabase(postgres_dsn(url))
    raise ValueError(f'the card game keeps its data in SQLite or PostgreSQL, not in "{engine}": use {DEFAULT_URL}')


def sqlite_path(url: str) -> Path:
    """Give the file behind a SQLite URL: three slashes relative to the working directory, four absolute.

    Percent-encoded characters are decoded. Raises ValueError for a URL that names no file.
    """
    parts = urlsplit(url)
    name = unquote(parts.path.removeprefix("/"))
    if parts.netloc or parts.query or parts.fragment or name in ("", ":memory:"):
        raise ValueError(
            f"a SQLite URL is sqlite:///relative/file.db or sqlite:////absolute/file.db, e.g. {DEFAULT_URL}"
        )
    return Path(name)


def postgres_dsn(url: str) -> str:
    """Give a PostgreSQL URL for asyncpg: ``sslmode`` and all else that it knows stay, what only libpq knows goes.

    Raises ValueError for one that cannot be read.
    """
    try:
        parts = urlsplit(url)
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        # Of "h1:5432,h2:5432" the parts after the colons; what asyncpg cannot read it would quote, password and all.
        ports = [host.rpartition(":")[2] for host in parts.netloc.rpartition("@")[2].split(",") if ":" in host]
    except ValueError:
        raise ValueError(_POSTGRES_FORM) from None
    kept = [(name, value) for name, value in options if not _ONLY_LIBPQ.fullmatch(name)]
    if parts.fragment or not all(port.endswith("]") or port.isdigit() for port in ports if port):
        raise ValueError(_POSTGRES_FORM)
    return parts._replace(query=urlencode(kept)).geturl()
