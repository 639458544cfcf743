"""The history of a player: each change of his rows in one table, and between which points it happened.

Every point is asked for his rows; what was read for one is remembered for the others (``chains.kept``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import QueryError
from ..models import NOW, Change, Look, Point, RowHistory
from ..policies.rows import row_changes

__all__ = ["change_at", "player_history"]


def player_history(
    points: Sequence[Point | None], look_at: Callable[[Point | None], Look], time: Callable[[Point | None], dt.datetime]
) -> RowHistory:
    """Return every change of a player's rows in one table over the points, oldest first; None is now.

    ``look_at`` returns what was his in that table at a point. A point without the table, or at which nobody can be told
    to be the player, is one without rows of his. Raises QueryError if no point has a table of that name.
    """
    changes: list[Change] = []
    had: Sequence[dict[str, Any]] = ()
    since: Point | None = None
    table, by, problem = "", "", None
    key: tuple[str, ...] = ()
    for point in points:
        has: Sequence[dict[str, Any]] = ()
        try:
            found = look_at(point)
        except QueryError as error:
            problem = problem or error
        else:
            (table, has), by = next(iter(found.tables.items())), found.by
            key = found.keys[table]
        for before, after in row_changes(had, has, key):
            changes.append(change_at(since, point, time(point), before, after))
        had, since = has, point
    if not table:
        raise problem or QueryError("There is no snapshot yet, so there is no past to read.")
    return RowHistory(table=table, key={}, changes=tuple(changes), points=len(points), read=len(points), by=by)


def change_at(
    since: Point | None,
    point: Point | None,
    at: dt.datetime,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> Change:
    """Return the change of a row that is seen first at a point (None: now), as answers hold rows."""
    return Change(
        snapshot=NOW if point is None else point.snapshot,
        since=None if since is None else since.snapshot,
        at=at,
        reasons=() if point is None else point.reasons,
        before=before,
        after=after,
    )
