"""Operations on a real small file system that is full, or nearly: nothing is lost, and room is all that is missing."""

from __future__ import annotations

import os
from pathlib import Path

from tests.faults.services import ServiceFaults, allowed_in, problem_at_the_next_start, rows_of
from tests.worlds import volumes

__all__ = ["LEVELS", "OPERATIONS", "missing", "problem_with_room"]

LEVELS = (0, 4 << 10, 16 << 10, 48 << 10, 96 << 10, 192 << 10, 384 << 10, 1 << 20)
"""Bytes that are free when the operation begins."""
OPERATIONS = ("full", "incremental", "restore", "heal", "verify", "prune", "rebuild")
_SIZE = "24m"
missing = volumes.missing


async def problem_with_room(folder: Path, operation: str, journal_mode: str, room: int) -> str | None:
    """Let an operation, and a start after it, meet a disk with so much room; return what is wrong then or after it
    has room again, None if nothing is.
    """
    faults = ServiceFaults(folder, operation, journal_mode)
    point = faults.place()
    with volumes.mounted(point, "-t", "tmpfs", "-o", f"size={_SIZE}", "none"):
        world = await faults.world(point)
        allowed = allowed_in(world)
        filler = point / "filler"
        _fill(filler, room)
        for each in (operation, "heal"):
            faults.operation = each
            problem = faults.start(point, None, "--min-free=0")
            if problem is not None:
                return f"{each}: {problem}"
            if rows_of(world.database) not in allowed:
                return f"{each}: neither the old nor the new database on the full disk"
        filler.unlink()
        return await problem_at_the_next_start(world, allowed)


def _fill(filler: Path, room: int) -> None:
    """Fill a disk with one file, but for so many bytes."""
    disk = os.statvfs(filler.parent)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, disk.f_bavail * disk.f_frsize - room))
