"""An owner who is told, and a disk that outlasts a process."""

from __future__ import annotations

import pytest

from tests.backup_cog.notices.owners import Disk, Owner
from tests.backup_cog.world import Clock


@pytest.fixture
def owner(clock: Clock) -> Owner:
    """An owner who knows nothing yet."""
    return Owner(clock)


@pytest.fixture
def disk() -> Disk:
    """An empty one."""
    return Disk()
