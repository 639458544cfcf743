"""What the tests of this folder share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from core.snapshots.worker import client
from tests.worlds.quick_worker import QuickWorker


@pytest.fixture(scope="session")
def _quick_worker() -> Iterator[QuickWorker | None]:
    worker = QuickWorker() if hasattr(os, "fork") else None
    yield worker
    if worker is not None:
        worker.close()


@pytest.fixture(autouse=True)
def _jobs_in_forks(_quick_worker: QuickWorker | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do jobs in forks of one process where that is possible: Python need not start for each of hundreds."""
    if _quick_worker is not None:
        monkeypatch.setattr(client, "run", _quick_worker.run)
