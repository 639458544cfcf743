"""What the tests of this folder share."""

from __future__ import annotations

import sys

import pytest

from core.snapshots.worker import client
from tests.worlds.forked_workers import ForkedWorkers


@pytest.fixture(autouse=True)
def _workers_are_forks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all workers be forks: what is killed here is the game, never a worker."""
    if sys.platform == "linux":
        workers: ForkedWorkers = request.getfixturevalue("_forked_workers")
        monkeypatch.setattr(client, "_start", workers.start)
