r"""Read a password file as libpq does (https://www.postgresql.org/docs/current/libpq-pgpass.html).

A line is ``host:port:database:user:password``; ``\:`` and ``\\`` stand for the character after the backslash, ``*``
alone matches everything, and nothing is stripped but the end of the line. Each of several hosts has a password of its
own. The first line that matches decides, also with an empty password, and a password ends at a colon without a
backslash (``passwordFromFile`` in ``fe-connect.c``).
asyncpg reads the file too, but leaves the escapes in and strips blanks.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["find_password", "passfile_lines", "passfile_path"]

_DEFAULT_SOCKETS = frozenset(("", "/tmp", "/var/run/postgresql"))
"""Where a server listens by default, as it is or as a distribution builds it; libpq calls that ``localhost``."""
_FIELD = re.compile(r"((?:[^:\\]|\\.|\\$)*)(?::|$)", re.DOTALL)


def passfile_path(given: str | None) -> Path:
    """Return the password file: the one given, that of PGPASSFILE, or ``~/.pgpass``."""
    chosen = given or os.environ.get("PGPASSFILE")
    return Path(chosen) if chosen else Path.home() / ".pgpass"


def find_password(path: Path, host: tuple[str, str], database: str, user: str) -> str | None:
    """Return the password for a host and port, or None if no line matches.

    A file that others can read is ignored, as libpq ignores it.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or (os.name == "posix" and status.st_mode & 0o077):
            return None
        lines = path.read_bytes().decode(errors="replace").split("\n")
    except OSError:
        return None
    name, port = host
    names = _names(name)
    for line_host, *rest, password in _entries(lines):
        matches = zip(rest, (port, database, user), strict=True)
        if (line_host == "*" or _unescaped(line_host) in names) and all(
            field == "*" or _unescaped(field) == value for field, value in matches
        ):
            ends = _FIELD.match(password)
            return _unescaped(ends[1] if ends else password)
    return None


def passfile_lines(hosts: Sequence[tuple[str, str, str | None]]) -> str:
    """Return a password file for a connection to the first of some hosts that answers: each with port and password."""
    passwords = {password for _, _, password in hosts}
    if len(passwords) == 1:
        return "".join(f"*:*:*:*:{_escaped(password)}\n" for password in passwords if password is not None)
    return "".join(
        f"{_escaped(each)}:{port}:*:*:{_escaped(password)}\n"
        for name, port, password in hosts
        if password is not None
        for each in _names(name)
        if each
    )


def _names(host: str) -> tuple[str, ...]:
    return (host, "localhost") if host in _DEFAULT_SOCKETS else (host,)


def _entries(lines: Sequence[str]) -> Iterator[tuple[str, str, str, str, str]]:
    for line in lines:
        text = line.rstrip("\r")
        if not text or text.startswith("#"):
            continue
        fields, at = [], 0
        for _ in range(4):
            field = _FIELD.match(text, at)
            if field is None or field.end(1) == len(text):
                break
            fields.append(field[1])
            at = field.end()
        if len(fields) == 4:
            yield (fields[0], fields[1], fields[2], fields[3], text[at:])


def _unescaped(field: str) -> str:
    return re.sub(r"\\(.)", r"\1", field, flags=re.DOTALL)


def _escaped(field: str) -> str:
    return field.replace("\\", "\\\\").replace(":", "\\:")
