"""Several processes of a bot on one PostgreSQL database and one repository: one snapshot covers the events of all."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from core.snapshots import Kind, SnapshotService
from core.snapshots.engines import Position
from core.snapshots.operations.create import CreateRequest, _began_later, create_locked
from core.snapshots.operations.exclusive import exclusive
from tests.worlds.postgres_world import PostgresWorld
from tests.worlds.snapshots import make_snapshot
from tests.worlds.waiting import PATIENCE

pytestmark = pytest.mark.server


class Waiting:
    """Knows how many services have asked where the database's log is, before they wait for their turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *services: SnapshotService) -> None:
        self.positions: list[Position | None] = []
        self._asked = asyncio.Semaphore(0)
        for service in services:
            probe = service._context.probe
            monkeypatch.setattr(probe, "position", self._noting(probe.position))

    def _noting(self, position: Callable[[], Awaitable[Position | None]]) -> Callable[[], Awaitable[Position | None]]:
        async def asked() -> Position | None:
            found = await position()
            self.positions.append(found)
            self._asked.release()
            return found

        return asked

    async def for_one(self) -> None:
        """Wait until one more has asked."""
        await asyncio.wait_for(self._asked.acquire(), PATIENCE)


def noting(service: SnapshotService, dumps: list[SnapshotService]) -> Callable[..., Awaitable[object]]:
    """Return a function that runs a service's jobs and records the service."""
    work = service._context.work

    async def noted(*arguments: Any, **fields: Any) -> object:
        dumps.append(service)
        found: object = await work(*arguments, **fields)
        return found

    return noted


async def test_the_events_of_two_processes_share_a_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both wait for a third operation; the first to have its turn covers the other's event, too."""
    world = PostgresWorld(tmp_path)
    async with world.opened() as one, world.opened() as other:
        waiting = Waiting(monkeypatch, one, other)
        dumps: list[SnapshotService] = []
        for service in (one, other):
            monkeypatch.setattr(service._context, "work", noting(service, dumps))
        async with exclusive(one._context, "something long"):
            tickets = []
            for service, reason in ((one, "pack_1"), (other, "listing_2")):
                world.game.play()
                tickets.append(service.request(Kind.CRITICAL, reason))
                await waiting.for_one()
            world.game.play()
        first, second = [await asyncio.wait_for(ticket.wait(), 2 * PATIENCE) for ticket in tickets]
        assert first.id == second.id
        assert len(dumps) == 1
        (listed,) = await one.list()
        assert (set(listed.reasons), listed.requests) == ({"pack_1", "listing_2"}, 2)
        for position in waiting.positions:
            assert position is not None
            assert listed.details["log"] == position.log
            assert listed.details["position"] > position.offset


async def test_an_event_after_the_beginning_of_anothers_snapshot_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another process dumps already cannot hold it."""
    world = PostgresWorld(tmp_path)
    async with world.opened() as one, world.opened() as other:
        world.game.play()
        earlier = (await one.create()).snapshot
        waiting = Waiting(monkeypatch, other)
        world.game.play()
        ticket = other.request(Kind.CRITICAL, "pack_1")
        await waiting.for_one()
        covering = await asyncio.wait_for(ticket.wait(), 2 * PATIENCE)
        assert covering.id != earlier.id
        (position,) = waiting.positions
        assert position is not None
        assert earlier.details["position"] < position.offset


async def test_a_snapshot_whose_file_is_gone_covers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It began late enough, and somebody removed it before the other process had its turn: that one takes its own."""
    world = PostgresWorld(tmp_path)
    async with world.opened() as one, world.opened() as other:
        waiting = Waiting(monkeypatch, other)
        async with exclusive(one._context, "a snapshot"):
            contents = one._context.repository.catalog.contents
            ticket = other.request(Kind.CRITICAL, "pack_1")
            await waiting.for_one()
            world.game.play()
            wanted = CreateRequest(kind=Kind.MANUAL, reasons=(), deadline=60.0)
            taken = (await create_locked(one._context, contents, wanted)).snapshot
            (position,) = waiting.positions
            assert position is not None
            assert taken.details["position"] > position.offset
            one._context.repository.store.fetch(taken.path).unlink()
        covering = await asyncio.wait_for(ticket.wait(), 2 * PATIENCE)
        assert covering.id != taken.id


@pytest.mark.parametrize(
    ("details", "seconds", "covers"),
    [
        ({"log": "a", "position": 11}, 1, True),
        ({"log": "a", "position": 10}, 1, False),
        ({"log": "a", "position": 11}, 0, False),
        ({"log": "b", "position": 11}, 1, False),
        ({"log": "a", "position": "11"}, 1, False),
        ({}, 1, False),
    ],
)
def test_a_snapshot_covers_an_event_only_where_log_and_clock_say_it(
    details: dict[str, Any], seconds: int, covers: bool
) -> None:
    """Beyond the event's position, in a log of the same run of the same server, and later by the clock, too."""
    at = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
    began = at + dt.timedelta(seconds=seconds)
    snapshot = make_snapshot(began_at=began, details=details)
    wanted = CreateRequest(kind=Kind.CRITICAL, reasons=("x",), position=Position("a", 10), at=at, deadline=1.0)
    assert _began_later(snapshot, wanted) is covers
    assert not _began_later(snapshot, CreateRequest(kind=Kind.CRITICAL, reasons=("x",), deadline=1.0))
