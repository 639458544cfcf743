"""Processes that share a database and a repository: one keeps the schedule, and one is the last to go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from core.snapshots.engines.postgres.connection import Address
from core.snapshots.engines.postgres.probe import PostgresProbe
from core.snapshots.settings.conninfo import parse_conninfo
from tests.worlds.postgres_world import ask, server
from tests.worlds.waiting import PATIENCE

pytestmark = pytest.mark.server

OURS = "/srv/backups"


def new_probe(url: str) -> PostgresProbe:
    """Return what another process has: a probe with connections of its own."""
    return PostgresProbe(Address(parse_conninfo(url)))


@pytest.fixture
async def three() -> AsyncIterator[list[PostgresProbe]]:
    """Three processes of a bot that have all begun."""
    probes = [new_probe(server()) for _ in range(3)]
    for probe in probes:
        await probe.join(OURS, eligible=False)
    yield probes
    for probe in probes:
        await probe.close()


async def leaders(probes: list[PostgresProbe]) -> list[bool]:
    """Return which of the processes lead."""
    return [await probe.join(OURS, eligible=True) for probe in probes]


def end_sessions() -> None:
    """End every connection of Savepoint's, without letting this process's loop see it at once."""
    ask(server(), "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'savepoint'")
    time.sleep(0.05)


async def test_one_of_three_keeps_the_schedule_until_it_goes(three: list[PostgresProbe]) -> None:
    """Whoever asks first has it and keeps it; when it goes, the next one that asks has it."""
    assert await leaders(three) == [True, False, False]
    assert await leaders(three[::-1]) == [False, False, True]
    await three[0].close()
    assert await leaders(three[1:]) == [True, False]


async def test_who_has_nothing_to_take_leaves_the_schedule_to_others(three: list[PostgresProbe]) -> None:
    """A shard that is in no guild takes no periodic snapshots, so another one must be able to."""
    assert await leaders(three[:1]) == [True]
    assert not await three[0].join(OURS, eligible=False)
    assert await leaders(three) == [True, False, False]
    await three[0].join(OURS, eligible=False)
    assert await leaders(three[1:]) == [True, False]


async def test_the_last_of_three_to_leave_is_told_so(three: list[PostgresProbe]) -> None:
    """However they are connected, only the last one takes the last snapshot."""
    assert [await probe.leave(OURS) for probe in three] == [False, False, True]


async def test_of_three_that_leave_at_once_exactly_one_is_the_last(three: list[PostgresProbe]) -> None:
    """The processes of a bot are mostly stopped together."""
    for _ in range(10):
        assert sorted(await asyncio.gather(*[probe.leave(OURS) for probe in three])) == [False, False, True]
        for probe in three:
            await probe.close()
        for probe in three:
            await probe.join(OURS, eligible=False)


async def test_a_process_that_dies_is_not_waited_for(three: list[PostgresProbe]) -> None:
    """The server lets go of what a lost connection held."""
    await leaders(three)
    for probe in three[:2]:
        session = probe._membership._session
        assert session is not None
        session.connection.terminate()
    async with asyncio.timeout(PATIENCE):
        while not await three[2].join(OURS, eligible=True):
            await asyncio.sleep(0.02)
        while not await three[2].leave(OURS):
            await asyncio.sleep(0.02)


async def test_after_the_connections_were_ended_all_count_again(three: list[PostgresProbe]) -> None:
    """As when one of them restored: at the next question each is there again, and one keeps the schedule."""
    await leaders(three)
    end_sessions()
    assert sum(await leaders(three)) == 1
    assert [await probe.leave(OURS) for probe in three] == [False, False, True]


@pytest.mark.parametrize("turns", range(5))
async def test_a_token_is_given_though_the_idle_connection_was_ended(three: list[PostgresProbe], turns: int) -> None:
    """Whatever the loop has read by then of what the server says before it hangs up."""
    before = await three[0].token()
    end_sessions()
    for _ in range(turns):
        await asyncio.sleep(0)
    after = await three[0].token()
    assert before is not None
    assert after is not None
    assert after != before


async def test_another_repository_on_the_same_database_has_a_schedule_of_its_own(three: list[PostgresProbe]) -> None:
    """Two bots, or a bot and its trial copy, do not keep each other from taking snapshots."""
    assert await leaders(three) == [True, False, False]
    stranger = new_probe(server())
    assert await stranger.join("/srv/other", eligible=True)
    assert await stranger.leave("/srv/other")
    await stranger.close()


async def test_without_a_server_whoever_kept_the_schedule_goes_on() -> None:
    """A snapshot that cannot be taken is tried and reported, by one process and not by each."""
    alone = new_probe("postgresql://nobody@127.0.0.1:1/nowhere")
    assert await alone.join(OURS, eligible=True)
    assert not await alone.join(OURS, eligible=False)
    assert await alone.leave(OURS)
    first, second = new_probe(server()), new_probe(server())
    assert await leaders([first, second]) == [True, False]
    for probe in (first, second):
        await probe.close()
        probe._membership._address = Address(parse_conninfo("postgresql://nobody@127.0.0.1:1/nowhere"))
    assert await leaders([first, second]) == [True, False]
