"""A bot's process that does nothing but play and take snapshots, or restore, until somebody kills it.

Run as ``python killed_bot.py snapshots|restores FOLDER``. It says "began" when it is in the middle of it, and "done"
after each snapshot or restore.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
import threading
import time
from pathlib import Path

from core.snapshots import Kind, SnapshotService
from tests.worlds.game_database import connected, play
from tests.worlds.service_world import PLAYERS, ServiceWorld


def play_on(database: Path) -> None:
    """Play one transaction after another, as the game's own code beside the snapshots does."""
    dice = random.Random(3)
    with connected(database, timeout=30.0) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        while True:
            play(connection, dice, PLAYERS)
            time.sleep(0.002)


async def take_snapshots(service: SnapshotService) -> None:
    """Take snapshots of every kind, and cover events, without a pause."""
    kinds = itertools.cycle([Kind.CRITICAL, Kind.PERIODIC, Kind.MANUAL])
    print("began", flush=True)
    for number, kind in enumerate(kinds):
        service.request(Kind.CRITICAL, f"event_{number}")
        await service.create(kind)
        print("done", flush=True)


async def restore_again_and_again(service: SnapshotService) -> None:
    """Restore the oldest and the newest snapshot in turn."""
    known = service.known
    print("began", flush=True)
    for snapshot in itertools.cycle([known[-1], known[0]]):
        await service.restore(snapshot.id)
        print("done", flush=True)


async def main(what: str, folder: Path) -> None:
    """Run the bot."""
    world = ServiceWorld(folder, game=False)
    service = SnapshotService(
        world.settings(retention={"critical": 3, "keep_all": 0.0, "daily": 1}, database={"busy_timeout": 10.0})
    )
    await service.open()
    if what == "snapshots":
        threading.Thread(target=play_on, args=(world.database,), daemon=True).start()
        await take_snapshots(service)
    else:
        await restore_again_and_again(service)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
