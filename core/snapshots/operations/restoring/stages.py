"""How far a restore is, for whoever watches: the step, the share of the whole, and the seconds that are left.

What is shown never goes back: the share only grows, and the seconds only fall. Where a restore takes longer than it
seemed, no seconds are given rather than wrong ones.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

import msgspec

from ...errors import SnapshotError
from ...models import Method, OnProgress, Progress, RestoreStep, Snapshot, Stage
from ...policies.estimate import Measured, course_of, expected
from ...repository.catalog import Contents
from ...repository.state import StateFile
from ..context import Context

__all__ = ["Stages", "expected_seconds", "remember_seconds"]

_STATE = "restore_times"
_SLACK = 1.5
"""How much longer than it seemed a restore may take before the seconds that are left are called unknown."""
_CHECKING = "check"
"""The phase of a rebuild in which the rebuilt database is checked."""
_STEPS = tuple(RestoreStep)


class RestoreTimes(msgspec.Struct, frozen=True):
    """How long the steps of the last restore took, in seconds, by method; ``size`` is the database's, in bytes."""

    method: Method
    size: int
    seconds: dict[RestoreStep, float]


class Stages:
    """The steps of one restore as they are reached. It passes the progress of its jobs on, with the stage in it."""

    def __init__(
        self, seconds: Mapping[RestoreStep, float], on_progress: OnProgress | None, monotonic: Callable[[], float]
    ) -> None:
        self._expected = {step: seconds.get(step, 0.0) for step in _STEPS}
        self._on_progress = on_progress
        self._monotonic = monotonic
        self._taken: list[float] = []
        self._began = self._whole_began = monotonic()
        self._promised: float | None = None
        self._in_step = self._share = 0.0
        self._changed = False

    @property
    def step(self) -> RestoreStep:
        """The step that is under way."""
        return _STEPS[len(self._taken)]

    @property
    def taken(self) -> dict[RestoreStep, float]:
        """The seconds that each step took that is over."""
        return dict(zip(_STEPS, self._taken, strict=False))

    def reach(self, step: RestoreStep) -> None:
        """Begin a step; those before it are over. One that was reached already is not begun again."""
        if len(self._taken) >= _STEPS.index(step):
            return
        now = self._monotonic()
        skipped = _STEPS.index(step) - len(self._taken) - 1
        self._taken += [now - self._began, *[0.0] * skipped]
        self._began, self._in_step = now, 0.0
        self._tell(Progress(phase=step.value, done=0, total=0))

    def committed(self) -> None:
        """Pass the point of no return: the database is the snapshot's now. Call it in the loop's thread."""
        self._changed = True
        self.reach(RestoreStep.COMPARE)

    def end(self) -> None:
        """Record how long the last step took."""
        if len(self._taken) < len(_STEPS):
            self._taken.append(self._monotonic() - self._began)

    def rebuilding(self, progress: Progress) -> None:
        """Pass on the progress of the rebuild, whose last phase is the check."""
        if progress.phase == _CHECKING:
            self.reach(RestoreStep.CHECK)
        self(progress)

    def __call__(self, progress: Progress) -> None:
        """Pass on the progress of a job of the present step, which is as far as the farthest of its phases."""
        if progress.total > 0:
            self._in_step = max(self._in_step, min(1.0, progress.done / progress.total))
        self._tell(progress)

    def _tell(self, progress: Progress) -> None:
        if self._on_progress is None or len(self._taken) >= len(_STEPS):
            return
        now = self._monotonic()
        course = course_of(self._expected, self._taken, now - self._began, self._in_step)
        self._share = max(self._share, course.share)
        stage = Stage(
            step=self.step,
            number=len(self._taken) + 1,
            of=len(_STEPS),
            share=self._share,
            left=self._left(course.left, now - self._whole_began),
            changed=self._changed,
        )
        self._on_progress(msgspec.structs.replace(progress, stage=stage))

    def _left(self, left: float, elapsed: float) -> float | None:
        """Return the seconds left, which never rise; None if what was promised cannot be kept."""
        if self._promised is None:
            self._promised = elapsed + left
        if elapsed + left > _SLACK * self._promised + 1.0:
            return None
        self._promised = min(self._promised, elapsed + left)
        return max(0.0, self._promised - elapsed)


async def expected_seconds(
    context: Context, contents: Contents, snapshot: Snapshot, method: Method
) -> dict[RestoreStep, float]:
    """Return about how long each step of restoring a snapshot takes, by what was measured before."""
    timed = [each for each in contents.snapshots if each.restored_at is not None and each.restored_seconds is not None]
    newest = max(timed, key=lambda each: each.restored_at or each.began_at, default=None)
    last: RestoreTimes | None = None
    with contextlib.suppress(OSError, SnapshotError):
        last = await context.in_thread(_state(context).read)
    return expected(
        method,
        snapshot.database_size,
        last=Measured(last.seconds, last.size) if last is not None and last.method is method else None,
        verified=None if newest is None else (newest.restored_seconds or 0.0, newest.database_size),
    )


async def remember_seconds(context: Context, stages: Stages, snapshot: Snapshot, method: Method) -> None:
    """Keep how long a restore's steps took, for the estimate of the next one; that it cannot be kept stops nothing."""
    times = RestoreTimes(method=method, size=snapshot.database_size, seconds=stages.taken)
    with contextlib.suppress(OSError, SnapshotError):
        await context.in_thread(_state(context).write, times)


def _state(context: Context) -> StateFile[RestoreTimes]:
    return StateFile(context.repository.root, _STATE, RestoreTimes)
