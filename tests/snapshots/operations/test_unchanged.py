"""A snapshot is left out only where the newest one restores to exactly what is there now."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from core.snapshots import Created, Kind, SnapshotService
from core.snapshots.worker.protocol import SnapshotJob
from tests.worlds.game_database import OtherProcess
from tests.worlds.service_world import PLAYERS, ServiceWorld, flip_byte

pytestmark = pytest.mark.process

ADD_A_USER = "INSERT INTO users (name, dust) VALUES ('new', 1000)"


@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
async def test_a_periodic_snapshot_is_left_out_only_while_nobody_commits(tmp_path: Path, journal_mode: str) -> None:
    """After a critical one it is left out; a rollback, another process's too, changes nothing; a commit does."""
    world = ServiceWorld(tmp_path, journal_mode=journal_mode)
    async with world.opened() as service:
        critical = (await service.create(Kind.CRITICAL, reason="buy")).snapshot
        due = service.periodic_due()
        world.clock.advance(minutes=30)
        assert await service.create(Kind.PERIODIC) == Created(snapshot=critical, unchanged=True)
        assert service.periodic_due() > due

        with OtherProcess(world.database) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute(ADD_A_USER)
            other.execute("ROLLBACK")
            assert (await service.create(Kind.PERIODIC)).unchanged
            assert world.files() == {critical.path}

            other.execute(ADD_A_USER)
            by_another_process = await service.create(Kind.PERIODIC)
        assert not by_another_process.unchanged
        assert by_another_process.snapshot.rows["users"] == PLAYERS + 1

        world.add_users(501)
        by_this_process = await service.create(Kind.PERIODIC)
        assert not by_this_process.unchanged
        assert by_this_process.snapshot.rows["users"] == PLAYERS + 2


async def test_a_new_process_finds_by_content_that_nothing_changed(tmp_path: Path) -> None:
    """A restart knows nothing of commits; the fingerprint says it, so a bot that restarts often writes nothing."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        made = (await service.create(Kind.SHUTDOWN)).snapshot
    async with world.opened() as later:
        assert await later.create(Kind.SHUTDOWN) == Created(snapshot=made, unchanged=True)
        world.play()
        assert not (await later.create(Kind.SHUTDOWN)).unchanged


async def test_a_manual_or_pinned_snapshot_is_always_written(tmp_path: Path) -> None:
    """A person who asks for one gets one, with the note and the pin."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        await service.create(Kind.PERIODIC)
        assert not (await service.create(Kind.MANUAL)).unchanged
        assert not (await service.create(Kind.CRITICAL, pin=True)).unchanged
        assert len(world.files()) == 3


async def flipped(world: ServiceWorld, service: SnapshotService, made: Created) -> None:
    """Damage the newest file and let a verification find it."""
    flip_byte(world.file_of(made.snapshot))
    assert not (await service.verify(made.snapshot.id)).ok


async def gone(world: ServiceWorld, service: SnapshotService, made: Created) -> None:
    """Remove the newest file behind the service's back."""
    world.file_of(made.snapshot).unlink()


async def cut_short(world: ServiceWorld, service: SnapshotService, made: Created) -> None:
    """Truncate the newest file behind the service's back."""
    with world.file_of(made.snapshot).open("r+b") as file:
        file.truncate(made.snapshot.size // 2)


@pytest.mark.parametrize("harm", [flipped, gone, cut_short])
async def test_a_snapshot_that_is_damaged_or_gone_covers_nothing(
    tmp_path: Path, harm: Callable[[ServiceWorld, SnapshotService, Created], Awaitable[None]]
) -> None:
    """Nothing changed, and yet the next one is written: the newest cannot be restored."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        made = await service.create(Kind.PERIODIC)
        await harm(world, service, made)
        again = await service.create(Kind.PERIODIC)
        assert not again.unchanged
        assert world.rows_in(again.snapshot) == world.rows()


async def test_a_restore_is_a_change(tmp_path: Path) -> None:
    """The newest snapshot then is the safety one, and the database is not what that holds."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        first = (await service.create()).snapshot
        world.add_users(501)
        await service.restore(first.id)
        again = await service.create(Kind.PERIODIC)
        assert not again.unchanged
        assert again.snapshot.rows["users"] == PLAYERS


class CommitsAt:
    """Lets the game commit at one exact point of a snapshot, once."""

    def __init__(self, service: SnapshotService, commit: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
        self.point = ""
        self._commit = commit
        context = service._context
        token, work = context.probe.token, context.work

        async def watched_token() -> str | None:
            self._at("before the token")
            found = await token()
            self._at("after the token")
            return found

        async def watched_work(kind: Any, *args: Any, **fields: Any) -> Any:
            if kind is not SnapshotJob:
                return await work(kind, *args, **fields)
            outcome = await work(kind, *args, **fields)
            self._at("after the image")
            return outcome

        monkeypatch.setattr(context.probe, "token", watched_token)
        monkeypatch.setattr(context, "work", watched_work)

    def _at(self, point: str) -> None:
        if point == self.point:
            self.point = ""
            self._commit()


@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
@pytest.mark.parametrize("point", ["before the token", "after the token", "after the image"])
async def test_no_commit_slips_between_the_look_and_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journal_mode: str, point: str
) -> None:
    """Wherever in a snapshot a commit falls, the next one has it or was not left out."""
    world = ServiceWorld(tmp_path, journal_mode=journal_mode)
    async with world.opened() as service:
        commits = CommitsAt(service, lambda: world.add_users(501), monkeypatch)
        commits.point = point
        await service.create(Kind.CRITICAL)
        assert commits.point == ""
        for _ in range(2):
            covering = (await service.create(Kind.CRITICAL)).snapshot
            assert covering.rows["users"] == PLAYERS + 1


async def test_a_database_that_was_exchanged_is_a_change(tmp_path: Path) -> None:
    """Another file at the same place is looked at anew, even with the same number of commits."""
    world = ServiceWorld(tmp_path, journal_mode="delete")
    async with world.opened() as service:
        await service.create(Kind.PERIODIC)
        twin = tmp_path / "twin.db"
        twin.write_bytes(world.database.read_bytes())
        with sqlite3.connect(twin) as connection:
            connection.execute("UPDATE users SET name = 'somebody else' WHERE id = 1")
        connection.close()
        twin.replace(world.database)
        assert not (await service.create(Kind.PERIODIC)).unchanged
