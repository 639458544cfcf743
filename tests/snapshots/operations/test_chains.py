"""Chains through the service: which form is chosen, what damage costs, and that every state comes back."""

from __future__ import annotations

import datetime as dt
import gzip
import random
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from core.snapshots import Kind, Level, Snapshot, SnapshotService
from core.snapshots.archive.full import read_head, read_tail
from core.snapshots.errors import SnapshotDamaged
from core.snapshots.models import Form
from core.snapshots.policies.chain import dependants_of
from core.snapshots.units import Duration
from tests.worlds.chain_world import MEMBER_RECORD, PAGE_INDEX, ChainWorld, play_something
from tests.worlds.game_database import contents_of
from tests.worlds.service_world import FOLDER_OF, NOON, flip_byte

pytestmark = pytest.mark.process

RETENTION = {
    "keep_all": Duration(3600),
    "daily": 3,
    "critical": 5,
    "safety": Duration(86400),
    "shutdown": Duration(86400),
}


@asynccontextmanager
async def chained(
    folder: Path, *kinds: Kind, journal_mode: str = "wal"
) -> AsyncIterator[tuple[ChainWorld, SnapshotService, list[Snapshot]]]:
    """Yield a world with snapshots of these kinds, and a small change before each of them."""
    world = ChainWorld(folder, journal_mode=journal_mode)
    try:
        async with world.opened() as service:
            made = []
            for kind in kinds:
                world.buy()
                made.append((await service.create(kind)).snapshot)
            yield world, service, made
    finally:
        world.close()


async def bought(world: ChainWorld, service: SnapshotService, kind: Kind = Kind.CRITICAL) -> Snapshot:
    world.buy()
    return (await service.create(kind)).snapshot


@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
async def test_the_form_follows_the_kind_and_the_day(tmp_path: Path, journal_mode: str) -> None:
    """Manual, shutdown and the day's first periodic stand alone; events and later periodic ones build on the newest."""
    kinds = [Kind.MANUAL, Kind.CRITICAL, Kind.PERIODIC, Kind.PERIODIC, Kind.CRITICAL, Kind.SHUTDOWN, Kind.CRITICAL]
    async with chained(tmp_path, *kinds, journal_mode=journal_mode) as (world, service, made):
        assert [each.form.value[0] for each in made] == list("fifiifi")
        assert [each.base for each in made] == [
            None, made[0].id, None, made[2].id, made[3].id, None, made[5].id,
        ]  # fmt: skip
        world.clock.advance(days=1)
        assert (await bought(world, service, Kind.PERIODIC)).form is Form.FULL
        assert (await bought(world, service, Kind.PERIODIC)).form is Form.INCREMENTAL
        world.buy()
        pinned = await service.create(Kind.CRITICAL, pin=True)
        assert pinned.snapshot.form is Form.FULL
        world.game.execute("UPDATE cards SET story = upper(story)")
        assert (await service.create(Kind.CRITICAL)).snapshot.form is Form.FULL
        world.work_file(PAGE_INDEX).unlink()
        assert (await bought(world, service)).form is Form.FULL
        assert (await bought(world, service)).form is Form.INCREMENTAL


async def test_an_event_on_an_unchanged_database_writes_nothing(tmp_path: Path) -> None:
    """It is covered by the newest, an incremental here, also after a restart."""
    async with chained(tmp_path, Kind.MANUAL, Kind.CRITICAL) as (world, service, made):
        files = world.files()
        assert (await service.request(Kind.CRITICAL, "nothing").wait()).id == made[1].id
        await service.close()
        async with world.opened() as again:
            covered = await again.create(Kind.CRITICAL)
            assert covered.unchanged
            assert covered.snapshot.id == made[1].id
        assert world.files() == files


def ids_damaged(service: SnapshotService) -> set[str]:
    return {each.id for each in service.known if each.damaged}


@pytest.mark.parametrize(
    ("level", "harm", "which"),
    [
        (Level.CHECKSUM, "flip", 1),
        (Level.RESTORED, "cut", 1),
        (Level.CHECKSUM, "gone", 1),
        (Level.RESTORED, "flip", 2),
        (Level.CHECKSUM, "gone", 2),
    ],
)
async def test_damage_below_marks_the_culprit_and_what_builds_on_it(
    tmp_path: Path, level: Level, harm: str, which: int
) -> None:
    """Found from the tip; nothing is deleted, ``latest`` goes to what is sound, and the next one is a full."""
    kinds = (Kind.MANUAL, Kind.PERIODIC, Kind.CRITICAL, Kind.PERIODIC, Kind.CRITICAL)
    async with chained(tmp_path, *kinds) as (world, service, made):
        assert read_head((world.repository / "latest.db.gz").resolve()).id == made[3].id
        path = world.file_of(made[which])
        if harm == "flip":
            flip_byte(path)
        elif harm == "cut":
            path.write_bytes(path.read_bytes()[:-40])
        else:
            path.unlink()
        files = world.files()
        report = await service.verify(made[-1].id, level)
        assert not report.ok
        assert ids_damaged(service) == {each.id for each in made[which:]}
        assert world.files() == files
        latest = world.repository / "latest.db.gz"
        assert read_head(latest.resolve()).id == made[which - 1].id
        world.rows_of(gzip.decompress(latest.read_bytes()))
        with pytest.raises(SnapshotDamaged):
            await service.restore(made[-1].id)
        following = await service.create(Kind.CRITICAL)
        assert following.snapshot.form is Form.FULL
        assert world.rows_of(await world.exported(service, following.snapshot)) == world.rows()


async def test_a_restore_that_finds_damage_marks_the_file_below(tmp_path: Path) -> None:
    """The same as a verification, and ``latest`` follows."""
    async with chained(tmp_path, Kind.MANUAL, Kind.PERIODIC, Kind.PERIODIC) as (world, service, made):
        flip_byte(world.file_of(made[1]))
        before = world.rows()
        with pytest.raises(SnapshotDamaged):
            await service.restore(made[2].id)
        assert ids_damaged(service) == {made[1].id, made[2].id}
        assert read_head((world.repository / "latest.db.gz").resolve()).id == made[0].id
        assert world.rows() == before


async def test_a_base_that_goes_missing_in_silence_covers_nothing(tmp_path: Path) -> None:
    """Nothing changed, and the newest file is there; but what it builds on is not, so a full is written."""
    async with chained(tmp_path, Kind.MANUAL, Kind.CRITICAL) as (world, service, made):
        assert (await service.create(Kind.CRITICAL)).unchanged
        world.file_of(made[0]).unlink()
        again = await service.create(Kind.CRITICAL)
        assert not again.unchanged
        assert again.snapshot.form is Form.FULL


async def test_an_export_of_any_point_stands_alone(tmp_path: Path) -> None:
    """With the record of the newest full, that of another one, and without any."""
    kinds = (Kind.MANUAL, Kind.CRITICAL, Kind.CRITICAL, Kind.MANUAL, Kind.CRITICAL)
    async with chained(tmp_path, *kinds) as (world, service, made):
        images = [world.image_of(service, each) for each in made]
        assert len({*images}) == len(made)
        for _ in range(2):
            assert [await world.exported(service, each) for each in made] == images
            world.work_file(MEMBER_RECORD).unlink(missing_ok=True)
        assert world.rows_of(images[-1]) == world.rows()


async def test_what_stands_alone_says_what_is_in_it_and_is_for_nobody_else(tmp_path: Path) -> None:
    """An export and ``latest.*`` carry the counts of the snapshot's rows, whichever way they were put together."""
    async with chained(tmp_path, Kind.MANUAL, Kind.CRITICAL, Kind.PERIODIC, Kind.PERIODIC) as (world, service, made):
        assert made[-1].form is Form.INCREMENTAL
        assert read_tail((world.repository / "latest.db.gz").resolve()).rows == made[-1].rows
        for number, snapshot in enumerate(made):
            if number == 2:
                world.work_file(MEMBER_RECORD).unlink()
            target = tmp_path / f"{number}.db.gz"
            await service.export(snapshot.id, target)
            assert read_tail(target).rows == snapshot.rows
            assert stat.S_IMODE(target.stat().st_mode) == 0o600


async def test_latest_goes_with_the_last_snapshot_it_can_be(tmp_path: Path) -> None:
    """Retention can take the last one of the kinds it follows: it then is gone rather than a link to nowhere."""
    sections: dict[str, dict[str, Any]] = {
        "retention": {"keep_all": Duration(3600), "daily": 0, "shutdown": Duration(3600)},
        "repository": {"latest_after": (Kind.SHUTDOWN,)},
    }
    world = ChainWorld(tmp_path)
    latest = (world.repository / "latest.db.gz").resolve()
    try:
        async with world.opened(**sections) as service:
            goes = await bought(world, service, Kind.SHUTDOWN)
            assert latest.resolve() == world.file_of(goes)
            world.clock.advance(hours=30)
            stays = await bought(world, service, Kind.MANUAL)
            assert await service.list() == (stays,)
            assert not latest.is_symlink()
            assert not latest.exists()
    finally:
        world.close()


async def test_the_catalog_is_rebuilt_with_forms_and_bases_from_the_files_alone(tmp_path: Path) -> None:
    """And an incremental whose base is gone is listed as damaged, with all that builds on it."""
    kinds = (Kind.MANUAL, Kind.CRITICAL, Kind.PERIODIC, Kind.CRITICAL, Kind.CRITICAL)
    async with chained(tmp_path, *kinds) as (world, service, made):
        (world.repository / "backup_metadata.json").unlink()
        for left in (world.repository / ".work").glob("catalog.*"):
            left.unlink()
        assert (await service.rebuild_catalog()).snapshots == len(made)

        def facts(each: Snapshot) -> tuple[Any, ...]:
            return (
                each.id,
                each.form,
                each.base,
                each.fingerprint,
                each.database_size,
                each.size,
                each.rows,
                each.path,
            )

        assert [facts(each) for each in reversed(service.known)] == [facts(each) for each in made]
        assert not ids_damaged(service)
        assert (await bought(world, service)).base == made[-1].id
        world.file_of(made[3]).unlink()
        await service.rebuild_catalog()
        assert ids_damaged(service) == {made[4].id, service.known[0].id}
        assert {each.id for each in service.known if not each.damaged} == {each.id for each in made[:3]}


class Story:
    """What happens to a world, and what must be true after each step."""

    def __init__(self, world: ChainWorld, seed: int) -> None:
        self.world, self.dice = world, random.Random(seed)
        self.rows: dict[str, dict[str, list[tuple[Any, ...]]]] = {}
        self.images: dict[str, bytes] = {}
        self.service: SnapshotService
        self.incrementals = 0

    async def open(self) -> None:
        self.service = self.world.service(retention=RETENTION, repository={"min_free": 0})
        await self.service.open()

    async def remember(self, snapshot: Snapshot) -> None:
        """Keep what a snapshot was when it was made."""
        assert self.rows.setdefault(snapshot.id, self.world.rows()) == self.world.rows()
        if snapshot.id not in self.images:
            self.images[snapshot.id] = self.world.image_of(self.service, snapshot)
            assert self.world.rows_of(self.images[snapshot.id]) == self.rows[snapshot.id]
            self.incrementals += snapshot.form is Form.INCREMENTAL

    def sound(self) -> list[Snapshot]:
        return [each for each in self.service.known if not each.damaged]

    async def create(self) -> None:
        kinds = [Kind.CRITICAL] * 6 + [Kind.PERIODIC] * 4 + [Kind.MANUAL, Kind.SHUTDOWN]
        created = await self.service.create(self.dice.choice(kinds), pin=self.dice.random() < 0.05)
        await self.remember(created.snapshot)

    async def request(self) -> None:
        tickets = [self.service.request(Kind.CRITICAL, f"buy_{number}") for number in range(3)]
        covering = [await ticket.wait() for ticket in tickets]
        await self.service.settled()
        await self.remember(covering[-1])

    async def play(self) -> None:
        play_something(self.world, self.dice)

    async def pin(self) -> None:
        if known := self.service.known:
            await self.service.pin(self.dice.choice(known).id, self.dice.random() < 0.4)

    async def prune(self) -> None:
        await self.service.prune()

    async def jump(self) -> None:
        self.world.clock.advance(days=self.dice.choice([0.02, 0.1, 1, 1, 10, 80, -1, -3652, 3652]))

    async def restart(self) -> None:
        await self.service.close()
        await self.open()

    async def rebuild(self) -> None:
        await self.service.rebuild_catalog()

    async def lose(self) -> None:
        path = self.world.work_file(self.dice.choice([PAGE_INDEX, MEMBER_RECORD]))
        if path.exists():
            self.dice.choice([Path.unlink, flip_byte])(path)

    async def restore(self) -> None:
        if sound := self.sound():
            snapshot = self.dice.choice(sound)
            now = self.world.rows()
            report = await self.service.restore(snapshot.id)
            assert self.world.rows() == self.rows[snapshot.id]
            if report.safety is not None:
                self.rows.setdefault(report.safety.id, now)
                self.images.setdefault(report.safety.id, self.world.image_of(self.service, report.safety))

    async def harm(self) -> None:
        sound = self.sound()
        if len(sound) < 3:
            return
        snapshot = self.dice.choice(sound)
        hit = {snapshot.id, *(each.id for each in dependants_of(snapshot, self.service.known))}
        if all(each.id in hit for each in sound):
            return
        path = self.world.file_of(snapshot)
        harm = self.dice.choice(["flip", "cut", "gone"])
        if harm == "flip":
            flip_byte(path, self.dice.randrange(path.stat().st_size))
        elif harm == "cut":
            path.write_bytes(path.read_bytes()[: self.dice.randrange(path.stat().st_size)])
        else:
            path.unlink()
        tip = self.dice.choice([each for each in sound if each.id in hit])
        files = self.world.files()
        assert not (await self.service.verify(tip.id)).ok
        assert self.world.files() == files
        assert {each.id for each in sound} - {each.id for each in self.sound()} == hit & {each.id for each in sound}

    async def check(self, newest_before: int | None, action: str) -> None:
        """Every listed sound one gives back its bytes; the newest does not go; ``latest`` is what it should be."""
        sound = self.sound()
        if action != "harm" and newest_before is not None:
            assert sound
            assert sound[0].sequence >= newest_before
        for snapshot in sound:
            assert self.world.image_of(self.service, snapshot) == self.images[snapshot.id], action
        wanted = next((each for each in sound if FOLDER_OF[each.kind] != "critical"), None)
        if wanted is not None:
            latest = self.world.repository / "latest.db.gz"
            assert read_head(latest.resolve()).id == wanted.id, action
            content = gzip.decompress(latest.read_bytes())
            assert content == self.images[wanted.id]
            assert self.world.rows_of(content) == self.rows[wanted.id]

    async def go(self, steps: int) -> None:
        weights = {
            "create": 30, "play": 16, "request": 6, "pin": 5, "prune": 4, "jump": 5, "restart": 4, "rebuild": 2,
            "lose": 3, "restore": 3, "harm": 5,
        }  # fmt: skip
        for _ in range(steps):
            action = self.dice.choices(list(weights), weights=list(weights.values()))[0]
            if action in ("create", "request") and self.dice.random() < 0.85:
                self.world.buy(self.dice.randrange(1, 200))
            sound = self.sound()
            await getattr(self, action)()
            await self.check(sound[0].sequence if sound else None, action)
        for snapshot in self.dice.sample(sound := self.sound(), min(5, len(sound))):
            exported = await self.world.exported(self.service, snapshot)
            assert exported == self.images[snapshot.id]


@pytest.mark.parametrize(("seed", "journal_mode"), [(1, "wal"), (2, "delete"), (3, "wal")])
async def test_whatever_happens_every_listed_sound_snapshot_gives_back_its_bytes(
    tmp_path: Path, seed: int, journal_mode: str
) -> None:
    """Play of every kind, snapshots, pins, pruning, clocks, restarts, losses, restores and damage, in any order."""
    world = ChainWorld(tmp_path, journal_mode=journal_mode)
    world.clock.set(NOON + dt.timedelta(hours=seed))
    story = Story(world, seed)
    await story.open()
    try:
        await story.go(40)
        assert story.incrementals > 3
        assert contents_of(world.database)
    finally:
        await story.service.close()
        world.close()
