"""The text of what a restore loses, row by row: a part of its preview."""

from __future__ import annotations

from rich.text import Text

from ...models import Loss, PlayerLoss
from ...units import count_text, duration_text
from .layout import GOOD, QUIET, WARNING, Shown, sentence, table

__all__ = ["loss_output", "pause_text"]


def loss_output(loss: Loss | None) -> Shown:
    """Show which rows were written since the snapshot, and whose they are."""
    if loss is None:
        return ()
    if loss.problem is not None:
        return (sentence(loss.problem, WARNING),)
    if not loss.rows and loss.altered:
        return (sentence(f"No row was written since; altered: {', '.join(loss.altered)}.", WARNING),)
    if not loss.rows:
        return (sentence("Nothing was written since: no row would be lost.", GOOD),)
    grid = table("table", "added since>", "changed since>", "removed since>")
    for name, each in sorted(loss.tables.items(), key=lambda item: -item[1].rows):
        grid.add_row(sentence(name), f"{each.added:,}", f"{each.changed:,}", f"{each.removed:,}")
    lines = [sentence(f"- {_player(each)}") for each in loss.players]
    return (
        sentence(f"{count_text(loss.rows, 'row')} would become as in the snapshot:", WARNING),
        grid,
        *((Text(), sentence("Players who lose most:"), *lines) if lines else ()),
        sentence("What is written until the restore begins is lost too.", QUIET),
    )


def pause_text(pause: float | None) -> str:
    """Return how long play will pause."""
    return "the bot must be stopped" if pause is None else f"about {duration_text(pause)}"


def _player(loss: PlayerLoss) -> str:
    name = "" if loss.name is None else f" ({loss.name})"
    return f"{loss.player}{name}: {count_text(loss.rows, 'row')}"
