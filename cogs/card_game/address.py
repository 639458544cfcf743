"""The address of the game's database: where it comes from, and which engine it names."""

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
"""Options of libpq that asyncpg would send to the server as settings of the session, which the server refuses."""


def database_url(bot: commands.Bot) -> str:
    """Return the bot's ``database_url`` if it has one, else DATABASE_URL of the environment, else the default."""
    return getattr(bot, "database_url", None) or os.environ.get("DATABASE_URL") or DEFAULT_URL


def database_at(url: str) -> Database:
    """Return the database of a URL, not yet opened. The scheme may name a driver (``sqlite+aiosqlite``).

    Raises ValueError for another engine or a URL that names no database. The message does not repeat the URL, which can
    contain a password.
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
    """Return the file of a SQLite URL: with three slashes it is relative to the working directory, with four absolute.

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
    """Return a PostgreSQL URL for asyncpg, without the options that only libpq knows.

    Raises ValueError for a URL that cannot be parsed.
    """
    try:
        parts = urlsplit(url)
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        # The ports of "h1:5432,h2:5432". asyncpg would quote an invalid one in its error, with the password.
        ports = [host.rpartition(":")[2] for host in parts.netloc.rpartition("@")[2].split(",") if ":" in host]
    except ValueError:
        raise ValueError(_POSTGRES_FORM) from None
    kept = [(name, value) for name, value in options if not _ONLY_LIBPQ.fullmatch(name)]
    if parts.fragment or not all(port.endswith("]") or port.isdigit() for port in ports if port):
        raise ValueError(_POSTGRES_FORM)
    return parts._replace(query=urlencode(kept)).geturl()
