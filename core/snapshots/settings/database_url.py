"""The database's URL, read by a real parser and never shown with its secrets.

SQLite follows the form that SQLAlchemy made common: ``sqlite:///relative/path.db``, ``sqlite:////absolute/path.db``,
``sqlite:///C:/path.db``, with or without a driver (``sqlite+aiosqlite://``). Percent-encoding (RFC 3986) is decoded.
Options after ``?`` speak to the host's driver: they are ignored, except for those that make it another database.
PostgreSQL takes whatever libpq takes, a URL or ``host=… dbname=…``; ``conninfo`` reads both.
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
"""Every engine by its name, which is its URL scheme, and the package in ``engines`` that it is."""
"""The engines that this version has. An engine that is added is added here."""

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
    """A database's place. ``text`` is the whole URL with its secrets: show ``redacted`` instead.

    ``path`` is the file where the engine keeps its database in one (relative ones count from the working directory).
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
        text = f"{scheme}:///{quote(path)}" + (f"?{options}" if options else "")
        return DatabaseUrl(text=text, engine=self.engine, path=str(Path(self.path).absolute()))

    @property
    def redacted(self) -> str:
        """The URL without password and options, fit for a message or a log line."""
        if self.engine == "postgresql" and "://" not in self.text:
            return without_secrets(parse_conninfo(self.text))
        return redact(self.text)

    def __repr__(self) -> str:
        return f"DatabaseUrl({self.redacted!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("redacted", self.redacted)]


def parse(url: str, *, engines: Collection[str] = ENGINES.keys()) -> DatabaseUrl:
    """Read a database URL; raise ``SettingsError``, without its secrets, where it is none that ``engines`` can use."""
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
    """Give a URL, sound or not, with the password and everything after ``?``, ``;`` or ``#`` taken out.

    Passwords with unescaped ``/``, ``?`` or ``@`` in them are common, so everything up to the last ``@`` counts as one.
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
    except ValueError:  # its message can hold the password, so nothing of it goes on
        return None


def _postgresql(text: str) -> DatabaseUrl:
    try:
        parse_conninfo(text)
    except ValueError as error:  # says what is wrong without a word of the text
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
    """Read ``/C:/x.db``, which four slashes before a Windows drive give, as the ``C:/x.db`` that was meant."""
    return path[1:] if _DRIVE.match(path) else path


def _refused(text: str, allowed: str, why: str) -> SettingsError:
    value = redact(text)
    message = f'database.url is "{value}", but must be {allowed} ({why}).'
    return SettingsError(message, key="database.url", value=value, allowed=allowed, why=why)
