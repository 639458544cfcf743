"""A bot on PostgreSQL as it starts: what is healed, what is left to a person, and what is waited for."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from core.snapshots import (
    StartupOutcome,
)
from tests.worlds.postgres_world import PostgresWorld, databases_of, run_sql

pytestmark = pytest.mark.server


async def test_a_missing_table_is_healed_at_the_start_where_the_settings_say_so(tmp_path: Path) -> None:
    """A critical table that is gone comes back from the newest snapshot only with ``startup.restore = "errors"``."""
    world = PostgresWorld(tmp_path)
    before = world.game.contents()
    async with world.opened() as service:
        await service.create()
        world.game.execute("DROP TABLE user_cards")
        assert (await service.start_up()).outcome is StartupOutcome.SUSPICIOUS
    async with world.opened(startup={"restore": "errors"}) as service:
        report = await service.start_up()
    assert report.outcome is StartupOutcome.RESTORED
    assert "is kept as" in report.message
    assert world.game.contents() == before


async def test_a_database_that_is_gone_is_made_again_at_the_start(tmp_path: Path) -> None:
    """Without the database there is an empty server: the newest snapshot becomes the database."""
    world = PostgresWorld(tmp_path)
    before = world.game.contents()
    async with world.opened() as service:
        await service.create()
        world.game.remove()
        report = await service.start_up()
    assert report.outcome is StartupOutcome.RESTORED, report.message
    assert world.game.contents() == before


async def test_what_the_server_calls_damage_is_never_restored_by_itself(tmp_path: Path) -> None:
    """Corruption belongs to a person: nothing is touched, and the message says what to do."""
    world = PostgresWorld(tmp_path)
    async with world.opened() as service:
        await service.create()
        world.game.destroy()
        present = databases_of(world.game.server)
        report = await service.start_up()
        assert report.outcome is StartupOutcome.DAMAGED
        assert "copy the server's data directory" in report.message
        assert databases_of(world.game.server) == present
        assert len(await service.list()) == 1


async def test_a_server_that_is_away_is_no_damage(tmp_path: Path) -> None:
    """It is waited for until the deadline of the start, and then the report says so; nothing is restored."""
    world = PostgresWorld(tmp_path, url="postgresql://nobody@127.0.0.1:9/game")
    async with world.opened(startup={"deadline": 1.5}) as service:
        began = time.monotonic()
        report = await service.start_up()
        assert report.outcome is StartupOutcome.UNCHECKED
        assert time.monotonic() - began >= 1.0
        assert "cannot be reached" in report.message or "did not end within" in report.message


async def test_a_server_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    """A bot that starts with its server beside it: the check waits until connections are taken."""
    world = PostgresWorld(tmp_path)
    run_sql(world.game.server, f"ALTER ROLE {world.game.role} CONNECTION LIMIT 0")  # 53300, as a full server

    async def later() -> None:
        await asyncio.sleep(1.2)
        await asyncio.to_thread(run_sql, world.game.server, f"ALTER ROLE {world.game.role} CONNECTION LIMIT -1")

    async with world.opened(startup={"deadline": 30.0}) as service:
        waiting = asyncio.create_task(later())
        report = await service.start_up()
        await waiting
    assert report.outcome is StartupOutcome.CLEAN, report.message
