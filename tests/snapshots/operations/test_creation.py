"""The creation of snapshots: where they are stored, what they contain, what is recorded, and what a failure leaves."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import stat
import threading
from pathlib import Path

import pytest

from core.snapshots import (
    Actor,
    AmbiguousSnapshot,
    Form,
    Kind,
    Level,
    RepositoryError,
    SnapshotDamaged,
    SnapshotNotFound,
    SnapshotService,
)
from core.snapshots.models import Progress
from core.snapshots.repository.names import NOTE_LENGTH, parse_name
from tests.worlds.game_database import OtherProcess
from tests.worlds.service_world import (
    CATALOG,
    FOLDER_OF,
    NOON,
    PLAYERS,
    ServiceWorld,
    flip_byte,
    rows_of_gzip,
)

pytestmark = pytest.mark.process


async def test_each_kind_goes_to_its_folder_and_latest_follows_all_but_events(tmp_path: Path) -> None:
    """Names say what they are, files are private, and ``latest.db.gz`` is a database that gunzip gives at once."""
    world = ServiceWorld(tmp_path)
    latest = world.repository / "latest.db.gz"
    newest_state, newest_id = None, ""
    async with world.opened() as service:
        for number, kind in enumerate(Kind, start=1):
            world.add_users(500 + number)
            before = world.clock()
            snapshot = (await service.create(kind, reason=f"Reason {number}!")).snapshot
            folder, _, name = snapshot.path.partition("/")
            parsed = parse_name(name)
            assert parsed is not None
            assert (folder, parsed.kind, parsed.id, parsed.slug) == (
                FOLDER_OF[kind],
                kind,
                snapshot.id,
                f"reason-{number}",
            )
            upon = kind is Kind.CRITICAL
            assert (snapshot.sequence, snapshot.kind) == (number, kind)
            assert (snapshot.form, snapshot.base) == ((Form.INCREMENTAL, newest_id) if upon else (Form.FULL, None))
            assert parsed.suffix == (".pages.gz" if upon else ".db.gz")
            newest_id = snapshot.id
            assert before < snapshot.began_at <= snapshot.created_at < snapshot.verification.at
            assert snapshot.verification.ok
            assert snapshot.rows["users"] == PLAYERS + number
            assert snapshot.size == world.file_of(snapshot).stat().st_size
            assert stat.S_IMODE(world.file_of(snapshot).stat().st_mode) == 0o600
            if kind not in (Kind.CRITICAL, Kind.SAFETY):
                newest_state = world.rows()
            assert rows_of_gzip(latest, tmp_path / "unpacked.db") == newest_state
        listed = await service.list()
        assert [snapshot.kind for snapshot in listed] == list(reversed(Kind))
        assert service.known == listed
        assert await service.list(Kind.MANUAL) == (listed[3],)
        assert world.files() == {snapshot.path for snapshot in listed}
        assert latest.is_symlink()
        for folder in ("", "daily", "critical", "shutdown", ".work"):
            assert stat.S_IMODE((world.repository / folder).stat().st_mode) == 0o700, folder
        assert stat.S_IMODE((world.repository / CATALOG).stat().st_mode) == 0o600
        assert world.temporary_files() == set()


async def test_latest_follows_the_kinds_of_the_setting(tmp_path: Path) -> None:
    """A host that wants ``latest.db.gz`` after each event says so."""
    world = ServiceWorld(tmp_path)
    async with world.opened(repository={"latest_after": (Kind.CRITICAL,)}) as service:
        await service.create(Kind.MANUAL)
        assert not (world.repository / "latest.db.gz").exists()
        snapshot = (await service.create(Kind.CRITICAL, pin=True)).snapshot
        assert (world.repository / "latest.db.gz").readlink() == Path(snapshot.path)


@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
async def test_a_snapshot_opens_anywhere_without_leaving_a_log_beside_it(tmp_path: Path, journal_mode: str) -> None:
    """Whatever the journal mode of the game, what gunzip gives is one complete file."""
    world = ServiceWorld(tmp_path, journal_mode=journal_mode)
    async with world.opened() as service:
        with OtherProcess(world.database, "INSERT INTO users (name, dust) VALUES ('in the log only', 1000)"):
            snapshot = (await service.create()).snapshot
        assert snapshot.details["journal_mode"] == journal_mode
        assert snapshot.rows["users"] == PLAYERS + 1
        unpacked = tmp_path / "elsewhere" / "unpacked.db"
        unpacked.parent.mkdir()
        unpacked.write_bytes(gzip.decompress(world.file_of(snapshot).read_bytes()))
        assert unpacked.stat().st_size == snapshot.database_size
        with OtherProcess(unpacked) as other:
            assert other.execute("PRAGMA journal_mode") == [["delete"]]
            assert other.execute("SELECT count(*) FROM users") == [[PLAYERS + 1]]
            assert [path.name for path in unpacked.parent.iterdir()] == ["unpacked.db"]


async def test_a_note_keeps_whatever_a_person_wrote(tmp_path: Path) -> None:
    """Halves of characters and very long texts are made fit for every file; the rest is kept to the letter."""
    world = ServiceWorld(tmp_path)
    notes = {
        "vor dem Update 名前 🂡 \u202e\0\n": "vor dem Update 名前 🂡 \u202e\0\n",
        "half \ud83c of a card": "half ? of a card",
        "x" * 70_000: "x" * (NOTE_LENGTH - 1) + "…",
    }
    async with world.opened() as service:
        for note, kept in notes.items():
            assert (await service.create(note=note)).snapshot.note == kept
        listed = await service.list()
        await service.rebuild_catalog()
        assert [snapshot.note for snapshot in await service.list()] == list(reversed(notes.values()))
        assert [snapshot.reasons for snapshot in await service.list()] == [snapshot.reasons for snapshot in listed]


async def test_pins_are_set_and_taken_back_and_survive_a_restart(tmp_path: Path) -> None:
    """A pin is the catalog's: the file never changes for it."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        pinned = (await service.create(pin=True)).snapshot
        plain = (await service.create()).snapshot
        content = world.file_of(plain).read_bytes()
        assert (await service.pin(plain.id)).pinned
        assert not (await service.pin(pinned.id, False)).pinned
        assert world.file_of(plain).read_bytes() == content
        assert (await service.status()).pinned == 1
    async with world.opened() as later:
        assert {snapshot.id: snapshot.pinned for snapshot in await later.list()} == {plain.id: True, pinned.id: False}


async def test_a_snapshot_is_found_by_id_prefix_and_latest(tmp_path: Path) -> None:
    """A missing or ambiguous id is an error of its own, for every operation that takes an id."""
    world = ServiceWorld(tmp_path)
    numbers = itertools.count(1)
    service = SnapshotService(
        world.settings(), clock=world.clock, token_hex=lambda count: f"abcd{next(numbers):x}".ljust(2 * count, "0")
    )
    await service.open()
    try:
        with pytest.raises(SnapshotNotFound, match="no snapshot yet"):
            await service.get("latest")
        first = (await service.create()).snapshot
        second = (await service.create()).snapshot
        assert await service.get(first.id.upper()) == first
        assert await service.get(second.id[:-1]) == second
        assert await service.get(" latest ") == second
        for text, error in (("abcd", AmbiguousSnapshot), ("f" * 12, SnapshotNotFound), ("../x", SnapshotNotFound)):
            for operation in (service.get, service.verify, service.restore, service.restore_plan, service.pin):
                with pytest.raises(error):
                    await operation(text)
            with pytest.raises(error):
                await service.export(text, tmp_path / "out.db.gz")
        assert not (tmp_path / "out.db.gz").exists()
    finally:
        await service.close()


async def test_progress_is_told_in_the_loops_thread_phase_by_phase(tmp_path: Path) -> None:
    """Whoever shows a bar gets each phase from its beginning to its end."""
    world = ServiceWorld(tmp_path)
    heard: list[Progress] = []
    threads: set[int] = set()

    def on_progress(progress: Progress) -> None:
        heard.append(progress)
        threads.add(threading.get_ident())

    async with world.opened() as service:
        made = (await service.create(on_progress=on_progress)).snapshot
        await asyncio.sleep(0)
    assert list(dict.fromkeys(progress.phase for progress in heard)) == ["compress", "check"]
    for phase in ("compress", "check"):
        steps = [progress for progress in heard if progress.phase == phase]
        assert (steps[0].done, steps[-1].done) == (0, made.database_size)
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("form", Form)
async def test_an_export_stands_alone_and_never_replaces_a_file(tmp_path: Path, form: Form) -> None:
    """It is a full's archive, or is made from a chain; it is verified first, so a damaged one leaves no file."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        made = (await service.create()).snapshot
        if form is Form.INCREMENTAL:
            world.play()
            made = (await service.create(Kind.CRITICAL)).snapshot
        assert made.form is form
        target = tmp_path / "out.db.gz"
        assert (await service.export(made.id, target)).size == target.stat().st_size
        assert (target.read_bytes() == world.file_of(made).read_bytes()) == (form is Form.FULL)
        assert rows_of_gzip(target, tmp_path / "unpacked.db") == world.rows()
        with pytest.raises(RepositoryError, match="is there already"):
            await service.export(made.id, target)
        with pytest.raises(RepositoryError):
            await service.export(made.id, tmp_path / "no-such-folder" / "out.db.gz")
        flip_byte(world.file_of(made))
        with pytest.raises(SnapshotDamaged):
            await service.export(made.id, tmp_path / "other.db.gz")
        assert not (tmp_path / "other.db.gz").exists()


async def test_an_export_as_bytes_leaves_nothing_behind(tmp_path: Path) -> None:
    """One that is too large gives none, without writing it where the full says so beforehand; nor does a failure."""
    world, actor = ServiceWorld(tmp_path), Actor(source="discord", id=7, name="Ann")
    async with world.opened() as service:
        await service.create()
        world.play()
        made = (await service.create(Kind.CRITICAL)).snapshot
        found = await service.exported(made.id, 10**6, actor, lambda _: None)
        assert found is not None
        name, content = found
        assert name == f"{made.id}.db.gz"
        (tmp_path / name).write_bytes(content)
        assert rows_of_gzip(tmp_path / name, tmp_path / "unpacked.db") == world.rows()
        for most in (100, len(content) - 1):
            assert await service.exported(made.id, most, actor, lambda _: None) is None
        flip_byte(world.file_of(made))
        with pytest.raises(SnapshotDamaged):
            await service.exported(made.id, 10**6, actor, lambda _: None)
        assert [path.name for path in (world.repository / ".work").iterdir() if "export" in path.name] == []
        assert [(line.action, line.actor.id) for line in await service.audit()] == [("export", 7)]


async def test_status_counts_what_is_there(tmp_path: Path) -> None:
    """Counts, sizes, the newest and the next one due, in one look."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        empty = await service.status()
        assert (empty.snapshots, empty.newest, empty.newest_restored, empty.running) == (0, None, None, False)
        first = (await service.create(pin=True)).snapshot
        await service.verify(first.id, Level.RESTORED)
        second = (await service.create(Kind.CRITICAL, pin=True)).snapshot
        flip_byte(world.file_of(second))
        await service.verify(second.id)
        status = await service.status()
        assert (status.snapshots, status.damaged, status.pinned) == (2, 1, 2)
        assert status.kinds == {"periodic": 0, "manual": 1, "critical": 1, "shutdown": 0, "safety": 0}
        assert status.size == first.size + second.size
        assert status.free > 0
        assert status.newest is not None
        assert status.newest.id == second.id
        assert status.newest_restored is not None
        assert status.newest_restored.id == first.id
        assert (status.engine, status.repository) == ("sqlite", str(world.repository))
        assert status.next_periodic == service.periodic_due() > NOON
