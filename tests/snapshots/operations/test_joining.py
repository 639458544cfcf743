"""Whoever asks for a snapshot while something runs waits for it, and is told what it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.snapshots import Actor, Busy, Created, Doing, SnapshotService
from core.snapshots.worker.protocol import RebuildJob, SnapshotJob
from tests.worlds.service_world import ServiceWorld, played_world

pytestmark = pytest.mark.process

ANN, BOB = Actor(source="discord", name="Ann", id=1), Actor(source="discord", name="Bob", id=2)


class Gate:
    """Holds the first job of a kind until it is opened, before it has begun or when it has ended."""

    def __init__(self, service: SnapshotService, kind: type[Any], *, after: bool = False) -> None:
        self.reached, self.open = asyncio.Event(), asyncio.Event()
        work = service._context.work

        async def held(job: Any, *arguments: Any, **fields: Any) -> Any:
            if job is not kind or self.reached.is_set():
                return await work(job, *arguments, **fields)
            done = await work(job, *arguments, **fields) if after else None
            self.reached.set()
            await self.open.wait()
            return done if after else await work(job, *arguments, **fields)

        service._context.work = held  # type: ignore[method-assign, assignment]


async def two(
    world: ServiceWorld, service: SnapshotService, meanwhile: Callable[[], None], **second: Any
) -> tuple[Created, Created, list[Doing]]:
    """Let Ann take a snapshot and Bob ask for another one, with something that happens after Ann's has read."""
    gate, waits = Gate(service, SnapshotJob, after=True), list[Doing]()
    ann = asyncio.create_task(service.create(actor=ANN, on_wait=waits.append))
    await gate.reached.wait()
    assert waits == []
    meanwhile()
    bob = asyncio.create_task(service.create(actor=BOB, on_wait=waits.append, **second))
    while not waits:
        await asyncio.sleep(0)
    gate.open.set()
    return await ann, await bob, waits


async def test_who_asks_while_one_is_taken_shares_it_if_nothing_was_committed_since(tmp_path: Path) -> None:
    """Two who press at once have one snapshot, and the second one is told for whom it is taken."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        first, second, waits = await two(world, service, lambda: None)
        assert (first.unchanged, first.joined, second.unchanged, second.joined) == (False, False, True, True)
        assert second.snapshot.id == first.snapshot.id
        assert [(each.operation, each.actor) for each in waits] == [("a snapshot", ANN)]
        assert first.seconds > 0
        assert not (await service.create(on_wait=waits.append)).unchanged


async def test_a_pin_waits_for_what_runs_and_is_told_what_it_is(tmp_path: Path) -> None:
    """Somebody who pins while a snapshot is taken is not sent away."""
    world, waits = ServiceWorld(tmp_path), list[Doing]()
    async with world.opened() as service:
        known = (await service.create()).snapshot
        gate = Gate(service, SnapshotJob, after=True)
        ann = asyncio.create_task(service.create(actor=ANN))
        await gate.reached.wait()
        bob = asyncio.create_task(service.pin(known.id, actor=BOB, on_wait=waits.append))
        while not waits:
            await asyncio.sleep(0)
        gate.open.set()
        await ann
        assert (await bob).pinned
        assert [(each.operation, each.actor) for each in waits] == [("a snapshot", ANN)]


async def test_what_was_committed_since_it_began_is_in_one_of_its_own(tmp_path: Path) -> None:
    """A snapshot that is being taken does not hold what comes after its beginning, so it must not be said to."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        first, second, _ = await two(world, service, world.play)
    assert (second.unchanged, second.joined) == (False, False)
    assert second.snapshot.sequence > first.snapshot.sequence


@pytest.mark.parametrize("asked", [{"note": "before the season"}, {"pin": True}])
async def test_a_note_or_a_pin_is_never_lost(tmp_path: Path, asked: dict[str, Any]) -> None:
    """They are of a snapshot of their own, although nothing changed."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        first, second, _ = await two(world, service, lambda: None, **asked)
    assert second.snapshot.id != first.snapshot.id
    assert (second.snapshot.note, second.snapshot.pinned) == (asked.get("note"), asked.get("pin", False))


async def test_a_snapshot_waits_for_a_restore_and_a_second_restore_does_not(tmp_path: Path) -> None:
    """The first is told for whom it waits, and is taken of what the restore left; two restores are one too many."""
    world = await played_world(tmp_path)
    async with world.opened(repository={"lock_timeout": 0.0}) as service:
        gate, waits = Gate(service, RebuildJob), list[Doing]()
        restoring = asyncio.create_task(service.restore(world.older.id, actor=ANN))
        await gate.reached.wait()
        with pytest.raises(Busy, match=r"a restore is running for Ann \(1\) by discord, since"):
            await service.create()
        with pytest.raises(Busy, match=r"already for Ann \(1\) by discord, since"):
            await service.restore(world.newer.id, on_wait=waits.append)
        taking = asyncio.create_task(service.create(actor=BOB, on_wait=waits.append))
        while not waits:
            await asyncio.sleep(0)
        gate.open.set()
        await restoring
        assert not (await taking).joined
        assert [(each.operation, each.actor) for each in waits] == [("a restore", ANN)]
