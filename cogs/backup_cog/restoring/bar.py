"""How far a restore is: one bar for the whole of it, with the point of no return marked. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ..core_api import RestorePlan, RestoreStep, Stage
from ..formatting import AMBER, Reply, embed
from ..language import duration_text, phrase, text

__all__ = ["bar", "restoring", "stage_shown"]

_CELLS = 24
_DONE, _LEFT, _MARK = "█", "░", "┃"
_STEPS = {
    RestoreStep.REBUILD: phrase("rebuilding the snapshot"),
    RestoreStep.CHECK: phrase("checking what was rebuilt"),
    RestoreStep.PAUSE: phrase("pausing the game"),
    RestoreStep.SAFETY: phrase("keeping what is there now"),
    RestoreStep.REPLACE: phrase("putting it in the database's place"),
    RestoreStep.COMPARE: phrase("comparing the result with the snapshot"),
    RestoreStep.RECORD: phrase("writing down what was done"),
}
_UP_TO_THE_MARK = (
    RestoreStep.REBUILD,
    RestoreStep.CHECK,
    RestoreStep.PAUSE,
    RestoreStep.SAFETY,
    RestoreStep.REPLACE,
)


def restoring(plan: RestorePlan) -> Reply:
    """Show that the restore has begun: something visible must happen after the click."""
    said = text("Snapshot `{id}` is being rebuilt and checked; then it replaces the database.", id=plan.snapshot.id)
    return Reply(embed(text("Restoring"), said, colour=AMBER))


def stage_shown(plan: RestorePlan, stage: Stage) -> Reply:
    """Show how far a restore is, whether anything was replaced yet, and about how long it still takes."""
    percent = min(99, int(100 * stage.share))
    line = f"`{bar(stage, _mark(plan.seconds))}` {text('{percent} %', percent=percent)}"
    known = [
        text("Step {number} of {of}: {step}", number=stage.number, of=stage.of, step=text(_STEPS[stage.step])),
        _replaced(stage),
        text("longer than expected") if stage.left is None else _left(stage.left),
    ]
    footer = text("{mark} is the point of no return: until there the database is as it was.", mark=_MARK)
    title = text("Restoring snapshot {id}", id=plan.snapshot.id)
    return Reply(embed(title, f"{line}\n{' · '.join(known)}", footer=footer, colour=AMBER))


def _replaced(stage: Stage) -> str:
    if stage.changed:
        return text("**replaced**")
    if stage.step is RestoreStep.REPLACE:
        return text("nothing is replaced before that is complete")
    return text("replacing nothing yet")


def bar(stage: Stage, mark: float) -> str:
    """Return the bar; the mark is passed exactly when the database was replaced, whatever was estimated."""
    at = min(_CELLS - 1, max(1, round(_CELLS * mark)))
    done = round(_CELLS * min(1.0, max(0.0, stage.share)))
    done = max(done, at) if stage.changed else min(done, at - 1)
    cells = _DONE * done + _LEFT * (_CELLS - done)
    return f"{cells[:at]}{_MARK}{cells[at:]}"


def _mark(seconds: Mapping[RestoreStep, float]) -> float:
    whole = sum(seconds.values())
    return sum(seconds.get(step, 0.0) for step in _UP_TO_THE_MARK) / whole if whole > 0 else 0.8


def _left(seconds: float) -> str:
    rounded = round(seconds) if seconds < 10 else round(seconds / 5) * 5
    return text("about {left} left", left=duration_text(max(1, rounded)))
