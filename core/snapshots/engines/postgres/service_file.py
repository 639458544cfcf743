"""Connection services: parameters under a name, in a file of the operator's.

As libpq has it (https://www.postgresql.org/docs/current/libpq-pgservice.html): what the connection string says comes
first, then what the service says, then the environment. It is looked up here, because what goes to asyncpg and what
goes to libpq's programs must be the same place.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...errors import SettingsError

__all__ = ["with_service"]

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
