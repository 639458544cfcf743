"""Where the database is, in the forms that asyncpg and libpq's programs need.

No secret is ever passed to a program in its arguments or its environment, where every user of the machine can read it:
the parameters go into a service file and the password into a password file, both 0600 in a folder of their own
(https://www.postgresql.org/docs/current/libpq-pgservice.html and libpq-pgpass.html).

Every value is passed as it is: a service file drops blanks at the end of a line, so names go into variables of the
environment, which hold no secret. A connection service of the operator's is resolved here, because asyncpg and libpq's
programs must reach the same server. As in libpq, the connection string wins over the service, and the service over the
environment.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from ...errors import SettingsError
from ...settings.conninfo import without_secrets
from .connecting.passfile import find_password, passfile_lines, passfile_path
from .connecting.pinned import as_options, pinned_settings
from .subprocesses import bare_environment

__all__ = ["APPLICATION", "Address", "KnownServer", "known_server", "learn_server", "resolve_service"]

APPLICATION = "savepoint"
"""The application_name that the server's administrator sees in ``pg_stat_activity``."""

_SERVICE = "savepoint"
_SERVICE_FILE = "pg_service.conf"
_SYSTEM_FOLDER = "/etc/postgresql-common"
_ASYNCPG_TEXT = """
host port user dbname sslmode sslcert sslkey sslrootcert sslnegotiation sslcrl
sslpassword ssl_min_protocol_version ssl_max_protocol_version target_session_attrs krbsrvname gsslib options
"""
_ASYNCPG = frozenset(_ASYNCPG_TEXT.split())
"""The parameters that asyncpg accepts in a URL; it passes ``options`` on to the server."""
_IN_ENVIRONMENT = {"user": "PGUSER", "dbname": "PGDATABASE"}
_OLDEST = 13


class Address:
    """The parameters of a connection, by libpq's names; libpq itself adds the environment's (PGHOST).

    A role has one password for all databases of a server: the password file is asked for that of the database
    ``stored_for``, by default the address's own.
    """

    def __init__(self, parameters: Mapping[str, str], *, stored_for: str | None = None) -> None:
        self._parameters = dict(parameters)
        self._stored_for = stored_for

    @property
    def server(self) -> tuple[str, str, str]:
        """What tells servers apart: host, numeric address and port, each as it was given or by the environment."""
        given, environment = self._parameters, os.environ
        return (
            given.get("host") or environment.get("PGHOST", ""),
            given.get("hostaddr") or environment.get("PGHOSTADDR", ""),
            given.get("port") or environment.get("PGPORT", ""),
        )

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

    def _passwords(self) -> list[tuple[str, str, str | None]]:
        """Return the hosts, with port and password each.

        The password file, which asyncpg would read in another way than libpq, is asked for each host.
        """
        host, address, port = self.server
        names, ports = (host or address).split(","), (port or "5432").split(",")
        ports = ports * len(names) if len(ports) == 1 else ports
        hosts = [(name, number or "5432") for name, number in zip(names, ports, strict=False)]
        given = self._parameters.get("password") or os.environ.get("PGPASSWORD")
        if given:
            return [(name, number, given) for name, number in hosts]
        path, database = passfile_path(self._parameters.get("passfile")), self._stored_for or self.database
        return [(name, number, find_password(path, (name, number), database, self._user)) for name, number in hosts]

    def with_database(self, name: str) -> Address:
        """Return the address of another database on the same server."""
        return Address({**self._parameters, "dbname": name}, stored_for=self._stored_for or self.database)

    def for_asyncpg(self, connect_timeout: float, settings: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the arguments for ``asyncpg.connect``, whose own parser interprets the parameters.

        ``settings`` are sent with the start-up of the session.
        """
        given = {name: value for name, value in self._parameters.items() if name in _ASYNCPG}
        given["dbname"] = self.database
        if "hostaddr" in self._parameters:
            given["host"] = self._parameters["hostaddr"]
        return {
            "dsn": "postgresql://?" + urlencode(given),
            "password": self._for_each_host(),
            "timeout": connect_timeout,
            "server_settings": {"application_name": APPLICATION, **(settings or {})},
            # A pooler between us and the server (PgBouncer) need not keep statements for us.
            "statement_cache_size": 0,
        }

    def _for_each_host(self) -> str | Callable[[], str]:
        """Return the password, or a function that returns that of the next host whenever asyncpg asks for one.

        With None it would look into the password file itself.
        """
        passwords = [password or "" for _, _, password in self._passwords()]
        if len(set(passwords)) == 1:
            return passwords[0]
        following = iter(passwords)
        return lambda: next(following)

    @contextlib.contextmanager
    def for_programs(self, folder: Path) -> Iterator[dict[str, str]]:
        """Yield the environment in which libpq's programs find the database; remove the files behind it at the end.

        The files get a folder of their own in ``folder``. The environment names that folder and nothing secret. The
        sessions of the programs have the pinned settings, as far as the server accepts them with the start-up.
        """
        with tempfile.TemporaryDirectory(prefix="libpq-", dir=folder) as private:  # made 0700
            service = dict(self._parameters)
            service.pop("password", None)
            lines = passfile_lines(self._passwords())
            service |= {"application_name": APPLICATION}
            environment = bare_environment()
            names = service | {"dbname": self.database}
            environment |= {_IN_ENVIRONMENT[name]: names[name] for name in _IN_ENVIRONMENT if name in names}
            service = {name: value for name, value in service.items() if name not in _IN_ENVIRONMENT}
            # Dumps of the same data are the same bytes wherever they are taken.
            environment |= {"PGTZ": "UTC", "PGCLIENTENCODING": "UTF8", "LC_ALL": "C"}
            version, accepts_settings = known_server(self) or (_OLDEST, True)
            if accepts_settings:
                options = service.get("options") or environment.get("PGOPTIONS", "")
                service["options"] = f"{options} {as_options(pinned_settings(version))}".strip()
            _write(Path(private) / "service.conf", _service_text(service))
            environment |= {"PGSERVICE": _SERVICE, "PGSERVICEFILE": str(Path(private) / "service.conf")}
            if lines:
                _write(Path(private) / "pass", lines)
                environment["PGPASSFILE"] = str(Path(private) / "pass")
            yield environment


class KnownServer(NamedTuple):
    """What this process has learned of a server: its major version, and if it accepts settings with a start-up."""

    version: int
    accepts_settings: bool


_known_servers: dict[tuple[str, str, str], KnownServer] = {}


def known_server(address: Address) -> KnownServer | None:
    """Return what was learned of an address's server, or None before the first connection."""
    return _known_servers.get(address.server)


def learn_server(address: Address, version: int, *, accepts_settings: bool) -> None:
    """Record what a connection has shown of its server."""
    _known_servers[address.server] = KnownServer(version, accepts_settings)


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


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
