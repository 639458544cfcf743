"""The service killed at its file calls, in the bot and in its workers together: the next start finds all in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots import Form
from tests.faults import injector
from tests.faults.rot import Rot
from tests.faults.services import ServiceFaults
from tests.worlds.service_world import played_world

needs_injector = pytest.mark.skipif(injector.missing() is not None, reason=injector.missing() or "")


@needs_injector
@pytest.mark.process
@pytest.mark.kill
@pytest.mark.parametrize(
    ("operation", "parts"), [("full", (0.3, 0.6, 0.9)), ("incremental", (0.8,)), ("heal", (0.5, 0.7, 0.9))]
)
async def test_killed_in_the_middle_the_next_start_finds_all_in_order(
    tmp_path: Path, operation: str, parts: tuple[float, ...]
) -> None:
    """The old or the new database, every listed snapshot restores, the catalog is that of the files, nothing is left
    over. ``make campaign`` takes every operation and many more points.
    """
    faults = ServiceFaults(tmp_path, operation, "wal")
    calls = await faults.calls()
    for part in parts:
        problem = await faults.problem_after(round(part * calls), injector.KILL)
        assert problem is None, f"call {round(part * calls)} of {calls}: {problem}"


@pytest.mark.process
async def test_a_bit_that_flips_in_the_repository_is_found(tmp_path: Path) -> None:
    """By the catalog's checksum or by an archive's: nothing that is damaged is believed."""
    rot = Rot(await played_world(tmp_path, newer=Form.INCREMENTAL))
    problems = [problem for _ in range(400) if (problem := rot.problem()) is not None]
    assert problems == []
