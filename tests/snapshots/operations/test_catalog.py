"""The catalog: true after every crash, made anew from the files, never silently replaced."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from core.snapshots import CatalogError, CatalogTooNew, Form, Kind, Level, RepositoryError, Snapshot
from core.snapshots.archive import full
from core.snapshots.engines import Engine
from core.snapshots.progress import Watch
from core.snapshots.repository.lock import InUseLock
from core.snapshots.worker import handlers
from core.snapshots.worker.protocol import ScanJob, ScannedFile, ScanResult
from tests.worlds.service_world import CATALOG, NOON, ServiceWorld, flip_byte, ids, played_world

pytestmark = pytest.mark.process


def what_the_files_say(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot without what only the catalog knows: when it was verified."""
    nothing = msgspec.structs.replace(snapshot.verification, at=snapshot.created_at, level=Level.CHECKSUM)
    return msgspec.structs.replace(snapshot, verification=nothing)


async def test_a_catalog_made_from_the_files_alone_is_the_old_one(tmp_path: Path) -> None:
    """Ids, kinds, reasons, requests, fingerprints, rows, notes, order: all of it is in the files."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        world.play()
        await service.create(Kind.CRITICAL, reason="marketplace_buy_42")
        world.play()
        tickets = [service.request(Kind.CRITICAL, f"pack_{number}") for number in range(3)]
        await tickets[0].wait()
        old = await service.list()
        (world.repository / CATALOG).unlink()
        (world.repository / ".work" / "catalog.previous.json").unlink()
        report = await service.rebuild_catalog()
        assert (report.snapshots, report.damaged, report.unreadable) == (4, (), ())
        assert list(map(what_the_files_say, await service.list())) == list(map(what_the_files_say, old))
        assert (world.repository / "latest.db.gz").readlink() == Path(world.newer.path)
        world.play()
        assert (await service.create(Kind.CRITICAL)).snapshot.sequence == old[0].sequence + 1


async def test_a_rebuild_keeps_what_only_the_catalog_knew(tmp_path: Path) -> None:
    """Pins with their notes, later reasons and restores are not in the files; a catalog that can be read has them."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        sold = (await service.create(Kind.CRITICAL, reason="sold")).snapshot
        await service.pin(sold.id, why="before the season")
        await service.pin(world.older.id)
        await service.verify(world.older.id, Level.RESTORED)
        await service.restore(world.older.id)
        old = await service.list()
        await service.rebuild_catalog()
        assert list(map(what_the_files_say, await service.list())) == list(map(what_the_files_say, old))
        assert (await service.get("latest")).id == world.older.id


async def test_a_rebuild_marks_damaged_files_and_names_what_it_cannot_read(tmp_path: Path) -> None:
    """Nothing is removed, and files that are not ours are left alone."""
    world = await played_world(tmp_path)
    flip_byte(world.file_of(world.newer))
    unreadable = world.repository / "daily" / "20261123T130000.000Z_manual_x_ffffffffffff.db.gz"
    unreadable.write_bytes(b"no archive")
    misnamed = world.repository / "daily" / "20261123T140000.000Z_manual_x_eeeeeeeeeeee.db.gz"
    shutil.copyfile(world.file_of(world.older), misnamed)
    (world.repository / "daily" / "holiday.jpg").write_bytes(b"foreign")
    (world.repository / "critical" / "20261123T130000.000Z_manual_x_dddddddddddd.sql.gz").write_bytes(b"other engine")
    files = world.files()
    async with world.opened() as service:
        report = await service.rebuild_catalog()
        assert report.damaged == (world.newer.path,)
        assert set(report.unreadable) == {f"daily/{unreadable.name}", f"daily/{misnamed.name}"}
        assert {snapshot.id: snapshot.damaged for snapshot in await service.list()} == {
            world.older.id: False,
            world.newer.id: True,
        }
        assert (await service.get(world.older.id)).path == world.older.path
        assert world.files() == files


@pytest.mark.parametrize("then", ["a start", "a restore"])
async def test_a_file_that_was_still_being_copied_is_looked_at_again(tmp_path: Path, then: str) -> None:
    """Half of it was there when the catalog was rebuilt: it was listed as damaged, and so was what builds on it."""
    world = await played_world(tmp_path, newer=Form.INCREMENTAL)
    path = world.file_of(world.older)
    content = path.read_bytes()
    async with world.opened() as service:
        await service.pin(world.older.id)
        path.write_bytes(content[: len(content) // 2])
        await service.rebuild_catalog()
        assert [each.damaged for each in await service.list()] == [True, True]
        path.write_bytes(content)
        if then == "a restore":
            assert (await service.restore(world.older.id)).ok
            return
    async with world.opened() as service:
        assert [each.damaged for each in await service.list()] == [False, False]
        older = await service.get(world.older.id)
        assert (older.fingerprint, older.pinned) == (world.older.fingerprint, True)
        assert (await service.verify(world.newer.id, Level.RESTORED)).ok


async def test_a_file_that_could_not_be_read_keeps_its_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk tells nothing about the bytes, so nothing is marked damaged and no pin is lost."""
    world = await played_world(tmp_path, newer=Form.INCREMENTAL)
    async with world.opened() as service:
        await service.pin(world.older.id)
        before = await service.get(world.older.id)
        work = service._context.work

        async def scan(*arguments: Any, **options: Any) -> Any:
            found = await work(*arguments, **options)
            files = [
                ScannedFile(name=each.name, snapshot=None, problem="Input/output error", unread=True)
                if each.name == world.older.path
                else each
                for each in found.files
            ]
            return msgspec.structs.replace(found, files=tuple(files))

        monkeypatch.setattr(service._context, "work", scan)
        report = await service.rebuild_catalog()
        assert report.unreadable == (world.older.path,)
        assert await service.get(world.older.id) == before
        assert [each.damaged for each in await service.list()] == [False, False]


@pytest.mark.parametrize(("number", "raised"), [(errno.EIO, False), (errno.EACCES, False), (errno.EMFILE, True)])
def test_what_the_machine_lacks_is_no_property_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, raised: bool
) -> None:
    """A worker without a free descriptor has looked at nothing; a disk that fails hides one file and no other."""

    def fail(_path: Path) -> None:
        raise OSError(number, "as if")

    monkeypatch.setattr(full, "read_head", fail)
    job = ScanJob(url="", busy_timeout=1.0, deadline=1.0, scratch="", files=(("a", str(tmp_path / "a")),), at=NOON)
    if raised:
        with pytest.raises(OSError, match="as if"):
            handlers.do(job, cast(Engine, None), tmp_path, Watch())
    else:
        scanned = cast(ScanResult, handlers.do(job, cast(Engine, None), tmp_path, Watch()))
        assert [(each.snapshot, each.unread) for each in scanned.files] == [(None, True)]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", None])
async def test_a_catalog_that_is_lost_or_broken_is_made_again_at_start(tmp_path: Path, content: bytes | None) -> None:
    """It is never treated as empty; the broken file is kept under another name, and nothing is lost."""
    world = await played_world(tmp_path)
    catalog = world.repository / CATALOG
    catalog.unlink()
    if content is not None:
        catalog.write_bytes(content)
    async with world.opened() as service:
        assert ids(await service.list()) == [world.newer.id, world.older.id]
        aside = [path.read_bytes() for path in world.repository.glob(f"{CATALOG}.damaged-*")]
        assert aside == ([] if content is None else [content])
        world.play()
        assert (await service.create()).snapshot.sequence == 3


async def test_a_catalog_that_breaks_while_the_bot_runs_is_made_again_by_the_next_snapshot(tmp_path: Path) -> None:
    """Listing raises what is wrong; taking a snapshot repairs it and goes on."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        (world.repository / CATALOG).write_bytes(b"{")
        with pytest.raises(CatalogError):
            await service.list()
        world.play()
        made = (await service.create()).snapshot
        assert ids(await service.list()) == [made.id, world.newer.id, world.older.id]


def newer_catalog(world: ServiceWorld) -> bytes:
    """Replace the catalog with one that a newer version wrote."""
    catalog = world.repository / CATALOG
    document: dict[str, Any] = json.loads(catalog.read_bytes())
    document["format"] = 99
    catalog.write_text(json.dumps(document))
    return catalog.read_bytes()


async def test_a_catalog_of_a_newer_version_is_refused_and_left_untouched(tmp_path: Path) -> None:
    """No operation replaces what a newer Savepoint knows, not even the rebuild of the catalog."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        content = newer_catalog(world)
        files = world.files()
        operations = (
            service.create,
            service.list,
            service.prune,
            service.rebuild_catalog,
            service.start_up,
            service.status,
            service.integrity,
        )
        for operation in operations:
            with pytest.raises(CatalogTooNew, match="newer Savepoint") as caught:
                await operation()
            assert (caught.value.found, caught.value.supported) == (99, 2)
        assert (world.repository / CATALOG).read_bytes() == content
        assert world.files() == files
    with pytest.raises(CatalogTooNew):
        async with world.opened():
            pass
    assert (world.repository / CATALOG).read_bytes() == content
    assert not list(world.repository.glob("*.damaged-*"))


async def test_something_else_in_the_catalogs_place_is_an_error_of_ours(tmp_path: Path) -> None:
    """A folder, or what cannot be read: a sentence about the repository, from every way of looking."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        (world.repository / CATALOG).unlink()
        (world.repository / CATALOG).mkdir()
        for operation in (service.list, service.status, service.create, service.prune):
            with pytest.raises(RepositoryError):
                await operation()
    with pytest.raises(RepositoryError):
        async with world.opened():
            pass


async def test_a_file_that_a_crash_left_unlisted_is_proven_and_listed_at_start(tmp_path: Path) -> None:
    """A crash between the file and the catalog loses nothing; a damaged one is listed as what it is."""
    world = await played_world(tmp_path)
    catalog = (world.repository / CATALOG).read_bytes()
    async with world.opened() as service:
        world.play()
        sound = (await service.create()).snapshot
        world.play()
        broken = (await service.create(Kind.CRITICAL)).snapshot
    flip_byte(world.file_of(broken))
    (world.repository / CATALOG).write_bytes(catalog)
    (world.repository / "latest.db.gz").unlink()
    async with world.opened() as later:
        listed = await later.list()
        assert ids(listed) == [broken.id, sound.id, world.newer.id, world.older.id]
        assert [snapshot.damaged for snapshot in listed] == [True, False, False, False]
        assert (world.repository / "latest.db.gz").readlink() == Path(sound.path)


async def test_a_file_that_is_gone_is_marked_at_start(tmp_path: Path) -> None:
    """What cannot be restored is not promised."""
    world = await played_world(tmp_path)
    world.file_of(world.newer).unlink()
    async with world.opened() as service:
        assert [snapshot.damaged for snapshot in await service.list()] == [True, False]
        assert await service.get("latest") == world.older


async def test_temporary_files_of_a_crash_are_removed_at_start(tmp_path: Path) -> None:
    """Whatever is in ``.work`` and nobody uses goes; what somebody uses stays."""
    world = await played_world(tmp_path)
    work = world.repository / ".work"
    (work / "snapshot-ffffffffffff").write_bytes(b"half of one")
    (work / "catalog.new.json").write_bytes(b"{")
    (work / "job-abcdef").mkdir()
    (work / "job-abcdef" / "image.db").write_bytes(b"player data")
    (work / "job-abcdef.lock").touch()
    (work / "restore-x").mkdir()
    async with world.opened() as running:
        assert world.temporary_files() == set()
        context = running._context
        mark = InUseLock(work / "job-used.lock")
        await context.in_thread(mark.hold)
        (work / "job-used").mkdir()
        async with world.opened():
            assert world.temporary_files() == {"job-used", "job-used.lock"}
        mark.release()


async def test_a_snapshot_whose_entry_could_not_be_written_does_not_come_back_as_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills between file and catalog must not bring an old state to the front at the next start."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        world.play()
        with monkeypatch.context() as full:
            full.setattr("core.snapshots.repository.catalog.write_atomically", _no_space)
            with pytest.raises(RepositoryError):
                await service.create()
        world.play()
        newest = (await service.create()).snapshot
        assert newest.sequence == 3
    async with world.opened() as later:
        assert (await later.get("latest")).id == newest.id
        assert (await later.list())[0].id == newest.id
        assert world.rows_in(await later.get("latest")) == world.rows()


def _no_space(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


async def test_the_repository_can_be_moved_to_another_place(tmp_path: Path) -> None:
    """Paths in the catalog and in ``latest`` are relative."""
    world = await played_world(tmp_path / "here")
    (tmp_path / "there").mkdir()
    shutil.move(world.repository, tmp_path / "there" / "backups")
    async with world.opened(repository={"path": str(tmp_path / "there" / "backups")}) as service:
        assert (await service.verify("latest")).ok
        assert (tmp_path / "there" / "backups" / "latest.db.gz").exists()


async def test_a_repository_that_was_removed_is_made_again(tmp_path: Path) -> None:
    """The next snapshot has a place to go, and is a first one."""
    world = await played_world(tmp_path)
    async with world.opened() as service:
        shutil.rmtree(world.repository)
        made = (await service.create()).snapshot
        assert await service.list() == (made,)
        assert world.rows_in(made) == world.rows()


async def test_a_file_in_the_repositorys_place_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """One sentence that says what is in the way."""
    world = ServiceWorld(tmp_path)
    world.repository.write_text("a file")
    with pytest.raises(RepositoryError) as caught:
        async with world.opened():
            pass
    assert str(caught.value) == f"{world.repository} is in the way: it is a file where a folder is needed."
