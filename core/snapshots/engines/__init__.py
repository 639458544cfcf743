"""The kinds of database. To add one: a module with an ``Engine`` and a ``Probe``, and one line in ``ENGINES``."""

from __future__ import annotations

import importlib
from typing import Any

from ..settings.database_url import ENGINES, DatabaseUrl
from .base import ChainFile, Checks, Engine, ParentSnapshot, Position, Probe, ReplaceResult, SnapshotResult

__all__ = [
    "ENGINES",
    "ChainFile",
    "Checks",
    "Engine",
    "ParentSnapshot",
    "Position",
    "Probe",
    "ReplaceResult",
    "SnapshotResult",
    "creates_databases",
    "engine_for",
    "probe_for",
    "suffix_for",
]


def engine_for(url: DatabaseUrl, busy_timeout: float) -> Engine:
    """Give the working side for a database; ``busy_timeout`` is how long to wait for other people's locks, seconds."""
    engine: Engine = _package(url.engine).make_engine(url, busy_timeout)
    return engine


def probe_for(url: DatabaseUrl) -> Probe:
    """Give the watching side for a database."""
    probe: Probe = _package(url.engine).make_probe(url)
    return probe


def suffix_for(engine: str) -> str:
    """Give what names of full snapshots of this kind of database end with, such as ``.db.gz``."""
    suffix: str = _package(engine).SUFFIX
    return suffix


def _package(engine: str) -> Any:
    """Return an engine's package, which has ``make_engine``, ``make_probe``, ``SUFFIX`` and ``CREATES_DATABASES``.

    It is imported when it is needed: the worker has no use for aiosqlite, nor the bot for the readers.
    """
    return importlib.import_module(f".{ENGINES[engine]}", __package__)


def creates_databases(url: DatabaseUrl) -> bool:
    """Whether this kind of engine makes things elsewhere than in the repository, which must be let go of and tidied."""
    elsewhere: bool = _package(url.engine).CREATES_DATABASES
    return elsewhere
