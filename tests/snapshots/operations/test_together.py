"""Several services on one repository, as a bot's processes have them: one periodic snapshot is enough for all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from core.snapshots import Busy, Kind, Snapshot, SnapshotService, StartupOutcome
from tests.worlds.service_world import Heard, ServiceWorld

pytestmark = pytest.mark.process


@pytest.fixture
def keeps_the_schedule(monkeypatch: pytest.MonkeyPatch) -> Callable[[SnapshotService, bool], None]:
    """Make the engine answer whether a process keeps the schedule."""

    def say(service: SnapshotService, answer: bool) -> None:
        async def join(_group: str, *, eligible: bool) -> bool:
            return eligible and answer

        monkeypatch.setattr(service._context.probe, "join", join)

    return say


async def begun(service: SnapshotService, world: ServiceWorld) -> Snapshot:
    """Take a periodic snapshot, after which the game is played."""
    taken = (await service.create(Kind.PERIODIC)).snapshot
    world.play()
    return taken


async def test_a_periodic_snapshot_of_another_process_does_as_well(tmp_path: Path) -> None:
    """Two find it due and wait for each other: the second one finds that it was taken, and writes none."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as one, world.opened() as other:
        await begun(one, world)
        await other.list()
        world.clock.advance(minutes=21)
        first = await begun(one, world)
        second = await other.create(Kind.PERIODIC)
        assert (second.snapshot.id, second.unchanged) == (first.id, True)
        world.clock.advance(minutes=21)
        third = await other.create(Kind.PERIODIC)
        assert not third.unchanged


async def test_the_very_first_periodic_snapshot_is_taken_once(tmp_path: Path) -> None:
    """Where none was there before, one of another process does as well, too."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as one, world.opened() as other:
        first = await begun(one, world)
        second = await other.create(Kind.PERIODIC)
        assert (second.snapshot.id, second.unchanged) == (first.id, True)


async def test_the_one_that_keeps_the_schedule_takes_it_when_it_is_due(
    tmp_path: Path, keeps_the_schedule: Callable[[SnapshotService, bool], None]
) -> None:
    """Not before, and not where another process has taken it, of which this one has not heard yet."""
    world = ServiceWorld(tmp_path)
    heard = Heard()
    async with world.opened() as one, world.opened() as other:
        other.listen(heard)
        for service in (one, other):
            keeps_the_schedule(service, True)
        await begun(one, world)
        await other.list()
        assert not await other.periodic_wanted()
        world.clock.advance(minutes=21)
        assert await other.periodic_wanted()
        assert not await other.periodic_wanted(eligible=False)
        await begun(one, world)
        before = heard.times_covered
        assert not await other.periodic_wanted()
        assert heard.times_covered == before + 1


async def test_another_one_takes_it_when_it_is_overdue_by_an_interval(
    tmp_path: Path, keeps_the_schedule: Callable[[SnapshotService, bool], None]
) -> None:
    """The process that keeps the schedule may hang, or have lost its disk."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        keeps_the_schedule(service, False)
        await begun(service, world)
        world.clock.advance(minutes=21)
        assert not await service.periodic_wanted()
        world.clock.advance(minutes=20)
        assert await service.periodic_wanted()


@pytest.mark.parametrize(("last", "kinds"), [(True, [Kind.CRITICAL, Kind.SHUTDOWN]), (False, [Kind.CRITICAL])])
async def test_only_the_last_process_takes_the_shutdown_snapshot(
    tmp_path: Path, last: bool, kinds: list[Kind], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever goes before it covers the events that wait, and no more."""
    world = ServiceWorld(tmp_path)
    async with world.opened(schedule={"critical_spacing": 60.0}) as service:

        async def leave(_group: str) -> bool:
            return last

        monkeypatch.setattr(service._context.probe, "leave", leave)
        await service.request(Kind.CRITICAL, "first").wait()
        world.play()
        ticket = service.request(Kind.CRITICAL, "second")
        snapshot = await service.create_last()
        assert (snapshot is not None) == last
        assert (await ticket.wait()).reasons
        taken = [each.kind for each in reversed(service.known)]
        assert taken[: len(kinds)] == kinds
        assert taken.count(Kind.SHUTDOWN) == last


@pytest.mark.parametrize("operation", ["a start-up check", "a restore"])
async def test_a_start_waits_for_the_healing_of_another_process(tmp_path: Path, operation: str) -> None:
    """The game must not open a database that is being put into its place; ``lock_timeout`` is for other waits."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as one, world.opened(repository={"lock_timeout": 0.01}) as other:
        async with one._context.lock.held(operation, 1.0):
            start = asyncio.create_task(other.start_up())
            done, _ = await asyncio.wait([start], timeout=0.3)
            assert not done
        report = await start
    assert report.outcome is StartupOutcome.CLEAN


async def test_a_start_waits_for_a_snapshot_of_another_process_as_usual(tmp_path: Path) -> None:
    """It says nothing about the database, and can take minutes."""
    world = ServiceWorld(tmp_path)
    async with (
        world.opened() as one,
        world.opened(repository={"lock_timeout": 0.01}) as other,
        one._context.lock.held("a snapshot", 1.0),
    ):
        with pytest.raises(Busy):
            await other.start_up()


async def test_a_start_gives_up_at_its_deadline(tmp_path: Path) -> None:
    """The bot must start some time, and says that its database was not checked."""
    world = ServiceWorld(tmp_path)
    settings = {"repository": {"lock_timeout": 0.01}, "startup": {"deadline": 0.01}}
    async with world.opened() as one, world.opened(**settings) as other, one._context.lock.held("a restore", 1.0):
        with pytest.raises(Busy):
            await other.start_up()


async def test_a_clock_that_is_set_back_puts_no_periodic_snapshot_off(tmp_path: Path) -> None:
    """The start lies in the future then, so one is due at once: by the moment of the question, not a later one."""
    world = ServiceWorld(tmp_path, game=False)
    async with world.opened() as service:
        assert not await service.periodic_wanted()
        world.clock.advance(hours=-2)
        assert await service.periodic_wanted()
