"""What whoever watches a restore is shown: the step, whether anything was replaced yet, and how long it still takes."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from core.snapshots import Progress, RestorePlan, RestoreStep, SnapshotDamaged, Stage
from core.snapshots.operations.restoring.stages import Stages
from tests.worlds.service_world import flip_byte, played_world


class Watched:
    """Stages with a clock of their own, and what they told."""

    def __init__(self, seconds: float = 2.0) -> None:
        self.now = 0.0
        self.told: list[Stage] = []
        self.stages = Stages(dict.fromkeys(RestoreStep, seconds), self._hear, lambda: self.now)

    def _hear(self, progress: Progress) -> None:
        assert progress.stage is not None
        self.told.append(progress.stage)


def test_the_point_of_no_return_is_passed_once_and_said_from_then_on() -> None:
    """Each step has its number; only what was committed has changed anything."""
    watched = Watched()
    stages = watched.stages
    stages.rebuilding(Progress("rebuild", 1, 2))
    stages.rebuilding(Progress("check", 1, 2))
    for step in (RestoreStep.PAUSE, RestoreStep.SAFETY, RestoreStep.REPLACE):
        stages.reach(step)
    stages.committed()
    stages(Progress("compare", 1, 2))
    stages.reach(RestoreStep.RECORD)
    steps = [(each.step, each.number, each.changed) for each in watched.told]
    assert list(dict.fromkeys(steps)) == [
        (step, number, number > 5) for number, step in enumerate(RestoreStep, start=1)
    ]
    assert {each.of for each in watched.told} == {7}


def test_the_share_only_grows_and_the_seconds_only_fall() -> None:
    """Also where a step has several phases, each of which begins anew."""
    watched = Watched()
    for moment, done in ((0.5, 50), (1.0, 100), (1.1, 5), (1.5, 60)):
        watched.now = moment
        watched.stages(Progress("some phase", done, 100))
    watched.now = 4.0
    watched.stages.reach(RestoreStep.PAUSE)
    shares, left = [each.share for each in watched.told], [each.left for each in watched.told]
    assert shares == sorted(shares)
    assert None not in left
    assert all(earlier >= later for earlier, later in itertools.pairwise(left))  # type: ignore[operator]


def test_what_takes_longer_than_it_seemed_is_given_no_seconds() -> None:
    """A figure that is known to be wrong helps nobody."""
    watched = Watched()
    watched.stages(Progress("rebuild", 0, 100))
    watched.now = 100.0
    watched.stages(Progress("rebuild", 20, 100))
    assert [each.left for each in watched.told] == [14.0, None]


@pytest.mark.process
async def test_play_is_paused_when_rebuild_and_check_are_over_and_nothing_is_replaced_yet(tmp_path: Path) -> None:
    """What a game that is paused waits for is as little as can be; the next plan knows how long it was."""
    world = await played_world(tmp_path)
    told: list[Progress] = []
    async with world.opened() as service:
        at_pause: list[Stage | None] = []

        async def starting(plan: RestorePlan) -> None:
            at_pause.append(told[-1].stage)

        world.heard.restore_starting = starting  # type: ignore[method-assign]
        report = await service.restore(world.older.id, on_progress=told.append)
        (stage,) = at_pause
        assert stage is not None
        assert (stage.step, stage.number, stage.changed) == (RestoreStep.PAUSE, 3, False)
        steps = list(dict.fromkeys(each.stage.step for each in told if each.stage is not None))
        assert steps == list(RestoreStep)
        assert report.safety is not None
        assert report.lost.until == report.safety.began_at
        again = await service.restore_plan(report.safety.id)
        assert set(again.seconds) == set(RestoreStep)
        assert again.pause is not None
        assert (world.repository / "state" / "restore_times.json").is_file()


@pytest.mark.process
async def test_a_snapshot_that_fails_its_check_pauses_nobody(tmp_path: Path) -> None:
    """The host is told that it is over all the same, as it always was."""
    world = await played_world(tmp_path)
    flip_byte(world.file_of(world.older))
    async with world.opened() as service:
        with pytest.raises(SnapshotDamaged):
            await service.restore(world.older.id)
    assert world.heard.plans == []
    assert [report.ok for report in world.heard.reports] == [False]
