"""A snapshot for events that fails: everyone is notified, it is tried again, and nobody waits in vain."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path

import pytest

from core.snapshots import (
    DatabaseMissing,
    DeadlineExceeded,
    Kind,
    NotEnoughSpace,
    OperationCancelled,
    RepositoryError,
    SnapshotError,
    Ticket,
)
from tests.worlds.service_world import PLAYERS, ServiceWorld
from tests.worlds.waiting import PATIENCE
from tests.worlds.workers import HeldWorkers

pytestmark = pytest.mark.process


def no_space(world: ServiceWorld, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Make the disk look full; return a function that frees it."""
    monkeypatch.setattr("core.snapshots.files.free_space", lambda path: 4096)
    return monkeypatch.undo


def no_database(world: ServiceWorld, monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    """Move the database away; return a function that moves it back."""
    world.database.rename(world.folder / "away.db")
    return lambda: (world.folder / "away.db").rename(world.database)


def no_repository(world: ServiceWorld, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Put a file where the folder of critical snapshots is; give what takes it away."""
    folder = world.repository / "critical"
    folder.rmdir()
    folder.write_text("in the way")
    return folder.unlink


@pytest.mark.parametrize(
    ("hinder", "error"),
    [(no_space, NotEnoughSpace), (no_database, DatabaseMissing), (no_repository, RepositoryError)],
)
async def test_a_failed_snapshot_fails_its_tickets_is_told_and_is_tried_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hinder: Callable[[ServiceWorld, pytest.MonkeyPatch], Callable[[], None]],
    error: type[SnapshotError],
) -> None:
    """The caller gets the error, listeners are notified, and the retry covers the event in silence."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        repair = hinder(world, monkeypatch)
        tickets = [service.request(Kind.CRITICAL, f"buy_{number}") for number in range(3)]
        for ticket in tickets:
            with pytest.raises(error) as caught:
                await ticket.wait()
        assert world.heard.failures[0] == ("snapshot", caught.value)
        assert (await service.status()).pending == 3
        assert world.heard.times_covered == 0
        repair()
        await asyncio.wait_for(service.settled(), PATIENCE)
        (snapshot,) = await service.list()
        assert snapshot.requests == 3
        assert snapshot.reasons == ("buy_0", "buy_1", "buy_2")
        assert world.heard.times_covered == 1
        assert world.temporary_files() == set()


async def test_a_request_during_the_pause_after_a_failure_is_covered_by_the_retry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newcomer waits with the failed ones and shares their snapshot."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        repair = no_space(world, monkeypatch)
        with pytest.raises(NotEnoughSpace) as caught:
            await service.request(Kind.CRITICAL, "early").wait()
        assert caught.value.free == 4096
        assert caught.value.minimum == 1 << 20
        repair()
        late = await service.request(Kind.CRITICAL, "late").wait()
        assert late.reasons == ("early", "late")
        assert late.requests == 2


async def test_a_failure_nobody_foresaw_fails_the_tickets_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of ours must not leave requests hanging, nor pass in silence."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        with monkeypatch.context() as broken:
            broken.setattr(service._context, "work", None)
            with pytest.raises(SnapshotError):
                await service.request(Kind.CRITICAL, "unlucky").wait()
        assert len(world.heard.failures) >= 1
        await asyncio.wait_for(service.settled(), PATIENCE)
        assert (await service.list())[0].reasons == ("unlucky",)


async def test_a_listener_that_fails_changes_nothing(tmp_path: Path) -> None:
    """If a listener fails, the snapshot stands and the next listener is notified."""
    world = ServiceWorld(tmp_path)
    service = world.service()

    class Broken(type(world.heard)):  # type: ignore[misc]
        async def created(self, snapshot: object) -> None:
            raise RuntimeError("a host's mistake")

    service._context.listeners.insert(0, Broken())
    await service.open()
    try:
        snapshot = await service.request(Kind.CRITICAL, "buy").wait()
        assert world.heard.snapshots == [snapshot]
    finally:
        await service.close()


async def test_closing_fails_whatever_is_not_covered_and_waits_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand requests in a long pause after a failure are told at once, kept or only counted; no task is left."""
    world = ServiceWorld(tmp_path)
    async with world.opened(schedule={"retry_first": 600.0, "retry_longest": 600.0}) as service:
        monkeypatch.setattr("core.snapshots.policies.coverage.MOST_REQUESTS", 50)
        no_space(world, monkeypatch)
        with pytest.raises(NotEnoughSpace):
            await service.request(Kind.CRITICAL, "fails").wait()
        waiting = [service.request(Kind.CRITICAL, f"waits_{number}") for number in range(1000)]
        waiters = [asyncio.create_task(ticket.wait()) for ticket in waiting]
        await service.close()
        outcomes = await asyncio.gather(*waiters, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {OperationCancelled}
        assert asyncio.all_tasks() == {asyncio.current_task()}
    ((key, message),) = world.heard.notices
    assert key == "dropped"
    assert message.startswith("1,001 events were not covered when the bot went down: fails, waits_0, ")


async def test_closing_during_a_snapshot_leaves_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every ticket is settled one way or the other, the worker has ended, no temporary file is left."""
    world = ServiceWorld(tmp_path)
    service = world.service()
    await service.open()
    with monkeypatch.context() as held:
        workers = HeldWorkers(tmp_path, held)
        tickets = [service.request(Kind.CRITICAL, f"buy_{number}") for number in range(10)]
        await workers.until_one_waits()
    await service.close()
    assert all(ticket.done for ticket in tickets)
    for ticket in tickets:
        with pytest.raises(OperationCancelled):
            await ticket.wait()
    await service.close()
    async with world.opened() as later:
        assert await later.list() == ()
        assert world.files() == set()
        assert world.temporary_files() == set()
        assert not (await later.create()).unchanged


async def test_a_request_after_closing_fails_at_once(tmp_path: Path) -> None:
    """Nobody waits for a service that is gone, and nothing is raised into the host."""
    world = ServiceWorld(tmp_path)
    service = world.service()
    await service.open()
    await service.close()
    ticket = service.request(Kind.CRITICAL, "too_late")
    assert ticket.done
    with pytest.raises(OperationCancelled, match="closed"):
        await ticket.wait()


async def test_nothing_is_logged_about_tickets_that_nobody_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A game forgets its tickets; a failed one must not become "exception was never retrieved"."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        no_space(world, monkeypatch)
        service.request(Kind.CRITICAL, "forgotten")
        while not world.heard.failures:
            await asyncio.sleep(0.005)
    gc.collect()
    await asyncio.sleep(0)
    assert not [record for record in caplog.records if record.name == "asyncio"]


async def test_one_waiter_that_gives_up_does_not_disturb_the_others(tmp_path: Path) -> None:
    """A caller's time-out is the caller's own."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        ticket = service.request(Kind.CRITICAL, "buy")
        impatient = asyncio.create_task(ticket.wait())
        patient = asyncio.create_task(ticket.wait())
        await asyncio.sleep(0)
        impatient.cancel()
        assert (await patient).reasons == ("buy",)
        assert await ticket.wait() is await patient


async def test_the_last_snapshot_covers_what_waits_without_its_pause(tmp_path: Path) -> None:
    """A bot that goes down does not wait for the spacing between event snapshots, nor leave its events behind."""
    world = ServiceWorld(tmp_path)
    async with world.opened(schedule={"critical_spacing": 600.0}) as service:
        await service.request(Kind.CRITICAL, "first").wait()
        world.add_users(501)
        waiting = service.request(Kind.CRITICAL, "last_purchase")
        last = await service.create_last()
        assert last is not None
        assert last.kind is Kind.SHUTDOWN
        assert waiting.done
        covering = await waiting.wait()
        assert covering.rows["users"] == PLAYERS + 1
        assert "last_purchase" in (await service.get(covering.id)).reasons


async def test_the_last_snapshot_of_an_unchanged_database_is_the_one_before_it(tmp_path: Path) -> None:
    """Going down costs nothing where nothing changed."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        made = (await service.create()).snapshot
        last = await service.create_last()
        assert last is not None
        assert last.id == made.id
        assert len(world.files()) == 1


async def test_no_last_snapshot_where_the_setting_says_so(tmp_path: Path) -> None:
    """``[schedule] shutdown = false`` is None, not an error."""
    world = ServiceWorld(tmp_path)
    async with world.opened(schedule={"shutdown": False}) as service:
        assert await service.create_last() is None
        assert world.files() == set()


async def test_the_last_snapshot_gives_up_at_its_deadline(tmp_path: Path) -> None:
    """Whoever stops the bot kills it after ten seconds: the snapshot ends before, and leaves nothing half-done."""
    world = ServiceWorld(tmp_path)
    other = world.service()
    async with world.opened(schedule={"shutdown_deadline": 0.1}) as service:
        async with other._context.lock.held("restore", 1.0):
            with pytest.raises(DeadlineExceeded) as caught:
                await service.create_last()
        assert caught.value.seconds == 0.1
        assert world.files() == set()
    await other.close()


async def test_a_retry_pause_does_not_hold_up_the_last_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events whose snapshot just failed wait a long time for the next attempt; a bot that goes down does not."""
    world = ServiceWorld(tmp_path)
    async with world.opened(schedule={"retry_first": 600.0, "retry_longest": 600.0}) as service:
        repair = no_space(world, monkeypatch)
        with pytest.raises(NotEnoughSpace):
            await service.request(Kind.CRITICAL, "fails").wait()
        repair()
        last = await asyncio.wait_for(service.create_last(), PATIENCE)
        assert last is not None
        assert (await service.status()).pending == 0
        assert "fails" in (await service.list())[0].reasons


async def test_events_that_go_on_while_the_last_snapshot_is_taken_are_settled_too(tmp_path: Path) -> None:
    """No task dies of two snapshots at once, and no ticket is left open when the service is closed."""
    world = ServiceWorld(tmp_path)
    tickets: list[Ticket] = []
    failures: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failures.append(context))
    async with world.opened() as service:
        going_down = asyncio.create_task(service.create_last())
        while not going_down.done():
            tickets.append(service.request(Kind.CRITICAL, f"buy_{len(tickets)}"))
            await asyncio.sleep(0.01)
        assert await going_down is not None
        await asyncio.wait_for(service.settled(), PATIENCE)
    assert tickets
    assert all(ticket.done for ticket in tickets)
    gc.collect()
    await asyncio.sleep(0)
    assert failures == []
