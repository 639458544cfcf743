"""What the tests of the repository share: an empty one."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots.repository.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Return an empty repository."""
    made = Repository(tmp_path / "backups", ".db.gz")
    made.prepare()
    return made
