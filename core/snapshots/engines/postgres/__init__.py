"""The PostgreSQL engine. See ``base`` for what its two sides promise.

It reaches the server by connections of its own and by libpq's programs, never through the host's pool: other processes
write to such a database too. What it leaves on the server (a scratch database, the database that a restore replaced)
is named so that a later start finds it: see ``databases``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...settings.conninfo import parse_conninfo
from ...settings.database_url import DatabaseUrl

if TYPE_CHECKING:
    from ..base import Engine, Probe

__all__ = ["ELSEWHERE", "SUFFIX", "make_engine", "make_probe"]

SUFFIX = ".sql.gz"
ELSEWHERE = True


def make_engine(url: DatabaseUrl, busy_timeout: float) -> Engine:
    """Give the working side, for the worker process."""
    from .connection import Address, with_service
    from .engine import PostgresEngine

    return PostgresEngine(Address(with_service(parse_conninfo(url.text))), busy_timeout)


def make_probe(url: DatabaseUrl) -> Probe:
    """Give the watching side, for the bot's process."""
    from .connection import Address, with_service
    from .probe import PostgresProbe

    return PostgresProbe(Address(with_service(parse_conninfo(url.text))))
