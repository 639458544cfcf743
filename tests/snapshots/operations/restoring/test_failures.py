"""Restores that fail half-way: the way back is taken, or the report says what stands."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.snapshots import (
    Check,
    Finding,
    IntegrityReport,
    Kind,
    Method,
    RestoreFailed,
    Severity,
    SnapshotError,
    SnapshotService,
)
from core.snapshots.worker.protocol import PutBackJob, RebuildJob, ReplaceJob
from tests.worlds.game_database import assert_consistent
from tests.worlds.service_world import played_world

pytestmark = pytest.mark.process

UNSOUND = Finding(check=Check.PAGES, severity=Severity.ERROR, message="Tree 5 page 9: btreeInitPage() returns error")


class Interference:
    """Changes what jobs give or raise, as a disk that goes bad would; the jobs themselves are done."""

    def __init__(self, service: SnapshotService, monkeypatch: pytest.MonkeyPatch) -> None:
        self._work = service._context.work
        self.outcomes: list[Any] = []
        """What the next ReplaceJobs give: a function of their true outcome, or an error to raise."""
        self.raises: dict[type[Any], BaseException] = {}
        monkeypatch.setattr(service._context, "work", self.work)

    async def work(self, kind: Any, *args: Any, **fields: Any) -> Any:
        if kind in self.raises:
            raise self.raises[kind]
        outcome = await self._work(kind, *args, **fields)
        if kind is ReplaceJob and self.outcomes:
            return self.outcomes.pop(0)(outcome)
        return outcome


def failed_check(replaced: Any) -> Any:
    """Return a replacement whose check failed."""
    integrity = IntegrityReport(findings=(UNSOUND,), checked={}, rows={}, seconds=0.0)
    return msgspec.structs.replace(replaced, integrity=integrity)


def different(replaced: Any) -> Any:
    """Return a replacement that differs from the snapshot."""
    return msgspec.structs.replace(replaced, identical=False)


@pytest.mark.parametrize(
    ("outcome", "why", "journal_mode"), [(failed_check, "btreeInitPage", "delete"), (different, "differs", "wal")]
)
async def test_a_result_that_fails_its_check_is_taken_back_to_the_safety_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journal_mode: str, outcome: Any, why: str
) -> None:
    """Every row is as before; the error says what failed and names the safety snapshot; listeners are notified."""
    world = await played_world(tmp_path, journal_mode=journal_mode)
    before = world.rows()
    async with world.opened() as service:
        Interference(service, monkeypatch).outcomes.append(outcome)
        with pytest.raises(RestoreFailed, match=why) as caught:
            await service.restore(world.older.id)
        assert world.rows() == before
        assert_consistent(world.database)
        (safety,) = await service.list(Kind.SAFETY)
        assert caught.value.safety == safety.id
        assert safety.id in str(caught.value)
        assert world.rows_in(safety) == before
        assert [report.ok for report in world.heard.reports] == [False]
        assert world.temporary_files() == set()
        assert (await service.get("latest")).id != world.older.id


async def test_an_exchange_that_fails_its_check_is_taken_back_file_by_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The damaged files are where they were, byte for byte: a person may still save something from them."""
    world = await played_world(tmp_path)
    world.database.write_bytes(b"not a database any more" * 500)
    before = world.database_files()
    async with world.opened() as service:
        Interference(service, monkeypatch).outcomes.append(failed_check)
        with pytest.raises(RestoreFailed, match="files that were there before are back") as caught:
            await service.restore(world.older.id)
        assert caught.value.safety is None
        assert world.database_files() == before
        assert world.temporary_files() == set()
        assert world.heard.reports[0].method is Method.SWAP


@pytest.mark.parametrize("job", [RebuildJob, ReplaceJob])
async def test_a_way_back_that_fails_too_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: type[Any]
) -> None:
    """Whatever stops it: the error is RestoreFailed, and names the safety snapshot to restore by hand."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        interference = Interference(service, monkeypatch)

        def then_everything_fails(replaced: Any) -> Any:
            interference.raises[job] = SnapshotError("The disk is on fire.")
            return failed_check(replaced)

        interference.outcomes.append(then_everything_fails)
        with pytest.raises(RestoreFailed, match="way back failed too: The disk is on fire") as caught:
            await service.restore(world.older.id)
        interference.raises.clear()
        (safety,) = await service.list(Kind.SAFETY)
        assert caught.value.safety == safety.id
        assert safety.id in str(caught.value)
        assert world.temporary_files() == set()


async def test_an_exchange_that_cannot_be_taken_back_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where files were exchanged: the damaged ones are in quarantine still."""
    world = await played_world(tmp_path)
    world.database.write_bytes(b"not a database any more" * 500)
    async with world.opened() as service:
        interference = Interference(service, monkeypatch)
        interference.outcomes.append(failed_check)
        interference.raises[PutBackJob] = SnapshotError("The disk is on fire.")
        with pytest.raises(RestoreFailed, match="way back failed too"):
            await service.restore(world.older.id)
        assert [path.name for path in (world.repository / "quarantine").rglob("game.db")] == ["game.db"]


@pytest.mark.parametrize(
    ("job", "error"),
    [
        (RebuildJob, OSError(28, "No space left on device")),
        (ReplaceJob, RuntimeError("unforeseen")),
        (ReplaceJob, SnapshotError("foreseen")),
    ],
)
async def test_whatever_ends_a_restore_its_listeners_hear_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: type[Any], error: Exception
) -> None:
    """A game that was paused goes on, also after an error that nobody foresaw."""
    world = await played_world(tmp_path)
    before = world.rows()
    async with world.opened() as service:
        Interference(service, monkeypatch).raises[job] = error
        with pytest.raises((SnapshotError, RuntimeError)):
            await service.restore(world.older.id)
        assert len(world.heard.plans) == (job is ReplaceJob)  # play is not paused before the snapshot is checked
        (report,) = world.heard.reports
        assert not report.ok
        assert report.error
        assert world.rows() == before
        assert world.temporary_files() == set()


async def test_a_cancelled_restore_leaves_the_old_rows_or_the_new_ones_and_tells_its_end(tmp_path: Path) -> None:
    """A bot that goes down in the middle of it: no mixture, no temporary file, no paused game."""
    world = await played_world(tmp_path)
    states = [world.rows(), world.rows_in(world.older)]
    async with world.opened() as service:
        restoring = asyncio.create_task(service.restore(world.older.id))
        while not world.heard.plans:
            await asyncio.sleep(0.001)
        restoring.cancel()
        with pytest.raises(asyncio.CancelledError):
            await restoring
        assert [report.ok for report in world.heard.reports] == [False]
        assert world.rows() in states
        assert world.temporary_files() == set()


async def test_a_restore_that_cannot_be_written_down_is_not_told_as_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the catalog cannot be written after the replacement, either the restore stands and says so, or is
    undone.
    """
    world = await played_world(tmp_path)
    before = world.rows()
    async with world.opened() as service:
        interference = Interference(service, monkeypatch)

        def then_the_disk_is_full(replaced: Any) -> Any:
            monkeypatch.setattr("core.snapshots.repository.catalog.write_atomically", _no_space)
            return replaced

        interference.outcomes.append(then_the_disk_is_full)
        try:
            report = await service.restore(world.older.id)
        except SnapshotError:
            assert world.rows() == before
            assert [heard.ok for heard in world.heard.reports] == [False]
        else:
            assert report.ok
            assert world.rows() == world.rows_in(world.older)
            assert world.heard.reports == [report]


def _no_space(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


TAKES_THE_LOCK_AS_SOON_AS_IT_SEES = """
import sqlite3, sys, time
path, users = sys.argv[1], int(sys.argv[2])
connection = sqlite3.connect(path, timeout=0, isolation_level=None)
print("watching", flush=True)
until = time.monotonic() + 30
while time.monotonic() < until:
    try:
        if connection.execute("SELECT count(*) FROM users").fetchone() == (users,):
            connection.execute("BEGIN EXCLUSIVE")
            break
    except sqlite3.OperationalError:
        continue
print("locked", flush=True)
sys.stdin.read()
"""


async def test_a_lock_taken_right_after_the_replacement_does_not_make_it_a_failure(tmp_path: Path) -> None:
    """From its commit on the restore has happened; that it could not be checked is a warning and nothing more."""
    world = await played_world(tmp_path, journal_mode="delete")
    arguments = [sys.executable, "-c", TAKES_THE_LOCK_AS_SOON_AS_IT_SEES, str(world.database)]
    arguments.append(str(world.older.rows["users"]))
    async with world.opened(database={"busy_timeout": 0.5}) as service:
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdin is not None
            assert await asyncio.to_thread(other.stdout.readline) == "watching\n"
            report = await service.restore(world.older.id)
            assert await asyncio.to_thread(other.stdout.readline) == "locked\n"
            other.stdin.close()
        assert report.ok
        assert report.integrity is not None
        assert report.integrity.errors == ()
        assert report.identical is not False
        assert (await service.get("latest")).id == world.older.id
    assert world.rows() == world.rows_in(world.older)
