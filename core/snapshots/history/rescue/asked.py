"""A rescue as it was asked for, with the states of the past that it compares open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack

import msgspec

from ...errors import PlanOutdated, QueryError, RestoreFailed
from ...models import ConflictRule, PlayerTables, Point, RescueConflict, RescuePlan
from ...units import count_text
from ..player import find_player
from ..questions import AskRescue, PlayerSettings
from .plan import Planned, Planner
from .states import State

__all__ = ["AskedRescue", "Opener", "require_settled"]

Opener = Callable[[Point], AbstractContextManager[State]]


class AskedRescue:
    """A rescue as it was asked for, with the states of the past open: the first point, and that after the damage."""

    def __init__(self, question: AskRescue, points: Sequence[Point], opened: Opener) -> None:
        if question.options.only_missing and question.options.exact:
            raise QueryError("A rescue is either of what is missing only, or exact.")
        self._question = question
        self._point = points[0]
        self._damaged = points[1] if len(points) > 1 else None
        self._opened = opened
        self._stack = ExitStack()

    def __enter__(self) -> AskedRescue:
        self._then = self._stack.enter_context(self._opened(self._point))
        self._after_damage = None
        if self._damaged is not None:
            self._after_damage = self._stack.enter_context(self._opened(self._damaged))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def agreed(self, now: State) -> tuple[Planned, RescuePlan]:
        """Return the steps and the plan if it is the one that was agreed to.

        Raises PlanOutdated if it is not, RestoreFailed if there are conflicts and they are to fail.
        """
        planned, plan = self.planned(now)
        if self._question.agreed not in (None, plan.token):
            raise PlanOutdated(
                "The rows changed since this rescue was shown. Look at it again, then decide; nothing was changed."
            )
        require_settled(plan)
        return planned, plan

    def planned(self, now: State) -> tuple[Planned, RescuePlan]:
        """Compare the past with the live database; return the steps and the plan to show."""
        then, asked = self._then, self._question
        scope, options = asked.scope, asked.options
        player = None if scope.player is None else _player_in(now, then, asked.settings)
        owner = player if scope.table is None else _owner_in(now, then, asked.settings)
        planner = Planner(then, now, self._after_damage, scope, options, owner)
        planned = planner.plan([] if scope.rows else then.wanted(scope, player))
        if not planner.found and not scope.rows:
            whose = f"a player {scope.player!r}" if player else "what was asked for"
            raise QueryError(f"No row in {then.name} belongs to {whose}.")
        _require_known(planned.conflicts, options.take)
        damaged_at = None if self._damaged is None else self._damaged.snapshot
        return planned, RescuePlan(
            token=planned.token(self._point.snapshot, damaged_at, options, scope),
            then=self._point.snapshot,
            at=self._point.at,
            damaged_at=damaged_at,
            options=options,
            tables=planned.tables(),
            conflicts=planned.conflicts,
            left_out=planned.left_out,
            notes=planned.notes,
            player=player,
            rows=planned.rows(),
        )


def require_settled(plan: RescuePlan) -> None:
    """Raise RestoreFailed if conflicts are to fail and there is one that is not taken."""
    left = [conflict for conflict in plan.conflicts if not conflict.taken]
    if left and plan.options.conflicts is ConflictRule.FAIL:
        conflicts, first = count_text(len(left), "row"), left[0]
        raise RestoreFailed(f"{conflicts} in conflict, first of {first.table}: {first.why}. Nothing was changed.")


def _require_known(conflicts: Sequence[RescueConflict], take: Sequence[str]) -> None:
    """Raise QueryError if a conflict is to be taken that there is not."""
    known = {conflict.name for conflict in conflicts if conflict.takeable}
    unknown = [name for name in take if name not in known]
    if unknown:
        raise QueryError(f"No row {unknown[0]} is in conflict that could be taken; there may have been one earlier.")


def _owner_in(now: State, then: State, settings: PlayerSettings) -> PlayerTables | None:
    """Return who owns rows that are named without a player: what is another player's now is a conflict there too."""
    try:
        return _player_in(now, then, settings)
    except QueryError:
        return None


def _player_in(now: State, then: State, settings: PlayerSettings) -> PlayerTables:
    """Return who the player is now, and what referred to him in either state."""
    found = find_player(now.tables, settings)
    earlier = find_player(then.tables, settings)
    table = now.table(earlier.table)
    if table is None or (table.name, earlier.column) != (found.table, found.column):
        return found
    called = {name: now.table(name) for name, _ in earlier.references}  # by other names now, where schemas came along
    known = [(name if (here := called[name]) is None else here.name, column) for name, column in earlier.references]
    return msgspec.structs.replace(found, references=tuple(dict.fromkeys((*found.references, *known))))
