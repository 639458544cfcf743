"""The service disturbed at its file calls, in the bot and in its workers: the next start finds all in order."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from core.snapshots import Form
from tests.faults import disks, injector
from tests.faults.orphans import OrphanFaults
from tests.faults.rot import Rot
from tests.faults.services import ServiceFaults
from tests.worlds.service_world import played_world

needs_injector = pytest.mark.skipif(injector.missing() is not None, reason=injector.missing() or "")
needs_library = pytest.mark.skipif(not injector.has_library(), reason="stopping a worker needs a C compiler and Linux")
needs_disks = pytest.mark.skipif(disks.missing() is not None, reason=disks.missing() or "")


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


@needs_injector
@pytest.mark.process
@pytest.mark.kill
@pytest.mark.parametrize(
    ("operation", "error", "part"),
    [("open", "EIO", 0.6), ("full", "ENOSPC", 0.8), ("restore", "EMFILE", 0.4), ("prune", "EACCES", 0.7)],
)
async def test_a_call_that_fails_is_an_error_of_ours_and_leaves_all_in_order(
    tmp_path: Path, operation: str, error: str, part: float
) -> None:
    """Once, or from then on: the bot goes on living, and the next start finds what it finds after a crash."""
    faults = ServiceFaults(tmp_path, operation, "wal")
    at = round(part * await faults.calls())
    problem = await faults.problem_after(at, getattr(errno, error), from_then_on=operation == "restore")
    assert problem is None, f"call {at}: {problem}"


@needs_library
@pytest.mark.process
@pytest.mark.kill
async def test_a_frozen_worker_whose_bot_was_killed_touches_nothing_after_the_next_start(tmp_path: Path) -> None:
    """It holds the lock and is about to exchange the files: it is ended first, and what the game commits then stays."""
    faults = OrphanFaults(tmp_path, "heal", "wal")
    problem = await faults.problem_beside(round(0.75 * await faults.calls()))
    assert problem is None, problem


@needs_disks
@pytest.mark.process
@pytest.mark.kill
@pytest.mark.parametrize(
    ("operation", "journal_mode", "room"),
    [("full", "wal", 0), ("heal", "delete", 96 << 10), ("restore", "wal", 192 << 10)],
)
async def test_a_full_disk_loses_nothing(tmp_path: Path, operation: str, journal_mode: str, room: int) -> None:
    """A real one: the operation and a start meet it, and with room again the next start finds all in order."""
    problem = await disks.problem_with_room(tmp_path, operation, journal_mode, room)
    assert problem is None, problem


@pytest.mark.process
async def test_a_bit_that_flips_in_the_repository_is_found(tmp_path: Path) -> None:
    """By the catalog's checksum or by an archive's: nothing that is damaged is believed."""
    rot = Rot(await played_world(tmp_path, newer=Form.INCREMENTAL))
    problems = [problem for _ in range(400) if (problem := rot.problem()) is not None]
    assert problems == []
