"""What the tests of the contract share: one engine after the other, on a database of its kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.engines import Engine, engine_for
from core.snapshots.settings.database_url import ENGINES
from tests.worlds.engine_cases import CASES, EngineCase

_BUSY_TIMEOUT = 0.5


@pytest.fixture(
    params=[pytest.param(name, marks=[] if name == "sqlite" else pytest.mark.server) for name in sorted(ENGINES)]
)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> EngineCase:
    """Return a new database of the kind."""
    made = CASES[request.param](tmp_path)
    made.create()
    return made


@pytest.fixture
def engine(case: EngineCase) -> Engine:
    """Return the engine of the database."""
    return engine_for(case.url, _BUSY_TIMEOUT)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Return the folder of the repository's temporary files."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder
