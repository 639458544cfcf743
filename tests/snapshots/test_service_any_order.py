"""Whatever is done in whatever order: what is listed as sound restores, and the newest such one never goes."""

from __future__ import annotations

import asyncio
import datetime as dt
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from core.snapshots import Kind, SnapshotService
from core.snapshots.units import Duration
from tests.snapshots.service_world import FOLDER_OF, PlayedWorld, flip_byte, played_world, rows_of_gzip

TIGHT = {
    "keep_all": Duration(3600),
    "daily": 2,
    "critical": 2,
    "safety": Duration(86400),
    "shutdown": Duration(86400),
}

STEPS = st.one_of(
    st.tuples(st.just("create"), st.sampled_from(list(Kind))),
    st.tuples(st.just("create"), st.just(Kind.CRITICAL)),
    st.tuples(st.sampled_from(["pin", "unpin"]), st.integers(0, 20)),
    st.tuples(st.just("jump"), st.sampled_from([0.1, 1.5, 30, 80, -5, 3652, -3652])),
    st.tuples(st.sampled_from(["flip", "truncate", "remove"]), st.integers(0, 20)),
    st.tuples(st.sampled_from(["prune", "restart", "rebuild"]), st.just(0)),
)


class Model:
    """What is done to a world, and what must be true of it after each step."""

    def __init__(self, world: PlayedWorld) -> None:
        self.world = world
        self.service: SnapshotService
        self.states = {snapshot.id: world.rows_in(snapshot) for snapshot in (world.older, world.newer)}
        self.harmed: set[str] = set()
        self.order = [world.older.id, world.newer.id]

    async def open(self) -> None:
        self.service = self.world.service(retention=TIGHT, repository={"min_free": 0})
        await self.service.open()

    async def step(self, action: str, argument: Any) -> None:
        before = self.newest_sound()
        await getattr(self, f"do_{action}")(argument)
        await self.check()
        if action not in ("flip", "truncate", "remove"):
            after = self.newest_sound()
            assert before is None or after is not None, f"after {action} nothing is restorable any more"
            assert before is None or self.order.index(after or "") >= self.order.index(before)

    def newest_sound(self) -> str | None:
        sound = [snapshot.id for snapshot in self.service.known if not snapshot.damaged]
        return next((each for each in reversed(self.order) if each in sound and each not in self.harmed), None)

    async def do_create(self, kind: Kind) -> None:
        self.world.play()
        created = await self.service.create(kind)
        assert not created.unchanged
        self.states[created.snapshot.id] = self.world.rows()
        self.order.append(created.snapshot.id)

    async def do_pin(self, which: int) -> None:
        known = self.service.known
        await self.service.pin(known[which % len(known)].id)

    async def do_unpin(self, which: int) -> None:
        known = self.service.known
        await self.service.pin(known[which % len(known)].id, False)

    async def do_jump(self, days: float) -> None:
        self.world.clock.advance(days=days)

    async def _harm(self, which: int, harm: Any) -> None:
        known = [snapshot for snapshot in self.service.known if snapshot.id not in self.harmed]
        if len(known) > 1:
            snapshot = known[which % len(known)]
            harm(self.world.file_of(snapshot))
            self.harmed.add(snapshot.id)
            assert not (await self.service.verify(snapshot.id)).ok

    async def do_flip(self, which: int) -> None:
        await self._harm(which, flip_byte)

    async def do_truncate(self, which: int) -> None:
        await self._harm(which, lambda path: path.write_bytes(path.read_bytes()[:-100]))

    async def do_remove(self, which: int) -> None:
        await self._harm(which, Path.unlink)

    async def do_prune(self, _: int) -> None:
        said = await self.service.prune(dry_run=True)
        done = await self.service.prune()
        assert [(each.snapshot.id, each.keep) for each in said.decisions] == [
            (each.snapshot.id, each.keep) for each in done.decisions
        ]

    async def do_restart(self, _: int) -> None:
        await self.service.close()
        await self.open()

    async def do_rebuild(self, _: int) -> None:
        await self.service.rebuild_catalog()

    async def check(self) -> None:
        listed = await self.service.list()
        assert listed == self.service.known
        for snapshot in listed:
            if not snapshot.damaged:
                assert snapshot.id not in self.harmed
                assert self.world.rows_in(snapshot) == self.states[snapshot.id]
        assert [snapshot.sequence for snapshot in listed] == sorted({s.sequence for s in listed}, reverse=True)
        assert {snapshot.path for snapshot in listed if snapshot.id not in self.harmed} <= self.world.files()
        assert all(snapshot.path.startswith(FOLDER_OF[snapshot.kind]) for snapshot in listed)
        assert self.world.temporary_files() == set()
        latest = self.world.repository / "latest.db.gz"
        sound = [each for each in listed if not each.damaged and FOLDER_OF[each.kind] != "critical"]
        if sound:
            assert latest.readlink() == Path(sound[0].path)
            assert rows_of_gzip(latest, self.world.folder / "unpacked.db") == self.states[sound[0].id]

    async def end(self) -> None:
        newest = await self.service.get("latest")
        target = self.world.folder / "exported.db.gz"
        await self.service.export(newest.id, target)
        assert rows_of_gzip(target, self.world.folder / "unpacked.db") == self.states[newest.id]
        await self.service.close()


async def carry_out(steps: list[tuple[str, Any]]) -> None:
    """Do the steps in a world of their own."""
    with tempfile.TemporaryDirectory() as folder:
        model = Model(await played_world(Path(folder)))
        await model.open()
        try:
            for action, argument in steps:
                await model.step(action, argument)
            await model.end()
        finally:
            await model.service.close()


@settings(
    max_examples=6,
    deadline=dt.timedelta(seconds=60),
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(STEPS, min_size=6, max_size=12))
def test_what_is_listed_as_sound_restores_and_the_newest_never_goes(steps: list[tuple[str, Any]]) -> None:
    """Snapshots, pins, pruning, clocks that jump, damaged files, restarts and rebuilds, in any order."""
    asyncio.run(carry_out(steps))
