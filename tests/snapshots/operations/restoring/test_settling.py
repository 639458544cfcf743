"""An exchange of files whose worker or whose bot dies: it is finished or undone before anybody opens the database."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots import DatabaseBusy, Kind, SnapshotError, StartupOutcome
from core.snapshots.models import NOBODY, JournalEntry, Snapshot
from core.snapshots.operations.journal import journal_file
from core.snapshots.operations.restoring.startup import candidates
from core.snapshots.policies.health import BEFORE_HEALING
from tests.worlds.database_harm import header_destroyed, header_destroyed_beside_a_log
from tests.worlds.service_world import PlayedWorld, played_world
from tests.worlds.snapshots import make_snapshot

pytestmark = [pytest.mark.process, pytest.mark.kill]

DIE_IN_THE_MIDDLE = """
import os, signal, sys

seen = False


def look(event, arguments):
    global seen
    if event == "open" and ".restoring" in str(arguments[0]):
        seen = True
    if seen and event == "sqlite3.connect":
        os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(look)
"""
"""Makes a worker die in the middle of an exchange: the old files are in quarantine, the new one is not in place."""


def data_files(world: PlayedWorld) -> dict[str, bytes]:
    """Return the files that hold data: all but the index of the log, which SQLite rebuilds."""
    return {name: content for name, content in world.database_files().items() if not name.endswith("-shm")}


async def test_a_worker_that_dies_in_the_middle_is_undone_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the next start: the restore fails, the files are as they were, and nothing is left over."""
    world = await played_world(tmp_path)
    header_destroyed_beside_a_log(world)
    before = data_files(world)
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(DIE_IN_THE_MIDDLE)
    async with world.opened() as service:
        with monkeypatch.context() as patch:
            patch.setenv("PYTHONPATH", str(site))
            with pytest.raises(SnapshotError):
                await service.restore(world.older.id, stopped=True)
        assert data_files(world) == before
        assert not list((world.repository / "quarantine").glob("*/*"))
        assert not list((world.repository / "state").glob("exchange*"))
        assert world.temporary_files() == set()
        report = await service.restore(world.older.id, stopped=True)
        assert report.ok
    assert world.rows() == world.rows_in(world.older)


def of(kind: Kind, sequence: int, *reasons: str) -> Snapshot:
    return make_snapshot(sequence, kind=kind, reasons=reasons)


def test_a_second_healing_never_takes_the_snapshot_of_the_damage() -> None:
    """The first one was interrupted after it had kept the damaged state: that state is not what is wanted back."""
    good = of(Kind.PERIODIC, 1, "periodic")
    by_hand = of(Kind.SAFETY, 2, f"before_restore_{good.id}")
    of_the_damage = of(Kind.SAFETY, 3, f"{BEFORE_HEALING}{good.id}")
    for newest_only, expected in ((False, (by_hand, good)), (True, (by_hand,))):
        assert candidates((good, by_hand, of_the_damage), (), newest_only=newest_only) == expected


async def test_where_nobody_can_know_a_person_must_say_that_the_bot_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In rollback mode an idle connection in another container holds nothing: the restore asks for --stopped, and the
    bot's own first start needs nobody.
    """
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import pathlib\n"
        "stat = pathlib.Path.stat\n"
        "def look(path, **options):\n"
        "    if str(path) == '/proc/self/ns/pid':\n"
        "        raise FileNotFoundError(str(path))\n"
        "    return stat(path, **options)\n"
        "pathlib.Path.stat = look\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(site))
    world = await played_world(tmp_path / "world", journal_mode="delete")
    header_destroyed(world)
    before = world.database_files()
    async with world.opened() as service:
        with pytest.raises(DatabaseBusy, match="--stopped"):
            await service.restore(world.older.id)
        assert world.database_files() == before
        assert (await service.restore(world.older.id, stopped=True)).ok
        header_destroyed(world)
        assert (await service.start_up()).outcome is StartupOutcome.RESTORED


async def test_a_worker_that_committed_after_its_bot_had_died_is_believed(tmp_path: Path) -> None:
    """Nobody heard it say so, but it left a mark: the next start says what the database is, and enters the restore."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        entry = JournalEntry(
            operation="restore",
            actor=NOBODY,
            at=world.clock(),
            pid=1,
            snapshot=world.older.id,
            sequence=world.older.sequence,
            method="online",
        )
        journal_file(service._context).write(entry)
    mark = world.repository / "state" / "exchange.committed"
    mark.touch()
    async with world.opened() as service:
        assert f"the database is {world.older.id}" in str(service.interrupted)
        assert [record.snapshot for record in service._context.repository.catalog.contents.restores] == [world.older.id]
    assert not mark.exists()
