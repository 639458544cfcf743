"""The kinds of database that can be backed up, one package each.

To add one, write a package with ``make_engine``, ``make_probe``, ``SUFFIX`` and ``CREATES_DATABASES``, and add it to
``ENGINES``. ``base`` describes what an engine does; ``integrity`` has the findings and reports that all of them share.
"""

from __future__ import annotations

import importlib
from typing import Any

from ..settings.database_url import ENGINES, DatabaseUrl
from .base import ChainFile, Checks, Engine, ParentSnapshot, Position, Probe, Recovery, ReplaceResult, SnapshotResult

__all__ = [
    "ENGINES",
    "ChainFile",
    "Checks",
    "Engine",
    "ParentSnapshot",
    "Position",
    "Probe",
    "Recovery",
    "ReplaceResult",
    "SnapshotResult",
    "creates_databases",
    "engine_for",
    "probe_for",
    "suffix_for",
]


def engine_for(url: DatabaseUrl, busy_timeout: float, *, exclude_unreadable: bool = True) -> Engine:
    """Return the working side for a database; it waits up to ``busy_timeout`` seconds for locks of others.

    ``exclude_unreadable`` leaves out of snapshots what the database's role may not read; otherwise it is an error.
    """
    engine: Engine = _package(url.engine).make_engine(url, busy_timeout, exclude_unreadable=exclude_unreadable)
    return engine


def probe_for(url: DatabaseUrl) -> Probe:
    """Return the watching side for a database."""
    # Imported here: a worker never needs it, and it loads the modules for reading e-mail.
    from .drivers import require_driver

    require_driver(url.engine)
    probe: Probe = _package(url.engine).make_probe(url)
    return probe


def suffix_for(engine: str) -> str:
    """Return the suffix of full snapshots of this kind of database, such as ``.db.gz``."""
    suffix: str = _package(engine).SUFFIX
    return suffix


def creates_databases(url: DatabaseUrl) -> bool:
    """Return True if the engine creates databases outside the repository, which must be discarded and cleaned up."""
    creates: bool = _package(url.engine).CREATES_DATABASES
    return creates


def _package(engine: str) -> Any:
    """Import the package of an engine when it is needed. The bot loads no other side of it than its own."""
    return importlib.import_module(f".{ENGINES[engine]}", __package__)
