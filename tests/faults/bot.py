"""A bot's process that does one operation of the service, while the injector disturbs it and its workers.

Run as ``python -m tests.faults.bot OPERATION FOLDER [--min-free=BYTES]``.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from core.snapshots import Kind, SnapshotError, SnapshotService
from tests.worlds.service_world import ServiceWorld

__all__ = ["OPERATIONS"]

OPERATIONS = ("open", "full", "incremental", "restore", "heal", "verify", "pin", "prune", "rebuild", "export")


async def _do(service: SnapshotService, operation: str, folder: Path) -> None:
    if operation == "full":
        await service.create(note="under faults")
    elif operation == "incremental":
        await service.create(Kind.CRITICAL, reason="under_faults")
    elif operation == "restore":
        await service.restore(service.known[-1].id)
    elif operation == "heal":
        await service.start_up()
    elif operation == "verify":
        await service.verify("latest")
    elif operation == "pin":
        await service.pin("latest")
    elif operation == "prune":
        await service.prune()
    elif operation == "rebuild":
        await service.rebuild_catalog()
    elif operation == "export":
        await service.export("latest", folder / "exported.db.gz")


async def main(operation: str, folder: Path, *more: str) -> int:
    """Do the operation; return 0 if it was done, 3 if it failed with an error of ours."""
    room = {"min_free": int(more[0].partition("=")[2])} if more else {}
    service = ServiceWorld(folder, game=False).service(database={"busy_timeout": 5.0}, repository=room)
    try:
        await service.open()
        await _do(service, operation, folder)
    except SnapshotError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 3
    finally:
        await service.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])))
