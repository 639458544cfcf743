"""Damage that makes rows unreadable, each kind on a real file: seen by everybody, and restored at the next start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.snapshots import Form, Kind, Snapshot, StartupOutcome, Verdict
from core.snapshots.policies.health import judge
from tests.worlds.database_harm import header_destroyed, log_left_behind
from tests.worlds.game_database import assert_consistent
from tests.worlds.judgement.unreadable import KINDS, leaf_zeroed, root_zeroed
from tests.worlds.service_world import PlayedWorld, played_world, sweep_into_file

pytestmark = [pytest.mark.process, pytest.mark.kill]

EVERY = [(kind, mode) for kind in KINDS for mode in ("wal", "delete") if (kind, mode) != (log_left_behind, "delete")]


async def live_verdict(world: PlayedWorld) -> Verdict:
    """Return what a status says of the database, in a process of its own."""
    async with world.opened() as service:
        live = (await service.status()).live
        assert live is not None
        return live.verdict


@pytest.mark.parametrize(("harm", "journal_mode"), EVERY, ids=lambda each: getattr(each, "__name__", each))
async def test_a_database_that_cannot_be_read_is_seen_by_everybody_and_restored(
    tmp_path: Path, harm: Callable[[PlayedWorld], None], journal_mode: str
) -> None:
    """Integrity and status call it unreadable, the start-up restores it, and the owner hears of both once."""
    world = await played_world(tmp_path, journal_mode=journal_mode)
    harm(world)
    async with world.opened() as service:
        report = await service.integrity()
        assert (report.ok, judge(report.findings)) == (False, Verdict.UNREADABLE)
        assert await live_verdict(world) is Verdict.UNREADABLE
        started = await service.start_up()
        assert started.outcome is StartupOutcome.RESTORED, started.message
        assert started.restore is not None
        assert started.restore.restored.id == world.newer.id
        assert [health.verdict for health in world.heard.healths] == [Verdict.UNREADABLE, Verdict.SOUND]
        assert await live_verdict(world) is Verdict.SOUND
    assert world.rows() == world.rows_in(world.newer)
    assert_consistent(world.database)


@pytest.mark.parametrize("harm", [header_destroyed, leaf_zeroed])
async def test_damage_stays_red_in_every_status_until_a_check_passes(
    tmp_path: Path, harm: Callable[[PlayedWorld], None]
) -> None:
    """Neither another process nor a snapshot of the damage takes it back; what passes a check is sound again."""
    world = await played_world(tmp_path)
    good = world.database.read_bytes()
    harm(world)
    async with world.opened(startup={"restore": "never"}) as service:
        started = await service.start_up()
        assert started.outcome is StartupOutcome.DAMAGED
        assert "switched off" in started.message
        assert world.newer.id in started.message
    assert await live_verdict(world) is Verdict.UNREADABLE
    world.database.write_bytes(good)
    assert await live_verdict(world) is Verdict.UNREADABLE
    async with world.opened() as service:
        await service.create()
    assert await live_verdict(world) is Verdict.UNREADABLE
    async with world.opened() as service:
        assert (await service.integrity()).ok
    assert await live_verdict(world) is Verdict.SOUND
    assert [health.verdict for health in world.heard.healths] == [Verdict.UNREADABLE, Verdict.SOUND]


async def test_a_snapshot_of_damage_is_taken_and_never_counts_as_a_good_one(tmp_path: Path) -> None:
    """It is listed with what is wrong, ``latest`` stays where it was, and the start-up passes it over."""
    world = await played_world(tmp_path)
    root_zeroed(world)
    async with world.opened() as service:
        bad = (await service.create()).snapshot
        assert (bad.form, verdict_in(bad)) == (Form.FULL, Verdict.UNREADABLE)
        assert not bad.damaged
        assert (world.repository / "latest.db.gz").readlink() == Path(world.newer.path)
        assert (await service.get("latest")).id == world.newer.id
        assert [health.verdict for health in world.heard.healths] == [Verdict.UNREADABLE]
        started = await service.start_up()
        assert started.outcome is StartupOutcome.RESTORED
        assert started.tried == (world.newer.id,)
    assert world.rows() == world.rows_in(world.newer)


async def test_an_event_after_damage_is_looked_at_anew(tmp_path: Path) -> None:
    """An incremental on a snapshot of damage says itself whether it is of damage; one of a mended database is good."""
    world = await played_world(tmp_path)
    good = world.database.read_bytes()
    root_zeroed(world)
    async with world.opened() as service:
        await service.create()
        world.play()
        during = (await service.create(Kind.CRITICAL)).snapshot
        assert (during.form, verdict_in(during)) == (Form.INCREMENTAL, Verdict.UNREADABLE)
        assert (await service.get("latest")).id == world.newer.id
    sweep_into_file(world.database)  # the log of the damaged file must not be laid over the good one
    world.database.write_bytes(good)
    async with world.opened() as service:
        after = (await service.create(Kind.CRITICAL)).snapshot
        assert (after.form, verdict_in(after)) == (Form.INCREMENTAL, Verdict.SOUND)
        assert (await service.get("latest")).id == after.id


def verdict_in(snapshot: Snapshot) -> Verdict | None:
    """Return the verdict on the state in a snapshot."""
    return snapshot.health.verdict if snapshot.health else None
