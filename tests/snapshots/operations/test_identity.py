"""A repository belongs to one database: nothing is written for, and nothing restored over, another one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.snapshots import Kind, SnapshotService, StartupOutcome
from core.snapshots.archive.full import read_head
from core.snapshots.errors import AnotherDatabase, RepositoryVanished, SnapshotNotFound
from core.snapshots.models import Actor
from core.snapshots.repository.catalog import FORMAT
from tests.worlds.database_harm import header_destroyed
from tests.worlds.service_world import ServiceWorld

pytestmark = pytest.mark.process

CATALOG = "backup_metadata.json"
OWNER = Actor(source="discord", name="owner", id=7)


class OtherBot(ServiceWorld):
    """A second bot with a database of its own, whose settings name the first bot's repository."""

    def __init__(self, first: ServiceWorld, folder: Path, *, game: bool = True) -> None:
        folder.mkdir()
        super().__init__(folder, game=game)
        self.repository = first.repository


@pytest.fixture
def first(tmp_path: Path) -> ServiceWorld:
    (tmp_path / "first").mkdir()
    return ServiceWorld(tmp_path / "first")


async def test_two_bots_with_one_folder_never_get_each_others_rows(first: ServiceWorld, tmp_path: Path) -> None:
    """The second bot's broken database stays as it is, and the sentence names both and the two ways out."""
    async with first.opened() as service:
        await service.create(Kind.PERIODIC)
    second = OtherBot(first, tmp_path / "second")
    header_destroyed(second)
    before = second.database.read_bytes()
    async with second.opened() as service:
        report = await service.start_up()
        with pytest.raises(AnotherDatabase) as refused:
            await service.create()
    assert report.outcome is StartupOutcome.REFUSED
    assert second.database.read_bytes() == before
    for said in (report.message, str(refused.value)):
        assert str(first.database) in said
        assert str(second.database) in said
        assert "repository" in said
        assert "claim" in said


@pytest.mark.parametrize("game", [False, True], ids=["no file yet", "a database of its own"])
async def test_a_bot_that_starts_for_the_first_time_in_a_used_folder_is_not_given_its_database(
    first: ServiceWorld, tmp_path: Path, game: bool
) -> None:
    """A missing database is restored only where it was before."""
    async with first.opened() as service:
        await service.create()
    second = OtherBot(first, tmp_path / "second", game=game)
    async with second.opened() as service:
        assert (await service.start_up()).outcome is StartupOutcome.REFUSED
    assert second.database.exists() is game


async def test_nothing_is_written_into_the_folder_of_another_bot(first: ServiceWorld, tmp_path: Path) -> None:
    """Opening, pruning and events of the wrong bot leave every byte of the repository as it was."""
    async with first.opened() as service:
        await service.create()
    files = {path: path.read_bytes() for path in first.repository.rglob("*") if path.is_file()}
    second = OtherBot(first, tmp_path / "second")
    async with second.opened() as service:
        with pytest.raises(AnotherDatabase):
            await service.prune()
        with pytest.raises(AnotherDatabase):
            await service.request(Kind.CRITICAL, "buy").wait()
        assert len(await service.list()) == 1
    now = {path: path.read_bytes() for path in first.repository.rglob("*") if path.is_file()}
    assert {path: content for path, content in now.items() if ".work" not in path.parts} == {
        path: content for path, content in files.items() if ".work" not in path.parts
    }


async def test_claim_is_the_way_out_after_a_move(first: ServiceWorld, tmp_path: Path) -> None:
    """After it the moved database is the repository's own, and the log says who claimed it and what it was before."""
    async with first.opened() as service:
        made = (await service.create()).snapshot
    moved = OtherBot(first, tmp_path / "moved")
    async with moved.opened() as service:
        identity = await service.claim(actor=OWNER)
        assert identity.location == str(moved.database)
        assert (await service.create()).snapshot.id != made.id
        (line,) = [each for each in await service.audit() if each.action == "claim"]
    assert line.actor == OWNER
    assert str(first.database) in line.detail
    async with first.opened() as service:
        with pytest.raises(AnotherDatabase):
            await service.create()


async def test_a_person_may_restore_across_databases_after_seeing_both(first: ServiceWorld, tmp_path: Path) -> None:
    """The plan names both; only the token of that plan restores, never a restore that nobody was asked about."""
    async with first.opened() as service:
        made = (await service.create()).snapshot
    rows = first.rows()
    moved = OtherBot(first, tmp_path / "moved")
    moved.add_users(900)
    async with moved.opened() as service:
        plan = await service.restore_plan(made.id)
        assert plan.another_database is not None
        assert str(first.database) in plan.another_database
        assert str(moved.database) in plan.another_database
        with pytest.raises(AnotherDatabase):
            await service.restore(made.id)
        report = await service.restore(made.id, agreed=plan.token)
    assert report.ok
    assert moved.rows() == rows


async def test_the_catalog_and_every_head_name_the_database(first: ServiceWorld) -> None:
    """A repository that lost its catalog still knows whose it is."""
    async with first.opened() as service:
        made = (await service.create()).snapshot
    catalog = msgspec.json.decode((first.repository / CATALOG).read_bytes())
    head = read_head(first.file_of(made))
    assert catalog["format"] == FORMAT
    assert head.identity is not None
    assert catalog["identity"]["location"] == head.identity.location == str(first.database)
    (first.repository / CATALOG).unlink()
    (first.repository / ".work" / "catalog.previous.json").unlink(missing_ok=True)
    async with first.opened() as service:
        await service.create()
    assert msgspec.json.decode((first.repository / CATALOG).read_bytes())["identity"] == catalog["identity"]


async def test_a_relative_path_is_that_of_the_start_wherever_the_game_goes(
    first: ServiceWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A game that changes the working directory moves neither the database nor the repository."""
    monkeypatch.chdir(first.folder)
    service = first.service(database={"url": "sqlite:///game.db"}, repository={"path": "backups"})
    os.chdir(tmp_path)
    try:
        await service.open()
        await service.create()
        assert len(await service.list()) == 1
    finally:
        await service.close()
    assert (first.folder / "backups" / CATALOG).exists()
    assert not (tmp_path / "backups").exists()


@pytest.mark.parametrize("length", [1, 2, 3])
async def test_the_beginning_of_an_id_never_restores_if_it_is_short(first: ServiceWorld, length: int) -> None:
    """One of a hundred snapshots is too easily another one's; four characters do, and looking takes any number."""
    async with first.opened() as service:
        made = (await service.create()).snapshot
        with pytest.raises(SnapshotNotFound, match="4 characters"):
            await service.restore(made.id[:length])
        assert (await service.get(made.id[:length])).id == made.id
        assert (await service.restore(made.id[:4])).ok


async def test_a_catalog_of_the_first_edition_is_taken_over_and_its_marks_are_looked_at_again(
    first: ServiceWorld,
) -> None:
    """What was marked damaged for its content is free, what does not give back its bytes stays marked, and the
    database becomes the repository's own.
    """
    async with first.opened() as service:
        content, bytes_gone = [(await service.create(note=note)).snapshot for note in ("content", "bytes")]
    path = first.repository / CATALOG
    old = msgspec.json.decode(path.read_bytes())
    old["format"] = 1
    del old["identity"]
    for entry in old["snapshots"]:
        del entry["health"]
        entry["verification"] = {"level": "restored", "at": entry["verification"]["at"], "ok": False}
    path.write_bytes(msgspec.json.encode(old))
    archive = first.file_of(bytes_gone)
    archive.write_bytes(archive.read_bytes()[:-20] + bytes(20))
    async with first.opened() as service:
        marked = {each.id: each.damaged for each in await service.list()}
        assert marked == {content.id: False, bytes_gone.id: True}
        await service.create()
    new = msgspec.json.decode(path.read_bytes())
    assert new["format"] == FORMAT
    assert new["identity"]["location"] == str(first.database)


async def test_a_repository_that_lost_its_snapshots_is_an_alert_and_no_silent_beginning(first: ServiceWorld) -> None:
    """On the same disk somebody removed them: the owner hears of it once, and the next snapshot is taken."""
    async with first.opened() as service:
        await service.create()
    first.repository.rename(first.folder / "elsewhere")
    async with first.opened() as service:
        assert (await service.create()).snapshot is not None
        await service.create()
    vanished = [message for key, message in first.heard.notices if key == "vanished"]
    assert len(vanished) == 1
    assert str(first.repository) in vanished[0]


async def test_nothing_is_written_on_the_mount_point_underneath(
    first: ServiceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty folder on another disk than before is a volume that is not mounted; claim begins anew there."""
    async with first.opened() as service:
        await service.create()
    first.repository.rename(first.folder / "elsewhere")
    first.repository.mkdir()
    monkeypatch.setattr("core.snapshots.operations.whereabouts.device_of", lambda path: -1)
    service = first.service()
    try:
        with pytest.raises(RepositoryVanished, match="not mounted"):
            await service.open()
        with pytest.raises(RepositoryVanished):
            await service.create()
        assert list(first.repository.iterdir()) == []
        await service.claim()
        assert (await service.create()).snapshot is not None
    finally:
        await service.close()


@pytest.mark.socket
async def test_a_database_of_another_engine_is_another_database(first: ServiceWorld) -> None:
    """SQLite's repository refuses a service whose settings name PostgreSQL, even before a server is asked."""
    async with first.opened() as service:
        await service.create()
    settings = first.settings(database={"url": "postgresql://nobody@127.0.0.1:1/game"})
    service = SnapshotService(settings, clock=first.clock, token_hex=first.ids)
    try:
        await service.open()
        with pytest.raises(AnotherDatabase):
            await service.create()
    finally:
        await service.close()


async def test_no_second_file_is_written_beside_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the repository is stands in one file, so that a crash in the middle leaves nothing else there."""
    world = ServiceWorld(tmp_path)
    seen: set[str] = set()
    opened = os.open

    def watched(path: Any, *arguments: Any, **options: Any) -> int:
        seen.add(os.fsdecode(path) if not isinstance(path, int) else "")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", watched)
    async with world.opened() as service:
        await service.create()
    beside = {Path(path).name for path in seen if Path(path).parent == world.database.parent}
    assert {name for name in beside if name.startswith(".")} == {".game.db.savepoint"}
