"""The kinds of database. To add one: a module with an ``Engine`` and a ``Probe``, and one line in ``ENGINES``."""

from __future__ import annotations

import importlib

from ..settings.database_url import DatabaseUrl
from .base import Base, Checks, Engine, Part, Position, Probe, Replaced, Taken

__all__ = [
    "ENGINES",
    "Base",
    "Checks",
    "Engine",
    "Part",
    "Position",
    "Probe",
    "Replaced",
    "Taken",
    "engine_for",
    "probe_for",
    "suffix_for",
    "works_elsewhere",
]

ENGINES: dict[str, str] = {"sqlite": ".sqlite", "postgresql": ".postgres"}
"""Every engine by the name its URL scheme has, as the module that gives ``make_engine``, ``make_probe``, ``SUFFIX``
and ``ELSEWHERE``.

Modules are imported when they are needed: the worker has no use for aiosqlite, nor the bot for the readers.
"""


def engine_for(url: DatabaseUrl, busy_timeout: float) -> Engine:
    """Give the working side for a database; ``busy_timeout`` is how long to wait for other people's locks, seconds."""
    engine: Engine = importlib.import_module(ENGINES[url.engine], __package__).make_engine(url, busy_timeout)
    return engine


def probe_for(url: DatabaseUrl) -> Probe:
    """Give the watching side for a database."""
    probe: Probe = importlib.import_module(ENGINES[url.engine], __package__).make_probe(url)
    return probe


def suffix_for(url: DatabaseUrl) -> str:
    """Give what names of full snapshots of this kind of database end with, such as ``.db.gz``."""
    suffix: str = importlib.import_module(ENGINES[url.engine], __package__).SUFFIX
    return suffix


def works_elsewhere(url: DatabaseUrl) -> bool:
    """Whether this kind of engine makes things elsewhere than in the repository, which must be let go of and tidied."""
    elsewhere: bool = importlib.import_module(ENGINES[url.engine], __package__).ELSEWHERE
    return elsewhere
