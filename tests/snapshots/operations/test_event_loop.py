"""The event loop never waits for the disk: what operations ask of it, they ask in a thread or in the worker."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from core.snapshots import Form, Kind, Level, Rescue, RescueScope
from tests.worlds.service_world import CATALOG, played_world

pytestmark = pytest.mark.process

CALLS = ("access", "lstat", "mkdir", "open", "rename", "replace", "rmdir", "scandir", "stat", "statvfs", "unlink")
OURS = f"{os.sep}core{os.sep}snapshots{os.sep}"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Record the places in the core that ask the disk for something in the loop's thread."""
    found: set[str] = set()
    loop = threading.get_ident()
    for name in CALLS:
        monkeypatch.setattr(os, name, _watched(getattr(os, name), loop, found))
    return found


def _watched(call: Any, loop: int, found: set[str]) -> Any:
    def watched(*args: Any, **kwargs: Any) -> Any:
        place = _place_of_ours() if threading.get_ident() == loop else None
        if place is not None:
            found.add(place)
        return call(*args, **kwargs)

    return watched


def _place_of_ours() -> str | None:
    frame = sys._getframe(2)
    while frame is not None:
        if OURS in frame.f_code.co_filename:
            return f"{frame.f_code.co_filename.rpartition(OURS)[2]}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return None


async def test_no_operation_waits_for_the_disk_in_the_loop(tmp_path: Path, waits: set[str]) -> None:
    """A network disk that hangs must not freeze the game, whatever is under way."""
    world = await played_world(tmp_path, newer=Form.INCREMENTAL)
    service = world.service()
    waits.clear()
    await service.open()
    await service.start_up()
    await service.create(Kind.CRITICAL, reason="sold", pin=True)
    await service.verify(world.newer.id, Level.CHECKSUM)
    await service.export(world.newer.id, tmp_path / "out.db.gz")
    await service.import_file(tmp_path / "out.db.gz")
    await service.prune()
    world.play("DELETE FROM user_cards WHERE user_id = 7")
    rescued = await service.rescue(Rescue(scope=RescueScope(player="7"), when="latest"))
    await service.undo_rescue(rescued.id)
    plan = await service.restore_plan(world.older.id)
    await service.restore(world.older.id, agreed=plan.token)
    await service.status()
    await service.integrity(quick=True)
    await service.claim()
    (world.repository / CATALOG).write_text('{"format": 1, "snapshots": []}')
    await service.open()
    await service.rebuild_catalog()
    await service.close()
    assert waits == set()
