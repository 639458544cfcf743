"""The rows in the preview of a restore: counted on both sides, or not claimed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.snapshots import Kind
from tests.worlds.service_world import ServiceWorld

pytestmark = pytest.mark.process


async def test_no_table_is_called_missing_because_nobody_counted_it(tmp_path: Path) -> None:
    """An event counts nothing where no table is critical, and what is critical may have changed since a snapshot."""
    world = ServiceWorld(tmp_path)
    every: dict[str, Any] = {"database": {"critical_tables": ()}}
    async with world.opened(**every) as service:
        full = (await service.create(Kind.MANUAL)).snapshot
        world.play()
        event = await service.request(Kind.CRITICAL, "marketplace_buy_42").wait()
        assert event.rows == {}
        assert (await service.restore_plan(event.id)).lost.rows == {}
    async with world.opened(database={"critical_tables": ("users",)}) as service:
        assert set(full.rows) > {"users"}
        rows = (await service.restore_plan(full.id)).lost.rows
        assert rows == {table: (count, count) for table, count in full.rows.items()}
