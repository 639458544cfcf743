"""A small game on the test process's server, with its engine and its chain of snapshots."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.engines import Engine, engine_for
from core.snapshots.settings.database_url import parse
from tests.worlds.chain_world import Chain
from tests.worlds.postgres_world import PostgresGame


@pytest.fixture
def game() -> PostgresGame:
    """Return a new game."""
    made = PostgresGame()
    made.create()
    return made


@pytest.fixture
def engine(game: PostgresGame) -> Engine:
    """Return the engine of the game's database, which waits a second for locks."""
    return engine_for(parse(game.url), 1.0)


@pytest.fixture
def chain(engine: Engine, tmp_path: Path) -> Chain:
    """Return an empty chain of snapshots."""
    return Chain(tmp_path / "taken", engine)
