"""An operation that is cancelled while a thread works for it: the thread's work is neither lost nor left running alone.

A cancelled task no longer waits, but its thread goes on: what the thread gets (a lock) must be released, and what it
changes (the catalog) must be done before the lock on it is.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from core.snapshots import files
from core.snapshots.operations import context, create
from core.snapshots.repository import catalog
from core.snapshots.repository.file_lock import FileLock
from tests.worlds.service_world import ids, played_world

pytestmark = pytest.mark.process


class Held:
    """Holds the first call of a function up, in its thread, until somebody lets it go on."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._go_on = threading.Event()
        self._first = threading.Lock()
        self.entered = threading.Event()
        self.left = threading.Event()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function; the first call waits until it is released."""
        if self._first.acquire(blocking=False):
            self.entered.set()
            assert self._go_on.wait(timeout=20)
        try:
            return self._function(*args, **kwargs)
        finally:
            self.left.set()

    async def until_entered(self) -> None:
        """Wait until the first call is there."""
        while not self.entered.is_set():
            await asyncio.sleep(0.001)

    def let_go_on(self) -> None:
        """Release the first call."""
        self._go_on.set()


async def test_a_lock_that_a_cancelled_operation_still_got_is_let_go_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever keeps the cancelled task, as a log of what failed does, does not keep the repository with it."""
    world = await played_world(tmp_path)
    async with world.opened(repository={"lock_timeout": 5.0}) as service:
        held = Held(FileLock.acquire)
        monkeypatch.setattr(FileLock, "acquire", lambda *args: held(*args))
        cancelled = asyncio.create_task(service.create())
        await held.until_entered()
        cancelled.cancel()
        await asyncio.sleep(0.01)
        held.let_go_on()
        (kept,) = await asyncio.gather(cancelled, return_exceptions=True)
        assert isinstance(kept, asyncio.CancelledError)
        assert not (await service.create()).unchanged


async def test_a_catalog_is_not_written_by_two_operations_because_one_was_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repository is another's only when the thread of the cancelled one has finished: no entry is lost."""
    world = await played_world(tmp_path)
    async with world.opened(repository={"lock_timeout": 10.0}) as service:
        held = Held(files.write_atomically)
        monkeypatch.setattr(catalog, "write_atomically", held)
        cancelled = asyncio.create_task(service.create())
        await held.until_entered()
        cancelled.cancel()
        following = asyncio.create_task(service.create())
        await asyncio.wait([following], timeout=0.8)
        held.let_go_on()
        await asyncio.gather(cancelled, return_exceptions=True)
        made = (await following).snapshot
        listed = await service.list()
        assert {snapshot.path for snapshot in listed} == world.files()
        assert listed[0].id == made.id
        assert len({snapshot.sequence for snapshot in listed}) == len(listed)
    async with world.opened() as later:
        assert ids(await later.list()) == ids(listed)
        assert (await later.get("latest")).id == made.id


async def test_a_mark_that_a_cancelled_operation_still_made_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left in ``.work`` of a check that was cancelled before its worker began."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        held = Held(FileLock.acquire)
        monkeypatch.setattr(FileLock, "acquire", lambda *args: held(*args))
        cancelled = asyncio.create_task(service.integrity())
        await held.until_entered()
        cancelled.cancel()
        await asyncio.sleep(0.01)
        held.let_go_on()
        await asyncio.gather(cancelled, return_exceptions=True)
        while not held.left.is_set():
            await asyncio.sleep(0.001)
        assert world.temporary_files() == set()


@pytest.mark.parametrize("module", [context, create])
async def test_a_cancelled_snapshot_ends_when_its_files_are_removed_and_keeps_no_lock(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is removed after the next operation began could be that one's; a lock that is kept hides a left-over."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        held = Held(files.remove)
        monkeypatch.setattr(module, "remove", held)
        cancelled = asyncio.create_task(service.create())
        await held.until_entered()
        cancelled.cancel()
        await asyncio.wait([cancelled], timeout=0.1)
        assert not cancelled.done()
        held.let_go_on()
        await asyncio.gather(cancelled, return_exceptions=True)
        assert {path.name for path in world.repository.glob(".work/*.lock")} == set()
