"""The preview of a restore tells what it would really lose, row by row."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from core.snapshots import DeadlineExceeded, Rescue, RescueScope
from core.snapshots.models import Loss, PlayerLoss, RestorePlan, TableLoss
from core.snapshots.operations.past import loss
from core.snapshots.worker import client
from tests.worlds.service_world import ServiceWorld

pytestmark = pytest.mark.process


def nothing_lost(plan: RestorePlan) -> bool:
    """Return True if the plan was compared and loses nothing."""
    return plan.loss is not None and msgspec.structs.replace(plan.loss, seconds=0.0) == Loss()


async def test_a_preview_counts_every_row_that_was_written_since(tmp_path: Path) -> None:
    """300 coin changes show as 300, nothing written as nothing lost; the players who lose most are named."""
    world = ServiceWorld(tmp_path)
    world.play(
        "INSERT INTO users (id, name, dust) WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n "
        "WHERE i < 1299) SELECT i, 'new ' || i, 5 FROM n"
    )
    async with world.opened() as service:
        first = (await service.create()).snapshot
        plan = await service.restore_plan(first.id)
        assert nothing_lost(plan)
        world.play("UPDATE users SET dust = dust + 1 WHERE id >= 1000")
        world.play("INSERT INTO user_cards (user_id, card_id) SELECT 1007, id FROM cards LIMIT 12")
        world.play("DELETE FROM creator_packs WHERE creator_id = 7")
        plan = await service.restore_plan(first.id)
        assert plan.loss is not None
        assert plan.loss.tables["users"] == TableLoss(changed=300)
        assert plan.loss.tables["user_cards"] == TableLoss(added=12)
        assert plan.loss.players[0] == PlayerLoss(player="1007", rows=13, name="new 1007")
        assert len(plan.loss.players) == 10
        assert plan.pause == 1.0
        second = (await service.create()).snapshot
        again = (await service.restore_plan(first.id)).loss
        assert again is not None
        assert (again.tables, again.players) == (plan.loss.tables, plan.loss.players)
        assert nothing_lost(await service.restore_plan(second.id))


async def test_an_undo_of_the_last_restore_loses_what_was_written_after_it(tmp_path: Path) -> None:
    """Its rows differ from the present by the restore itself, which nobody wrote; a migration is no nothing."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        first = (await service.create()).snapshot
        world.add_users(501)
        assert not (await service.restore_plan(first.id)).loses_nothing
        safety = (await service.restore(first.id)).safety
        assert safety is not None
        undo = await service.restore_plan(safety.id)
        assert (undo.undoes, undo.loses_nothing) == (first.id, True)
        assert undo.loss is not None
        assert undo.loss.tables["users"] == TableLoss(removed=1)
        world.play("CREATE TABLE seasons (id INTEGER PRIMARY KEY)")
        undo = await service.restore_plan(safety.id)
        assert undo.since_restore is not None
        assert (undo.since_restore.altered, undo.loses_nothing) == (("seasons",), False)


async def test_a_preview_that_cannot_compare_says_so_and_goes_on(tmp_path: Path) -> None:
    """A chain that is damaged is no reason against the preview of a restore, and nothing is not what it says."""
    world = ServiceWorld(tmp_path)
    async with world.opened() as service:
        first = (await service.create()).snapshot
        world.play("UPDATE users SET dust = 1")
        path = world.file_of(first)
        path.write_bytes(path.read_bytes()[:-40])
        loss = (await service.restore_plan(first.id)).loss
    assert loss is not None
    assert (loss.rows, loss.tables) == (None, {})
    assert "could not be compared" in (loss.problem or "")


async def test_a_comparison_that_takes_too_long_names_no_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is none for it; that of a rescue, which is planned by the same job, is the restore's."""
    world = ServiceWorld(tmp_path)

    async def too_late(*_: object, **__: object) -> None:
        raise DeadlineExceeded("too late", seconds=1.0)

    async with world.opened() as service:
        snapshot = (await service.create()).snapshot
        world.play()
        monkeypatch.setattr(loss, "_SECONDS", 1e-6)
        plan = await service.restore_plan(snapshot.id)
        assert plan.loss is not None
        assert plan.loss.problem is not None
        assert "[schedule]" not in plan.loss.problem
        monkeypatch.setattr(client, "run", too_late)
        with pytest.raises(DeadlineExceeded) as caught:
            await service.rescue_plan(Rescue(scope=RescueScope(player="7"), when=snapshot.id))
        assert caught.value.setting == "schedule.restore_deadline"
