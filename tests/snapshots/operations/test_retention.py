"""Retention as the service carries it out: at each publication, by hand, when the disk is short, by any clock."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec
import pytest

from core.snapshots import Kind, NotEnoughSpace, PruneDecision, RetentionRules, Snapshot, SnapshotService
from core.snapshots.units import Duration, size_text
from tests.worlds.service_world import ServiceWorld, flip_byte, ids, played_world

pytestmark = pytest.mark.process

TEN_YEARS = dt.timedelta(days=3652)
FEW_EVENTS = {"critical": 2}
DAY = 86400.0


async def events(service: SnapshotService, world: ServiceWorld, forms: str) -> list[Snapshot]:
    """Take an event snapshot for each letter: "f" is a full, "i" an incremental on the one before."""
    taken = []
    for form in forms:
        world.play()
        if form == "f":
            world.forget_pages()
        taken.append((await service.create(Kind.CRITICAL)).snapshot)
    assert "".join(snapshot.form.value[0] for snapshot in taken) == forms
    return taken


def dropped(decisions: tuple[PruneDecision, ...]) -> list[str]:
    return [decision.snapshot.id for decision in decisions if not decision.keep]


async def test_each_publication_removes_what_retention_does_not_keep(tmp_path: Path) -> None:
    """File and entry go together, pins stay outside the count, and the newest ones stay."""
    world = ServiceWorld(tmp_path)
    async with world.opened(retention=FEW_EVENTS) as service:
        (pinned,) = await events(service, world, "f")
        await service.pin(pinned.id)
        others = await events(service, world, "ffff")
        kept = [others[3], others[2], pinned]
        assert ids(await service.list()) == ids(kept)
        assert world.files() == {snapshot.path for snapshot in kept}


async def test_a_pin_has_its_reason_in_the_audit_log_and_as_a_note(tmp_path: Path) -> None:
    """A note of its own stays; that a pin ends changes no note."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        bare = (await service.create()).snapshot
        noted = (await service.create(note="mine")).snapshot
        assert (await service.pin(bare.id, why=" before the cup\n")).note == "before the cup"
        assert (await service.pin(noted.id, why="because")).note == "mine"
        assert (await service.pin(bare.id, False, why="it is over")).note == "before the cup"
        lines = [(line.action, line.detail) for line in await service.audit()]
        assert lines == [("pin", "before the cup"), ("pin", "because"), ("unpin", "it is over")]


async def test_what_a_kept_incremental_builds_on_stays_until_nothing_does(tmp_path: Path) -> None:
    """A chain goes with the last of it that is kept, at the publication that takes its place."""
    world = ServiceWorld(tmp_path)
    async with world.opened(retention=FEW_EVENTS) as service:
        chain = await events(service, world, "fiii")
        assert ids(await service.list()) == ids(reversed(chain))
        (pinned,) = await events(service, world, "i")
        await service.pin(pinned.id)
        following = await events(service, world, "f")
        assert ids(await service.list()) == ids(reversed([*chain, pinned, *following]))
        following += await events(service, world, "i")
        assert ids(await service.list()) == ids(reversed([*chain, pinned, *following]))
        await service.pin(pinned.id, False)
        await service.prune()
        assert ids(await service.list()) == ids(reversed(following))
        assert world.files() == {snapshot.path for snapshot in following}
        assert world.rows_in(following[-1]) == world.rows()


@pytest.mark.parametrize("forms", ["ffff", "fifi"])
async def test_a_dry_run_gives_its_reasons_and_changes_nothing(tmp_path: Path, forms: str) -> None:
    """What it says is what carrying it out then does."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        taken = await events(service, world, forms)
    async with world.opened(retention=FEW_EVENTS) as service:
        before = {path: path.read_bytes() for path in sorted(world.repository.rglob("*")) if path.is_file()}
        said = await service.prune(dry_run=True)
        assert said.dry_run
        assert said.freed == 0
        assert all(decision.reasons for decision in said.decisions)
        assert dropped(said.decisions) == ids(reversed(taken[:2]))
        assert before == {path: path.read_bytes() for path in sorted(world.repository.rglob("*")) if path.is_file()}
        done = await service.prune()
        assert not done.dry_run
        assert done.decisions == said.decisions
        assert done.freed == sum(snapshot.size for snapshot in taken[:2])
        assert world.files() == {snapshot.path for snapshot in taken[2:]}
        assert dropped((await service.prune()).decisions) == []


async def test_the_newest_restorable_one_stays_whatever_the_rules_say(tmp_path: Path) -> None:
    """Rules of zero for everything, and a newest that is damaged: the newest sound one is still there."""
    world = await played_world(tmp_path)
    nothing = {
        name: Duration(0) if isinstance(value, float) else 0
        for name, value in msgspec.structs.asdict(RetentionRules()).items()
    }
    async with world.opened(retention=nothing) as service:
        flip_byte(world.file_of(world.newer))
        await service.verify(world.newer.id)
        world.clock.advance(days=80)
        await service.prune()
        assert world.older.id in ids(await service.list())
        assert (await service.verify(world.older.id)).ok


async def test_a_clock_that_jumps_ten_years_and_back_removes_nothing(tmp_path: Path) -> None:
    """What is kept, what is newest and what comes next do not depend on the clock being right."""
    world = await played_world(tmp_path)
    latest = world.repository / "latest.db.gz"
    async with world.opened() as service:
        honest = world.clock()
        taken = [world.older, world.newer]
        for moment in (honest + TEN_YEARS, honest + dt.timedelta(hours=1), honest - TEN_YEARS):
            world.clock.set(moment)
            for kind in (Kind.PERIODIC, Kind.CRITICAL):
                world.play()
                taken.append((await service.create(kind)).snapshot)
            assert latest.readlink() == Path(taken[-2].path)
            await service.prune()
            assert ids(await service.list()) == ids(reversed(taken))
            assert await service.get("latest") == taken[-1]
        assert [snapshot.sequence for snapshot in taken] == list(range(1, 9))
        world.clock.set(honest + dt.timedelta(hours=2))
        await service.prune()
        assert world.files() == {snapshot.path for snapshot in taken}
    async with world.opened() as later:
        assert ids(await later.list()) == ids(reversed(taken))


async def test_periodic_snapshots_go_on_after_the_clock_was_wrong(tmp_path: Path) -> None:
    """Neither ten years of silence nor a snapshot at each look: the next is due an interval after the last."""
    world = await played_world(tmp_path)
    interval = dt.timedelta(minutes=20)
    honest = world.clock()
    async with world.opened() as service:
        world.clock.set(honest + TEN_YEARS)
        await service.create(Kind.PERIODIC)
        assert (await service.create(Kind.PERIODIC)).unchanged
        world.clock.set(honest + dt.timedelta(hours=1))
        assert service.periodic_due() <= world.clock()
        world.play()
        taken = (await service.create(Kind.PERIODIC)).snapshot
        assert service.periodic_due() == taken.created_at + interval
    world.clock.set(honest + TEN_YEARS)
    async with world.opened() as started_in_2036:
        world.clock.set(honest + dt.timedelta(hours=3))
        assert started_in_2036.periodic_due() <= world.clock()


def little_space(monkeypatch: pytest.MonkeyPatch, world: ServiceWorld, free: int) -> None:
    """Make the disk's free space depend on the repository's files alone."""

    def used() -> int:
        return sum(path.stat().st_size for path in world.repository.rglob("*.gz") if not path.is_symlink())

    whole = free + used()

    def free_space(_path: Path) -> int:
        return whole - used()

    monkeypatch.setattr("core.snapshots.files.free_space", free_space)


@pytest.mark.parametrize(("forms", "stays"), [("ffff", [3]), ("fifi", [3, 2])])
async def test_a_full_disk_loses_its_expired_snapshots_before_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forms: str, stays: list[int]
) -> None:
    """What retention would drop anyway makes room; the new snapshot is taken, what is kept stays with its base."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        taken = await events(service, world, forms)
        needed = 1 << 21
    async with world.opened(retention=FEW_EVENTS, repository={"min_free": 1000}) as service:
        world.play()
        monkeypatch.setattr("core.snapshots.operations.create.needed_for_snapshot", lambda *_, **__: needed)
        little_space(monkeypatch, world, 1000 + needed - taken[0].size)
        made = (await service.create(Kind.CRITICAL)).snapshot
        kept = [made, *(taken[number] for number in stays)]
        assert ids(await service.list()) == ids(kept)
        assert world.files() == {snapshot.path for snapshot in kept}


async def test_a_disk_that_stays_full_refuses_with_the_figures_and_keeps_all_that_matters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner is told what is free, what is needed and what must stay; nothing that is kept is removed for it."""
    world = await played_world(tmp_path)
    async with world.opened(repository={"min_free": 5000}) as service:
        little_space(monkeypatch, world, 4000)
        files = world.files()
        with pytest.raises(NotEnoughSpace) as caught:
            await service.create()
        error = caught.value
        assert (error.free, error.minimum) == (4000, 5000)
        assert error.needed > world.database.stat().st_size
        for figure in (error.free, error.needed, error.minimum):
            assert size_text(figure) in str(error)
        with pytest.raises(NotEnoughSpace):
            await service.restore(world.older.id)
        assert world.files() == files
        assert world.temporary_files() == set()


async def test_the_disk_is_watched_while_a_snapshot_is_written(tmp_path: Path) -> None:
    """A minimum that no disk has is refused before anything is written, whatever the estimate said."""
    world = ServiceWorld(tmp_path)
    async with world.opened(repository={"min_free": 1 << 62}) as service:
        with pytest.raises(NotEnoughSpace):
            await service.create()
        assert world.files() == set()
        assert world.temporary_files() == set()
