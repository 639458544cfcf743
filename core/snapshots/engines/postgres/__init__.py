"""The PostgreSQL engine. ``base`` documents the contract of its two sides.

It uses connections of its own and libpq's programs, never the host's pool: other processes write to the database too.
What it leaves on the server (a scratch database, the database that a restore replaced) has a name by which a later
start finds it: see ``scratch``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...settings.conninfo import parse_conninfo
from ...settings.database_url import DatabaseUrl

if TYPE_CHECKING:
    from ..base import Engine, Probe

__all__ = ["CREATES_DATABASES", "SUFFIX", "make_engine", "make_probe"]

SUFFIX = ".sql.gz"
CREATES_DATABASES = True


def make_engine(url: DatabaseUrl, busy_timeout: float, *, exclude_unreadable: bool = True) -> Engine:
    """Return the working side, for the worker process."""
    from .connection import Address, resolve_service
    from .engine import PostgresEngine

    address = Address(resolve_service(parse_conninfo(url.text)))
    return PostgresEngine(address, busy_timeout, exclude_unreadable=exclude_unreadable)


def make_probe(url: DatabaseUrl) -> Probe:
    """Return the watching side, for the bot's process."""
    from .connection import Address, resolve_service
    from .probe import PostgresProbe

    return PostgresProbe(Address(resolve_service(parse_conninfo(url.text))))
