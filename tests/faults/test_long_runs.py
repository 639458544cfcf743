"""What takes long, for a short while: rot of the live database, bots that are killed and frozen, a simulated hour."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.day import Days
from tests.faults.live_rot import LiveRot
from tests.faults.soak import soak


@pytest.mark.slow
@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
def test_a_bit_that_flips_in_the_live_database_is_found_where_it_can_be(tmp_path: Path, journal_mode: str) -> None:
    """What cannot be read by a start, a check or a snapshot; in rollback mode also what reads and was never written."""
    rot = LiveRot(tmp_path, journal_mode)
    problems = [problem for _ in range(60) if (problem := rot.problem()) is not None]
    assert problems == []
    assert {"start-up", "integrity", "capture"} <= set(rot.found_by)


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.kill
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the workers of killed bots in Linux's /proc")
def test_bots_that_are_killed_and_frozen_lose_nothing_while_a_game_plays(tmp_path: Path) -> None:
    """Every listed snapshot is one committed state, the database too, and the next start finds nothing to mend."""
    disturbed, problems = soak(tmp_path, 8.0)
    assert problems == []
    assert disturbed > 0


@pytest.mark.slow
@pytest.mark.process
async def test_an_hour_of_a_busy_bot_gives_back_every_state(tmp_path: Path) -> None:
    """Events, periodic snapshots, drills, a restart: each snapshot has the rows of the moment it was asked for."""
    days = Days(tmp_path)
    assert await days.live(1) == 1
    assert days.problems == []
    assert days.snapshots > 3
