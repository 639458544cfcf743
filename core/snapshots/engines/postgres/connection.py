"""Where the database is, in the forms that asyncpg and libpq's programs need.

No secret is ever passed to a program in its arguments or its environment, where every user of the machine can read it:
the parameters go into a service file and the password into a password file, both 0600 in a folder of their own
(https://www.postgresql.org/docs/current/libpq-pgservice.html and libpq-pgpass.html).

A connection service of the operator's is resolved here, because asyncpg and libpq's programs must reach the same
server. As in libpq, the connection string wins over the service, and the service over the environment.
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

__all__ = ["APPLICATION", "Address", "resolve_service"]

APPLICATION = "savepoint"
"""The application_name that the server's administrator sees in ``pg_stat_activity``."""

_SERVICE = "savepoint"
_SERVICE_FILE = "pg_service.conf"
_SYSTEM_FOLDER = "/etc/postgresql-common"
_ASYNCPG_TEXT = """
host port user password dbname passfile sslmode sslcert sslkey sslrootcert sslnegotiation sslcrl
sslpassword ssl_min_protocol_version ssl_max_protocol_version target_session_attrs krbsrvname gsslib options
"""
_ASYNCPG = frozenset(_ASYNCPG_TEXT.split())
"""The parameters that asyncpg accepts in a URL; it passes ``options`` on to the server."""


class Address:
    """The parameters of a connection, by libpq's names; libpq itself adds the environment's (PGHOST, ~/.pgpass)."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = dict(parameters)

    @property
    def database(self) -> str:
        """The database's name; as in libpq that of the user if none is given."""
        return self._parameters.get("dbname") or os.environ.get("PGDATABASE") or self._user

    @property
    def shown(self) -> str:
        """The address without its secrets, for messages."""
        return without_secrets(self._parameters)

    @property
    def _user(self) -> str:
        import getpass

        return self._parameters.get("user") or os.environ.get("PGUSER") or getpass.getuser()

    @property
    def _password(self) -> str | None:
        return self._parameters.get("password") or os.environ.get("PGPASSWORD")

    def with_database(self, name: str) -> Address:
        """Return the address of another database on the same server."""
        return Address({**self._parameters, "dbname": name})

    def for_asyncpg(self, connect_timeout: float) -> dict[str, Any]:
        """Return the arguments for ``asyncpg.connect``, whose own parser interprets the parameters."""
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
        """Yield the environment in which libpq's programs find the database; remove the files behind it at the end.

        The files get a folder of their own in ``folder``. The environment names that folder and nothing secret.
        """
        with tempfile.TemporaryDirectory(prefix="libpq-", dir=folder) as private:  # made 0700
            service = dict(self._parameters)
            password = service.pop("password", None) or os.environ.get("PGPASSWORD")
            service |= {"dbname": self.database, "application_name": APPLICATION}
            environment = bare_environment()
            # Dumps of the same data are the same bytes wherever they are taken.
            environment |= {"PGTZ": "UTC", "PGCLIENTENCODING": "UTF8", "LC_ALL": "C"}
            _write(Path(private) / "service.conf", _service_text(service))
            environment |= {"PGSERVICE": _SERVICE, "PGSERVICEFILE": str(Path(private) / "service.conf")}
            if password is not None:
                _write(Path(private) / "pass", f"*:*:*:*:{_escaped(password)}\n")
                environment["PGPASSFILE"] = str(Path(private) / "pass")
            yield environment


def resolve_service(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return parameters with those of the connection service that they, or else PGSERVICE, name.

    Raises SettingsError if no file has that service or a file cannot be read.
    """
    given = {name: value for name, value in parameters.items() if name != "service"}
    service = parameters.get("service") or os.environ.get("PGSERVICE")
    if not service:
        return given
    searched = []
    for path in _service_files():
        found = _read_services(path)
        if found.has_section(service):
            return dict(found.items(service)) | given
        searched.append(str(path))
    raise SettingsError(f'The connection service "{service}" is not in {" or ".join(searched) or "any file"}.')


def _service_files() -> Iterator[Path]:
    own = os.environ.get("PGSERVICEFILE")
    yield Path(own) if own else Path.home() / f".{_SERVICE_FILE}"
    yield Path(os.environ.get("PGSYSCONFDIR", _SYSTEM_FOLDER)) / _SERVICE_FILE


def _read_services(path: Path) -> configparser.RawConfigParser:
    found = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",), strict=False)
    try:
        found.read(path, encoding="utf-8")  # a file that does not exist has no sections
    except (OSError, ValueError, configparser.Error) as error:
        raise SettingsError(f"The file of connection services {path} cannot be read: {error}") from error
    return found


def _service_text(parameters: Mapping[str, str]) -> str:
    lines = [f"[{_SERVICE}]", *(f"{name}={value}" for name, value in parameters.items())]
    return "\n".join(lines) + "\n"


def _escaped(password: str) -> str:
    return password.replace("\\", "\\\\").replace(":", "\\:")


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
