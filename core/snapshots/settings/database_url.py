"""The database's URL: parsed, and never shown with its secrets.

SQLite URLs have SQLAlchemy's form: ``sqlite:///relative/path.db``, ``sqlite:////absolute/path.db``,
``sqlite:///C:/path.db``, with or without a driver (``sqlite+aiosqlite://``). Percent-encoding (RFC 3986) is decoded.
Options after ``?`` are for the host's driver and are ignored, except for those that mean another database. PostgreSQL
URLs are whatever libpq accepts, including ``host=… dbname=…``; see ``conninfo``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

import msgspec

from ..errors import SettingsError
from .conninfo import parse_conninfo, without_secrets

__all__ = ["ENGINES", "DatabaseUrl", "parse", "redact"]

ENGINES = {"sqlite": "sqlite", "postgresql": "postgres"}
"""The engines: URL scheme, and name of the package in ``engines``. A new engine is added here."""

_SCHEMES = {"sqlite": "sqlite", "postgresql": "postgresql", "postgres": "postgresql"}
_TITLES = {"postgresql": "PostgreSQL"}
_SQLITE = "sqlite:///relative/path.db or sqlite:////absolute/path.db"
_POSTGRESQL = (
    "postgresql://user:password@host:port/database or host=... dbname=..., with percent-encoded passwords in URLs"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PAIRS = re.compile(r"\s*(?:host|hostaddr|port|dbname|user|password|service|sslmode)\s*=")
_DRIVE = re.compile(r"/[A-Za-z]:[\\/]")


class DatabaseUrl(msgspec.Struct, frozen=True, kw_only=True):
    """The address of a database. ``text`` is the whole URL with its secrets: show ``redacted`` instead.

    ``path`` is the database's file if the engine uses one; a relative path starts at the working directory.
    """

    text: str
    engine: str
    path: str | None = None

    def absolute(self) -> DatabaseUrl:
        """Return the URL with an absolute path, so that no later change of the working directory moves the database."""
        if self.path is None or Path(self.path).is_absolute():
            return self
        path = Path(self.path).absolute().as_posix()
        head, _, options = self.text.partition("?")
        scheme = head.partition("://")[0]
        text = f"{scheme}:///{quote(path, errors='surrogateescape')}" + (f"?{options}" if options else "")
        return DatabaseUrl(text=text, engine=self.engine, path=str(Path(self.path).absolute()))

    @property
    def redacted(self) -> str:
        """The URL without password and options, for messages and logs."""
        if self.engine == "postgresql" and "://" not in self.text:
            return without_secrets(parse_conninfo(self.text))
        return redact(self.text)

    def __repr__(self) -> str:
        return f"DatabaseUrl({self.redacted!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("redacted", self.redacted)]


def parse(url: str, *, engines: Collection[str] = ENGINES.keys()) -> DatabaseUrl:
    """Parse a database URL; raise SettingsError, without its secrets, if none of ``engines`` can use it."""
    text = url.strip()
    if _PAIRS.match(text) and "postgresql" in engines:
        return _postgresql(text)
    parts = _split(text)
    names = ", ".join(sorted(engines))
    if parts is None:
        raise _refused(text, f"a URL like {_SQLITE}", "it cannot be read as a URL")
    engine = _SCHEMES.get(parts.scheme.partition("+")[0])
    if engine in _TITLES and engine not in engines:
        raise _refused(text, f"a URL of {names}", f"{_TITLES[engine]} is not supported by this version of Savepoint")
    if engine is None or engine not in engines:
        raise _refused(text, f"a URL of {names}, like {_SQLITE}", "its engine is not known")
    if engine == "postgresql":
        return _postgresql(text)
    return DatabaseUrl(text=text, engine=engine, path=_sqlite_path(text, parts))


def redact(text: str) -> str:
    """Return a URL, valid or not, without its password and without everything after ``?``, ``;`` or ``#``.

    Passwords with an unescaped ``/``, ``?`` or ``@`` are common, so the password ends at the last ``@``.
    """
    if "://" not in text and ("=" in text or "@" in text):
        return "***"
    head, at, tail = text.rpartition("@")
    if at:
        scheme, mark, rest = head.partition("://")
        user, colon, _ = rest.partition(":")
        head = f"{scheme}{mark}{user}" + (":***" if colon else "")
    return re.sub(r"([?;#]).*", r"\1***", head + at + tail, flags=re.DOTALL)


def _split(text: str) -> SplitResult | None:
    if _CONTROL.search(text) or "://" not in text:
        return None
    try:
        return urlsplit(text)
    except ValueError:  # not passed on, because its message can contain the password
        return None


def _postgresql(text: str) -> DatabaseUrl:
    try:
        parse_conninfo(text)
    except ValueError as error:  # its message contains nothing of the text
        problem = str(error)
    else:
        return DatabaseUrl(text=text, engine="postgresql")
    raise _refused(text, _POSTGRESQL, problem)


def _sqlite_path(text: str, parts: SplitResult) -> str:
    if parts.netloc:
        raise _refused(text, _SQLITE, "SQLite has no host: it takes three slashes before a relative path")
    if parts.fragment:
        raise _refused(text, _SQLITE, 'a "#" in a path is written %23')
    for option, value in parse_qsl(parts.query, keep_blank_values=True):
        if option == "vfs" or (option == "mode" and value == "memory"):
            raise _refused(text, _SQLITE, f"with the option {option} it is not a plain database file")
    try:
        path = unquote(parts.path, errors="strict")[1:]
    except UnicodeDecodeError:
        raise _refused(text, _SQLITE, "its percent-encoding is not UTF-8") from None
    if path == ":memory:":
        raise _refused(text, _SQLITE, "a database in memory has nothing to read from outside")
    if path.startswith("file:"):
        raise _refused(text, _SQLITE, "the path stands by itself, not as a file: URI")
    if not path or path.endswith("/") or "\0" in path:
        raise _refused(text, _SQLITE, "it names no file")
    return _without_drive_slash(path)


def _without_drive_slash(path: str) -> str:
    """Return ``C:/x.db`` for ``/C:/x.db``, which is what four slashes before a Windows drive lead to."""
    return path[1:] if _DRIVE.match(path) else path


def _refused(text: str, allowed: str, why: str) -> SettingsError:
    value = redact(text)
    message = f'database.url is "{value}", but must be {allowed} ({why}).'
    return SettingsError(message, key="database.url", value=value, allowed=allowed, why=why)
