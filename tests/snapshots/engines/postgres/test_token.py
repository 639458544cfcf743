"""What the probe says about a PostgreSQL database never hides a commit."""

from __future__ import annotations

import asyncio
import contextlib

import asyncpg
import pytest

from core.snapshots.engines.postgres.connection import Address
from core.snapshots.engines.postgres.probe import PostgresProbe
from core.snapshots.settings.conninfo import parse_conninfo
from demonstration import local_postgres
from tests.worlds.waiting import PATIENCE

pytestmark = pytest.mark.server


async def test_a_commit_that_waits_for_its_disk_or_standby_is_a_change_when_it_shows() -> None:
    """It is in the log before anybody sees it: a snapshot of that moment lacks it, and must not cover it."""
    with local_postgres.running(autovacuum="off", synchronous_standby_names="nobody") as url:
        probe = PostgresProbe(Address(parse_conninfo(url)))
        observer, writer = await asyncpg.connect(url), await asyncpg.connect(url)
        await writer.execute("SET synchronous_commit = on")
        await observer.execute("CREATE TABLE cards (id INT)")
        committing = asyncio.create_task(writer.execute("INSERT INTO cards VALUES (1)"))
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        async with asyncio.timeout(PATIENCE):
            while not await observer.fetchval(waiting):
                await asyncio.sleep(0.01)
        before = await probe.token()
        assert await observer.fetchval("SELECT count(*) FROM cards") == 0
        assert await probe.token() == before
        await observer.execute("SELECT pg_cancel_backend($1)", writer.get_server_pid())
        with contextlib.suppress(asyncpg.QueryCanceledError):
            await committing
        assert await observer.fetchval("SELECT count(*) FROM cards") == 1
        assert await probe.token() != before
        for each in (probe, observer, writer):
            await each.close()


async def test_the_position_grows_with_every_commit_of_any_process() -> None:
    """Whoever committed before they asked is before whoever asks later and gets more."""
    with local_postgres.running(autovacuum="off") as url:
        probes = [PostgresProbe(Address(parse_conninfo(url))) for _ in range(2)]
        writer = await asyncpg.connect(url)
        await writer.execute("CREATE TABLE cards (id INT)")
        positions: list[int] = []
        logs: set[str] = set()
        for number in range(4):
            await writer.execute("INSERT INTO cards VALUES ($1)", number)
            position = await probes[number % 2].position()
            assert position is not None
            positions.append(position.offset)
            logs.add(position.log)
        assert positions == sorted(set(positions))
        assert len(logs) == 1
        for each in (*probes, writer):
            await each.close()
