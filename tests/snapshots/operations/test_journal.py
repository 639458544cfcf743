"""Intent first, outcome last: what is written down around an operation, and what a start makes of a crash."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.snapshots import SnapshotService
from core.snapshots.models import Actor, JournalEntry
from tests.worlds.service_world import PlayedWorld, ServiceWorld, played_world

pytestmark = pytest.mark.process

OWNER = Actor(source="discord", name="Ann", id=7)


@pytest.fixture
async def world(tmp_path: Path) -> PlayedWorld:
    return await played_world(tmp_path)


def journal_of(world: ServiceWorld) -> Path:
    return world.repository / "state" / "journal.json"


def left_by_a_crash(world: PlayedWorld, **changes: Any) -> JournalEntry:
    """Leave the journal of a restore of ``older`` that Ann began and whose process died."""
    entry = JournalEntry(
        operation="restore",
        actor=OWNER,
        at=world.clock(),
        pid=1,
        snapshot=world.older.id,
        sequence=world.older.sequence,
        method="online",
    )
    entry = msgspec.structs.replace(entry, **changes)
    journal_of(world).parent.mkdir(exist_ok=True)
    journal_of(world).write_bytes(msgspec.json.encode(entry))
    return entry


async def test_a_restore_is_written_down_while_it_runs_and_its_outcome_afterwards(world: PlayedWorld) -> None:
    """The journal names who, what and how; the audit log keeps the outcome; the journal is gone."""
    seen: list[JournalEntry] = []
    running: set[tuple[str, Actor | None]] = set()

    async with world.opened() as service:
        original = service._context.work

        async def work(kind: Any, *arguments: Any, **fields: Any) -> Any:
            running.update((each.operation, each.actor) for each in service._context.doing)
            if journal_of(world).exists():
                seen.append(msgspec.json.decode(journal_of(world).read_bytes(), type=JournalEntry))
            return await original(kind, *arguments, **fields)

        service._context.work = work  # type: ignore[method-assign]
        report = await service.restore(world.older.id, actor=OWNER)
        (line,) = await service.audit()
        assert (await service.status()).doing == ()
    assert running == {
        ("a restore", OWNER),
    }
    assert {(each.operation, each.actor, each.snapshot, each.method) for each in seen} == {
        ("restore", OWNER, world.older.id, "online")
    }
    assert seen[-1].safety == report.safety.id if report.safety else False
    assert (line.actor, line.action, line.snapshot, line.outcome) == (OWNER, "restore", world.older.id, "done")
    assert world.heard.lines == [line]
    assert not journal_of(world).exists()


@pytest.mark.parametrize("committed", [False, True])
async def test_the_next_start_says_what_a_crash_left_behind(world: PlayedWorld, committed: bool) -> None:
    """The database is as it was, or it is the snapshot's and the timeline bends back to it; said once."""
    entry = left_by_a_crash(world, committed=committed, safety="0123456789ab" if committed else None)
    async with world.opened() as service:
        message = service.interrupted
        latest = await service.get("latest")
        (line,) = await service.audit()
    assert message is not None
    assert "Ann (7)" in message
    assert world.older.id in message
    assert f"{entry.at:%Y-%m-%d %H:%M:%S}" in message
    assert (f"is {world.older.id}" in message) is committed
    assert ("is as it was" in message) is not committed
    assert latest.id == (world.older.id if committed else world.newer.id)
    assert (line.action, line.outcome) == ("restore", "interrupted")
    assert world.heard.interruptions == [message]
    async with world.opened() as service:
        assert service.interrupted is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"operation": 3}', b"\xff\xfe", b"[" * 100_000], ids=repr)
async def test_a_journal_that_is_none_is_set_aside(world: PlayedWorld, content: bytes) -> None:
    """One that nobody can read, or that a newer version wrote in another shape, keeps no bot from starting."""
    journal_of(world).parent.mkdir(exist_ok=True)
    journal_of(world).write_bytes(content)
    async with world.opened() as service:
        assert service.interrupted is None
        assert (await service.restore(world.older.id)).ok
    assert journal_of(world).with_suffix(".unreadable").read_bytes() == content


async def test_an_audit_log_that_cannot_be_written_stops_nothing_and_is_reported(world: PlayedWorld) -> None:
    """The restore is done; the owner hears that it could not be written down."""
    (world.repository / "audit.jsonl").mkdir()
    async with world.opened() as service:
        assert (await service.restore(world.older.id, actor=OWNER)).ok
    assert "audit" in {operation for operation, _ in world.heard.failures}


async def test_lines_of_the_audit_log_that_are_none_are_passed_over(world: PlayedWorld) -> None:
    """Whatever somebody appended by hand, the lines around it are shown."""
    async with world.opened() as service:
        await service.pin(world.older.id, actor=OWNER)
        with (world.repository / "audit.jsonl").open("ab") as log:
            log.write(b"not json\n\xff\n{}\n")
        await service.pin(world.older.id, False, actor=OWNER)
        assert [line.action for line in await service.audit()] == ["pin", "unpin"]
        assert [line.action for line in await service.audit(1)] == ["unpin"]
    assert (world.repository / "audit.jsonl").stat().st_mode & 0o777 == 0o600


@pytest.fixture
def read_only(world: PlayedWorld) -> Iterator[Path]:
    """The repository on a read-only mount, as a rescue disk is."""
    mounted = world.folder / "read-only"
    mounted.mkdir()
    bound = subprocess.run(["mount", "--bind", world.repository, mounted], capture_output=True, check=False)
    if bound.returncode != 0:
        pytest.skip("mounting needs root: mount --bind")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", mounted], check=True)
        yield mounted
    finally:
        subprocess.run(["umount", mounted], check=True)


async def test_a_read_only_repository_is_read_and_restored_from(world: PlayedWorld, read_only: Path) -> None:
    """Looking, verifying, exporting and restoring work; what was there before is kept beside the database."""
    service: SnapshotService = world.service(repository={"path": str(read_only)})
    rows, wanted = world.rows(), world.rows_in(world.older)
    try:
        await service.open()
        assert {each.id for each in await service.list()} == {world.older.id, world.newer.id}
        assert (await service.verify(world.older.id)).ok
        await service.export(world.older.id, world.folder / "out.db.gz")
        report = await service.restore(world.older.id)
    finally:
        await service.close()
    assert report.ok
    assert world.rows() == wanted
    assert report.quarantine is not None
    kept = world.folder / "kept.db"
    kept.write_bytes(gzip.decompress(Path(report.quarantine).read_bytes()))
    world.database = kept
    assert world.rows() == rows
