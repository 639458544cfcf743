"""What a restore of a dump would lose, row by row."""

from __future__ import annotations

from ...models import Loss, Point
from ..loss import Losses, loss_of, namer, player_or_none
from ..questions import PlayerSettings
from .diff import diff
from .past import PostgresPast

__all__ = ["loss"]


def loss(past: PostgresPast, first: Point, second: Point | None, settings: PlayerSettings) -> Loss:
    """Return what was written between a point and another one or now, which a restore of the first would lose."""
    with past.opened(second) as state:
        losses = Losses(player_or_none(state.tables, settings))
    found = diff(past, first, second, found=losses.take)
    with past.opened(second) as state:
        return loss_of(found, losses, namer(state.tables, losses.player, state.matching))
