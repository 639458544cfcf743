"""Whatever is done in whatever order: what is listed as sound restores to the byte, and the newest such one stays."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from core.snapshots import Form, Kind, Level, Snapshot, SnapshotService
from core.snapshots.archive.full import read_head
from core.snapshots.engines.sqlite import rebuild
from core.snapshots.policies.chain import dependants_of
from core.snapshots.progress import Watch
from core.snapshots.units import Duration
from tests.worlds.chain_world import rows_of_image
from tests.worlds.game_database import connected
from tests.worlds.service_world import FOLDER_OF, PlayedWorld, flip_byte, ids, played_world

pytestmark = pytest.mark.process

TIGHT = {
    "keep_all": Duration(3600),
    "daily": 2,
    "critical": 1,
    "safety": Duration(86400),
    "shutdown": Duration(86400),
}
PLAY = {
    "buy": "UPDATE users SET cards_owned = cards_owned + 1 WHERE id = 1",
    "grow": "INSERT INTO cards (name, rarity, story) VALUES ('new', 'rare', hex(randomblob(3000)))",
    "shrink": "DELETE FROM cards WHERE name = 'new'",
    "vacuum": "VACUUM",
    "nothing": "SELECT 1",
}
HARM: dict[str, Callable[[Path], object]] = {
    "flip": flip_byte,
    "flip the end": lambda path: flip_byte(path, -1),
    "truncate": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "remove": Path.unlink,
}

SOME = st.integers(0, 20)
CREATE = st.tuples(
    st.just("create"),
    st.sampled_from([*Kind, *[Kind.CRITICAL] * 5, *[Kind.PERIODIC] * 3]),
    st.sampled_from(["buy", "buy", "nothing", *PLAY]),
)
STEPS = st.one_of(
    CREATE,
    CREATE,
    CREATE,
    CREATE,
    st.tuples(st.sampled_from(["pin", "unpin"]), SOME),
    st.tuples(st.just("jump"), st.sampled_from([0.1, 1.5, 30, 80, -5, 3652, -3652])),
    st.tuples(st.just("harm"), st.sampled_from(list(HARM)), SOME, st.booleans()),
    st.tuples(st.sampled_from(["prune", "restart", "rebuild"])),
)


class Model:
    """What is done to a world, and what must be true of it after each step.

    Damage that nobody looked for yet is told apart: nothing is promised of what rests on it, everything of the rest.
    """

    def __init__(self, world: PlayedWorld, seen: Counter[str]) -> None:
        self.world, self.seen = world, seen
        self.service: SnapshotService
        self.images: dict[str, bytes] = {}
        """By snapshot, the database's content when it was taken, as SQLite returned it."""
        self.harmed: set[str] = set()
        self._ever_broken: set[str] = set()
        self._rebuilt: dict[tuple[tuple[str, int], ...], bytes] = {}

    async def open(self) -> None:
        self.service = self.world.service(retention=TIGHT, repository={"min_free": 0})
        await self.service.open()

    async def begin(self) -> None:
        """Begin with what an earlier life of the bot left: a full and an incremental on it."""
        await self.open()
        for snapshot in self.service.known:
            self.images[snapshot.id] = self.restored(snapshot)
            rows = rows_of_image(self.images[snapshot.id], self.world.folder / "looked-at.db")
            assert rows == self.world.rows_in(snapshot)

    def present(self) -> bytes:
        """Return the database as SQLite sees it, in rollback mode like every image."""
        with connected(self.world.database) as connection:
            connection.execute("BEGIN")
            image = bytearray(connection.serialize())
        image[18:20] = b"\1\1"
        return bytes(image)

    def restored(self, snapshot: Snapshot) -> bytes:
        """Return what the files of a snapshot rebuild to, from a cache if the files are the same as last time."""
        chain = self.service._context.repository.chain(snapshot)
        files = tuple((part.path, Path(part.path).stat().st_mtime_ns) for part in chain)
        if files not in self._rebuilt:
            image = self.world.folder / "rebuilt.db"
            rebuild.rebuild(chain, image, Watch())
            self._rebuilt[files] = image.read_bytes()
            image.unlink()
        return self._rebuilt[files]

    def broken(self) -> set[str]:
        """Return what cannot be restored: the snapshots that were harmed, and all that build on them."""
        known = self.service.known
        roots = [each for each in known if each.id in self.harmed or each.base in self._ever_broken]
        broken = {each.id for root in roots for each in (root, *dependants_of(root, known))}
        self._ever_broken |= broken
        return broken

    def sound(self) -> list[Snapshot]:
        """Return the snapshots that are listed as sound, newest first."""
        return [snapshot for snapshot in self.service.known if not snapshot.damaged]

    async def step(self, action: str, *arguments: Any) -> None:
        before = next(iter(self.sound()), None)
        promised = before is not None and before.id not in self.broken()
        await getattr(self, f"do_{action}")(*arguments)
        await self.check()
        if action != "harm" and promised:
            after = next(iter(self.sound()), None)
            assert after is not None, f"after {action} nothing is restorable any more"
            assert before is not None
            assert after.sequence >= before.sequence

    async def do_create(self, kind: Kind, play: str) -> None:
        self.world.play(PLAY[play])
        image, before = self.present(), self.service.known
        created = await self.service.create(kind)
        snapshot = created.snapshot
        if created.unchanged:
            assert kind is not Kind.MANUAL
            assert ids(self.service.known) == ids(before)
        assert self.images.setdefault(snapshot.id, image) == image
        self.seen[f"{snapshot.form.value} created"] += not created.unchanged
        self.seen["unchanged"] += created.unchanged

    async def do_pin(self, which: int, pinned: bool = True) -> None:
        if known := self.service.known:
            await self.service.pin(known[which % len(known)].id, pinned)

    async def do_unpin(self, which: int) -> None:
        await self.do_pin(which, False)

    async def do_jump(self, days: float) -> None:
        self.world.clock.advance(days=days)

    async def do_harm(self, how: str, which: int, look: bool) -> None:
        """Harm a file of a sound snapshot, and let a verification from anywhere above find it, now or at the end."""
        broken = self.broken()
        sound = [each for each in self.sound() if each.id not in broken]
        if len(sound) < 2:
            return
        harmed = sound[which % len(sound)]
        HARM[how](self.world.file_of(harmed))
        self.harmed.add(harmed.id)
        hit = [each for each in (harmed, *dependants_of(harmed, self.service.known)) if not each.damaged]
        self.seen["harmed below"] += len(hit) > 1
        if look:
            files = self.world.files()
            # What was broken before as well could show the other damage.
            above = [each for each in hit if each.id not in broken]
            assert not (await self.service.verify(above[which % len(above)].id, list(Level)[which % 2])).ok
            assert self.world.files() == files
            assert {each.id for each in hit}.isdisjoint(ids(self.sound()))

    async def do_prune(self) -> None:
        planned = await self.service.prune(dry_run=True)
        done = await self.service.prune()
        assert [(each.snapshot.id, each.keep) for each in planned.decisions] == [
            (each.snapshot.id, each.keep) for each in done.decisions
        ]

    async def do_restart(self) -> None:
        await self.service.close()
        await self.open()

    async def do_rebuild(self) -> None:
        await self.service.rebuild_catalog()

    async def check(self) -> None:
        listed = await self.service.list()
        assert listed == self.service.known
        broken = self.broken()
        for snapshot in self.sound():
            if snapshot.id not in broken:
                assert self.restored(snapshot) == self.images[snapshot.id]
        assert [snapshot.sequence for snapshot in listed] == sorted({s.sequence for s in listed}, reverse=True)
        assert {snapshot.path for snapshot in listed if snapshot.id not in self.harmed} <= self.world.files()
        assert all(snapshot.path.startswith(FOLDER_OF[snapshot.kind]) for snapshot in listed)
        assert self.world.temporary_files() == set()
        self.check_latest(broken)

    def check_latest(self, broken: set[str]) -> None:
        """Any gzip tool makes of ``latest.db.gz`` a sound database: the newest of its kinds."""
        latest = self.world.repository / "latest.db.gz"
        sound = [each for each in self.sound() if FOLDER_OF[each.kind] != "critical"]
        unseen = broken & set(ids(self.sound()))
        if not unseen and sound:
            assert read_head(latest.resolve()).id == sound[0].id
        behind = latest.readlink().name if latest.is_symlink() else ""
        if not latest.exists() or any(snapshot_id in behind for snapshot_id in self.harmed & unseen):
            return
        content = gzip.decompress(latest.read_bytes())
        assert content == self.images[read_head(latest.resolve()).id]
        rows_of_image(content, self.world.folder / "looked-at.db")
        self.seen["latest assembled"] += not behind

    async def end(self) -> None:
        """Look for damage everywhere: then everything that is listed as sound is exported as it was."""
        for snapshot in self.service.known:
            if snapshot.id in self.broken() and not snapshot.damaged:
                assert not (await self.service.verify(snapshot.id)).ok
        assert self.broken().isdisjoint(ids(self.sound()))
        await self.check()
        target = self.world.folder / "exported.db.gz"
        for snapshot in self.sound():
            await self.service.export(snapshot.id, target)
            assert gzip.decompress(target.read_bytes()) == self.images[snapshot.id]
            target.unlink()
            self.seen[f"{snapshot.form.value} exported"] += 1


async def carry_out(steps: list[tuple[Any, ...]], seen: Counter[str]) -> None:
    """Run the steps in a world of their own."""
    with tempfile.TemporaryDirectory() as folder:
        model = Model(await played_world(Path(folder), newer=Form.INCREMENTAL), seen)
        await model.begin()
        try:
            for step in steps:
                await model.step(*step)
            await model.end()
        finally:
            await model.service.close()


def test_what_is_listed_as_sound_restores_and_the_newest_never_goes() -> None:
    """Snapshots, pins, pruning, clocks that jump, damaged files, restarts and rebuilds, in any order."""
    seen: Counter[str] = Counter()

    @settings(
        max_examples=5,
        deadline=dt.timedelta(seconds=60),
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(STEPS, min_size=10, max_size=24))
    def in_any_order(steps: list[tuple[Any, ...]]) -> None:
        asyncio.run(carry_out(steps, seen))

    in_any_order()
    wanted = ("incremental created", "full created", "incremental exported", "full exported", "latest assembled")
    assert all(seen[name] for name in (*wanted, "unchanged", "harmed below")), seen
