"""Where the database is, as asyncpg and libpq's programs want to be told.

No secret is ever handed to a program in its arguments or its environment, where every user of the machine can read
it: the parameters go in a service file and the password in a password file, both 0600 in a folder of their own
(https://www.postgresql.org/docs/current/libpq-pgservice.html and libpq-pgpass.html).

Connection services: parameters under a name, in a file of the operator's.

As libpq has it (https://www.postgresql.org/docs/current/libpq-pgservice.html): what the connection string says comes
first, then what the service says, then the environment. It is looked up here, because what goes to asyncpg and what
goes to libpq's programs must be the same place.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ...errors import SettingsError
from ...settings.conninfo import without_secrets
from .subprocesses import bare_environment

__all__ = ["APPLICATION", "Address", "with_service"]


APPLICATION = "savepoint"
"""What the server's administrator sees in ``pg_stat_activity`` (application_name)."""

_SERVICE = "savepoint"
_FOR_ASYNCPG = """
host port user password dbname passfile sslmode sslcert sslkey sslrootcert sslnegotiation sslcrl
sslpassword ssl_min_protocol_version ssl_max_protocol_version target_session_attrs krbsrvname gsslib options
"""
_ASYNCPG = frozenset(_FOR_ASYNCPG.split())
"""The parameters that asyncpg takes in a URL; ``options`` goes on to the server."""


class Address:
    """The parameters of one connection string; the environment's defaults (PGHOST, ~/.pgpass) are libpq's affair."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        """Take the parameters by libpq's names."""
        self._parameters = dict(parameters)

    @property
    def database(self) -> str:
        """The database's name; that of the user where none is given, as libpq has it."""
        given = self._parameters
        return given.get("dbname") or os.environ.get("PGDATABASE") or self._user

    @property
    def shown(self) -> str:
        """The place, fit for a message."""
        return without_secrets(self._parameters)

    @property
    def _user(self) -> str:
        import getpass

        return self._parameters.get("user") or os.environ.get("PGUSER") or getpass.getuser()

    @property
    def _password(self) -> str | None:
        return self._parameters.get("password") or os.environ.get("PGPASSWORD")

    def with_database(self, name: str) -> Address:
        """Give the address of another database on the same server."""
        return Address({**self._parameters, "dbname": name})

    def for_asyncpg(self, connect_timeout: float) -> dict[str, Any]:
        """Give the arguments of ``asyncpg.connect``; its own parser makes of them what they mean."""
        given = {name: value for name, value in self._parameters.items() if name in _ASYNCPG}
        given["dbname"] = self.database
        if "hostaddr" in self._parameters:
            given["host"] = self._parameters["hostaddr"]
        if "passfile" not in given and self._password is not None:
            given["password"] = self._password
        return {
            "dsn": "postgresql://?" + urlencode(given),
            "timeout": connect_timeout,
            "server_settings": {"application_name": APPLICATION},
            # A pooler between us and the server (PgBouncer) need not keep statements for us.
            "statement_cache_size": 0,
        }

    @contextlib.contextmanager
    def for_programs(self, folder: Path) -> Iterator[dict[str, str]]:
        """Give the environment with which libpq's programs find the database; the files behind it go at the end.

        ``folder`` is where the files' own folder is made. The environment names that folder and nothing secret.
        """
        with tempfile.TemporaryDirectory(prefix="libpq-", dir=folder) as place:  # made 0700
            service = dict(self._parameters)
            password = service.pop("password", None) or os.environ.get("PGPASSWORD")
            service |= {"dbname": self.database, "application_name": APPLICATION}
            environment = bare_environment()
            # Dumps of the same data are the same bytes wherever they are taken.
            environment |= {"PGTZ": "UTC", "PGCLIENTENCODING": "UTF8", "LC_ALL": "C"}
            _write(Path(place) / "service.conf", _service_file(service))
            environment |= {"PGSERVICE": _SERVICE, "PGSERVICEFILE": str(Path(place) / "service.conf")}
            if password is not None:
                _write(Path(place) / "pass", f"*:*:*:*:{_escaped(password)}\n")
                environment["PGPASSFILE"] = str(Path(place) / "pass")
            yield environment


def _service_file(parameters: Mapping[str, str]) -> str:
    lines = [f"[{_SERVICE}]", *(f"{name}={value}" for name, value in parameters.items())]
    return "\n".join(lines) + "\n"


def _escaped(password: str) -> str:
    return password.replace("\\", "\\\\").replace(":", "\\:")


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


_NAME = "pg_service.conf"


def with_service(parameters: Mapping[str, str]) -> dict[str, str]:
    """Give a connection string's parameters with those of the service that it, or else PGSERVICE, names.

    Raises SettingsError where no file has that service, or the file cannot be read.
    """
    given = {name: value for name, value in parameters.items() if name != "service"}
    service = parameters.get("service") or os.environ.get("PGSERVICE")
    if not service:
        return given
    looked_at = []
    for path in _files():
        found = _sections(path)
        if found.has_section(service):
            return dict(found.items(service)) | given
        looked_at.append(str(path))
    raise SettingsError(f'The connection service "{service}" is not in {" or ".join(looked_at) or "any file"}.')


def _files() -> Iterator[Path]:
    own = os.environ.get("PGSERVICEFILE")
    yield Path(own) if own else Path.home() / f".{_NAME}"
    shared = os.environ.get("PGSYSCONFDIR", "/etc/postgresql-common")
    yield Path(shared) / _NAME


def _sections(path: Path) -> configparser.RawConfigParser:
    found = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",), strict=False)
    try:
        found.read(path, encoding="utf-8")  # a file that is not there has no sections
    except (OSError, ValueError, configparser.Error) as error:
        raise SettingsError(f"The file of connection services {path} cannot be read: {error}") from error
    return found
