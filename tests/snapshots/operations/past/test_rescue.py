"""A rescue as the service does it: snapshots around it, a word to the host, a record for the way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.snapshots import Form, Kind, PlanOutdated, QueryError, Rescue, RescueOptions, RescueScope, RestoreFailed
from core.snapshots.models import ConflictRule
from tests.worlds.service_world import ServiceWorld

pytestmark = pytest.mark.process

SEVEN = Rescue(scope=RescueScope(player="7"), when="latest")
LOSS = "DELETE FROM user_cards WHERE user_id = 7"


async def test_a_rescue_is_between_two_snapshots_and_is_told_to_the_host(tmp_path: Path) -> None:
    """The state before it as an incremental safety snapshot, the state after it as a critical one; undo needs both."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        sound = (await service.create()).snapshot
        world.play(LOSS)
        before = world.rows()
        plan = await service.rescue_plan(SEVEN)
        report = await service.rescue(SEVEN, agreed=plan.token)
        assert world.heard.rescues == [report]
        assert (report.done, report.error, report.plan.then) == (True, None, sound.id)
        safety, after = await service.get(report.safety or ""), await service.get(report.snapshot or "")
        assert (safety.kind, safety.form, safety.reasons) == (
            Kind.SAFETY,
            Form.INCREMENTAL,
            (f"before_rescue_{report.id}",),
        )
        assert (after.kind, after.reasons, after.requests) == (Kind.CRITICAL, (f"rescue_{report.id}",), 1)
        assert world.heard.snapshots[-1].id == after.id
        assert world.rows_in(after) == world.rows()
        assert world.rows_in(safety) == before
        undone = await service.undo_rescue(report.id)
        assert undone.plan.tables["user_cards"].removed == report.plan.tables["user_cards"].put_back
        assert world.rows() == before
        with pytest.raises(QueryError, match="no record of a rescue"):
            await service.undo_rescue("ffffff")


async def test_a_rescue_that_is_refused_leaves_no_snapshot_and_no_record(tmp_path: Path) -> None:
    """Outdated, or in conflict where conflicts are to fail; the host hears nothing."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        await service.create()
        world.play("UPDATE user_cards SET user_id = 8 WHERE user_id = 7")
        first, second = (await service.list())[-1].id, (await service.create()).snapshot.id
        count = len(await service.list())
        backwards = Rescue(scope=SEVEN.scope, when=second, damaged_at=first)
        with pytest.raises(QueryError, match=f"the damage .{first}.* is older than the one"):
            await service.rescue(backwards)
        since = Rescue(scope=SEVEN.scope, when=first)
        with pytest.raises(PlanOutdated):
            await service.rescue(since, agreed="another token")
        failing = Rescue(scope=SEVEN.scope, when=first, options=RescueOptions(conflicts=ConflictRule.FAIL))
        with pytest.raises(RestoreFailed, match="it belongs to 8 now"):
            await service.rescue(failing)
        assert not (await service.rescue(Rescue(scope=RescueScope(player="9"), when=first))).done
        assert len(await service.list()) == count
        assert not list(world.repository.glob("state/rescue-*"))
        assert world.heard.rescues == []


async def test_a_rescue_that_a_trigger_refuses_is_written_nowhere(tmp_path: Path) -> None:
    """The safety snapshot stays; the record goes, for nothing was written that could be taken back."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        await service.create()
        world.play(LOSS)
        world.play("CREATE TRIGGER no BEFORE INSERT ON user_cards BEGIN SELECT RAISE(ABORT, 'closed'); END")
        before = world.rows()
        with pytest.raises(RestoreFailed, match="closed"):
            await service.rescue(SEVEN)
        assert world.rows() == before
        assert not list(world.repository.glob("state/rescue-*"))
        assert (await service.audit())[-1].outcome == "failed"


async def test_a_rescue_can_be_undone_as_long_as_safety_snapshots_stay_and_its_record_goes_with_them(
    tmp_path: Path,
) -> None:
    """However many events are covered meanwhile: the way back needs the snapshot after the rescue, too."""
    world = ServiceWorld(tmp_path)
    rules = {"critical": 1, "keep_all": 60.0, "hourly": 0, "daily": 0, "safety": 86400.0}
    async with world.opened(retention=rules) as service:
        await service.create(pin=True)
        world.play(LOSS)
        before = world.rows()
        first = await service.rescue(SEVEN)
        world.forget_pages()
        for _ in range(2):
            world.play()
            await service.create(Kind.CRITICAL)
        world.play("UPDATE users SET cards_owned = cards_owned - 2 WHERE id = 1")
        await service.rebuild_catalog()
        assert (await service.undo_rescue(first.id)).done
        assert world.rows() == before
        world.forget_pages()
        world.play()
        await service.create(Kind.CRITICAL)
        world.clock.advance(days=2)
        await service.prune()
        assert not list(world.repository.glob(f"state/rescue-{first.id}*"))
