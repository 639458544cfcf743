"""Events become snapshots that began after them, however many come at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.snapshots import Busy, Kind, SnapshotService, Ticket
from core.snapshots.repository.names import REASON_LENGTH, parse_name
from core.snapshots.worker.protocol import SnapshotJob
from tests.worlds.service_world import PLAYERS, ServiceWorld

pytestmark = pytest.mark.process

HOLD_THE_LOCK = """
import sys
import filelock
with filelock.FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


async def until_running(service: SnapshotService) -> None:
    """Wait until a snapshot for events has begun."""
    while not service._events.running:
        await asyncio.sleep(0.001)


async def test_one_event_becomes_one_snapshot_that_began_after_it(tmp_path: Path) -> None:
    """The ticket returns the snapshot, which is critical, names its event, is listed, and is reported to listeners."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        ticket = service.request(Kind.CRITICAL, "marketplace_buy_42")
        assert not ticket.done
        snapshot = await ticket.wait()
        assert (snapshot.kind, snapshot.reasons, snapshot.requests) == (Kind.CRITICAL, ("marketplace_buy_42",), 1)
        assert snapshot.began_at > ticket.request.at
        assert await service.list() == (snapshot,)
        assert world.heard.snapshots == [snapshot]
        assert world.heard.times_covered == 1
        assert world.heard.failures == []
        assert world.rows_in(snapshot) == world.rows()


class HeldAfterReading:
    """Holds a service's next snapshot up when its worker is done: the state is read, and nothing published."""

    def __init__(self, service: SnapshotService, monkeypatch: pytest.MonkeyPatch) -> None:
        self._work = service._context.work
        self._go_on = asyncio.Event()
        self.read = asyncio.Event()
        monkeypatch.setattr(service._context, "work", self._held)

    async def _held(self, kind: Callable[..., Any], *arguments: Any, **fields: Any) -> object:
        result: object = await self._work(kind, *arguments, **fields)
        if kind is SnapshotJob:
            self.read.set()
            await self._go_on.wait()
        return result

    def release(self) -> None:
        """Publish the snapshot that is held, and hold no other one."""
        self._go_on.set()


async def test_a_burst_of_a_thousand_requests_takes_two_snapshots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes while one is taken shares the next; all requests are counted, each different reason is listed."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        held = HeldAfterReading(service, monkeypatch)
        tickets = [service.request(Kind.CRITICAL, f"buy_{number}") for number in range(500)]
        await held.read.wait()
        world.add_users(501)
        tickets += [service.request(Kind.CRITICAL, f"buy_{number}") for number in range(500, 1000)]
        held.release()
        await service.settled()
        covering = [await ticket.wait() for ticket in tickets]
        later, earlier = await service.list()
        assert {snapshot.id for snapshot in covering[:500]} == {earlier.id}
        assert {snapshot.id for snapshot in covering[500:]} == {later.id}
        assert all(snapshot.began_at > ticket.request.at for ticket, snapshot in zip(tickets, covering, strict=True))
        assert (earlier.requests, later.requests) == (500, 500)
        assert [*earlier.reasons, *later.reasons] == [f"buy_{number}" for number in range(1000)]
        assert (earlier.rows["users"], later.rows["users"]) == (PLAYERS, PLAYERS + 1)


async def test_a_thousand_requests_in_a_second_share_snapshots_and_miss_no_commit(tmp_path: Path) -> None:
    """Snapshots begin a spacing apart, and what a game committed before its event is in the snapshot that covers it.

    That snapshot need not have begun after the event: where nothing was committed since, the one before has it all.
    """
    world = ServiceWorld(tmp_path)
    tickets: list[tuple[Ticket, int]] = []
    players = PLAYERS
    began = time.monotonic()
    async with world.opened(schedule={"critical_spacing": 1.0}) as service:
        for number in range(1000):
            if number % 50 == 0:
                players += 1
                await asyncio.to_thread(world.add_users, 1000 + number)
            tickets.append((service.request(Kind.CRITICAL, f"pack_{number % 7}"), players))
            await asyncio.sleep(0.001 if number % 2 else 0)
        await service.settled()
        seconds = time.monotonic() - began
        taken = await service.list()
        assert len(taken) <= 2 + seconds
        for ticket, players_then in tickets:
            assert (await ticket.wait()).rows["users"] >= players_then
        assert sum(snapshot.requests for snapshot in taken) == 1000
        assert {reason for snapshot in taken for reason in snapshot.reasons} == {f"pack_{n}" for n in range(7)}


async def test_an_event_during_a_snapshot_is_covered_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot that is already being read may not have what was just committed: the event does not share it."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        held = HeldAfterReading(service, monkeypatch)
        first = service.request(Kind.CRITICAL, "first")
        await held.read.wait()
        world.add_users(501)
        second = service.request(Kind.CRITICAL, "second")
        assert (await service.status()).pending == 2
        held.release()
        covering = await second.wait()
        assert (await first.wait()).rows["users"] == PLAYERS
        assert (await first.wait()).sequence < covering.sequence
        assert covering.rows["users"] == PLAYERS + 1
        assert covering.began_at > second.request.at
        assert (await service.status()).pending == 0


async def test_events_of_an_unchanged_database_are_recorded_with_the_snapshot_that_covers_them(tmp_path: Path) -> None:
    """Nothing is written; the reasons are added once each, the requests counted, and the catalog has both."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        made = (await service.create(Kind.PERIODIC)).snapshot
        files = world.files()
        for reason in ("seen", "seen", "heard"):
            covering = await service.request(Kind.CRITICAL, reason).wait()
            assert covering.id == made.id
        assert world.files() == files
        assert covering.reasons == ("periodic", "seen", "heard")
        assert covering.requests == 3
        assert world.heard.snapshots == [made]
        assert world.heard.times_covered == 4
    async with world.opened() as later:
        assert await later.list() == (covering,)


async def test_a_shared_snapshot_goes_where_its_most_demanding_event_is_kept(tmp_path: Path) -> None:
    """A critical event makes the snapshot of its group critical, whoever asked first."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        tickets = [service.request(kind, kind.value) for kind in (Kind.PERIODIC, Kind.MANUAL, Kind.CRITICAL)]
        covering = {(await ticket.wait()).id for ticket in tickets}
        (snapshot,) = await service.list()
        assert covering == {snapshot.id}
        assert snapshot.kind is Kind.CRITICAL
        assert snapshot.path.startswith("critical/")


async def test_whatever_players_write_into_a_reason_a_snapshot_comes_of_it(tmp_path: Path) -> None:
    """Its name stays in its folder, its text fits every file, and the catalog can be read again."""
    world = ServiceWorld(tmp_path)
    written = ["../../../etc/\ud800passwd", "a" * 100_000, "", "\0\n\x1b[31m", "الاسم 名前 🂡"]
    async with world.opened() as service:
        tickets = [service.request(Kind.CRITICAL, reason) for reason in written]
        snapshot = await tickets[0].wait()
        folder, _, name = snapshot.path.partition("/")
        assert folder == "critical"
        assert parse_name(name) is not None
        assert snapshot.reasons[0] == "../../../etc/?passwd"
        assert [len(reason) for reason in snapshot.reasons[1:3]] == [REASON_LENGTH, 0]
        assert snapshot.reasons[3:] == tuple(written[3:])
    async with world.opened() as later:
        assert await later.list() == (snapshot,)


async def test_an_event_waits_its_turn_while_another_process_has_the_repository(tmp_path: Path) -> None:
    """It is neither lost nor failed, however long the other one takes; a person's wish is Busy after the lock's
    time.
    """
    world = ServiceWorld(tmp_path)
    async with world.opened(repository={"lock_timeout": 0.05}) as service:
        lock = world.repository / ".work" / "lock"
        arguments = [sys.executable, "-c", HOLD_THE_LOCK, str(lock)]
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdin is not None
            assert await asyncio.to_thread(other.stdout.readline) == "held\n"
            ticket = service.request(Kind.CRITICAL, "patient")
            await until_running(service)
            with pytest.raises(Busy):
                await service.create()
            assert not ticket.done
            other.stdin.close()
        assert (await ticket.wait()).reasons == ("patient",)
        assert world.heard.failures == []


async def test_busy_names_the_operation_that_has_the_repository(tmp_path: Path) -> None:
    """The sentence says what is running, so that a person knows whether to wait."""
    world = ServiceWorld(tmp_path)
    other = world.service()
    async with world.opened(repository={"lock_timeout": 0.0}) as service, other._context.lock.held("restore", 1.0):
        with pytest.raises(Busy, match="restore is running") as caught:
            await service.create()
        assert caught.value.operation == "restore"
    await other.close()
