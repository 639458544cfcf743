"""A scene of the demonstration: an exploit empties one player's collection, play goes on, and he is rescued.

What belongs to whom is read without Savepoint, before and after: everybody else's rows must be the same.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from core.snapshots import Rescue, RescueScope
from demonstration.stages import Rows, Stage

__all__ = ["Robbery", "rob_and_rescue"]

_OWNERS = {
    "users": (0,),
    "user_cards": (1,),
    "user_dust": (0,),
    "dust_transactions": (1,),
    "creator_packs": (1,),
    "marketplace_listings": (2, 3),
}
"""By table the places of the columns that name a player."""


class Robbery(NamedTuple):
    """What became of it: the player's rows that are not as they were, and the rows of others that changed."""

    cards: int
    lines: list[str]
    missing: int
    others_changed: int

    @property
    def undone(self) -> bool:
        """True if he has everything back and nobody else noticed."""
        return not self.missing and not self.others_changed


async def rob_and_rescue(service: Any, stage: Stage, victim: int, play_on: Callable[[], Awaitable[int]]) -> Robbery:
    """Rob a player of all cards, none of which was ever for sale, let the others play on, and put the rows back."""
    before = await stage.rows()
    then = (await service.create()).snapshot
    await stage.execute(f"DELETE FROM user_cards WHERE user_id = {victim}")
    await stage.execute(f"UPDATE user_dust SET balance = 0 WHERE user_id = {victim}")
    cards = sum(row[1] == victim for row in before["user_cards"])
    lines = [f"All {cards} cards of player {victim} are gone, and his dust. The others do not stop playing:"]
    lines.append(f"{await play_on()} more actions.")
    robbed = await stage.rows()
    began = time.perf_counter()
    asked = Rescue(scope=RescueScope(player=str(victim)), when=then.id)
    plan = await service.rescue_plan(asked)
    report = await service.rescue(asked, agreed=plan.token)
    seconds = time.perf_counter() - began
    after = await stage.rows()
    told = ", ".join(f"{name}: {each.put_back} back, {each.changed} changed" for name, each in plan.tables.items())
    lines.append(f"python -m core.snapshots rescue --player {victim} --from {then.id} ({told}), in {seconds:.2f} s.")
    missing = [row for name, row in _of(before, victim) if row not in after[name]]
    kept, changed = _others(robbed, victim), _others(after, victim)
    different = len(kept ^ changed)
    lines.append(
        f"He has {'everything' if not missing else 'not everything'} back. {len(kept):,} rows of everybody else were "
        f"compared: {different or 'none'} changed. Undo: rescue --undo {report.id}."
    )
    return Robbery(cards, lines, len(missing), different)


def _of(rows: Rows, player: int) -> list[tuple[str, tuple[Any, ...]]]:
    """Return the rows in which a player is named."""
    return [
        (name, row) for name, places in _OWNERS.items() for row in rows[name] if player in [row[at] for at in places]
    ]


def _others(rows: Rows, player: int) -> set[tuple[str, tuple[Any, ...]]]:
    """Return all other rows."""
    return {(name, row) for name, each in rows.items() for row in each} - set(_of(rows, player))
