"""How a preview shows what a restore loses."""

from __future__ import annotations

import io

import pytest
from rich.console import Console, Group

from core.snapshots.cli.text_output.losses import loss_output, pause_text
from core.snapshots.models import Loss, PlayerLoss, TableLoss


def _shown(loss: Loss | None) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(Group(*loss_output(loss)))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (None, []),
        (Loss(), ["Nothing was written since"]),
        (Loss(problem="It took too long."), ["It took too long."]),
        (
            Loss(
                tables={"users": TableLoss(changed=300), "user_cards": TableLoss(added=1200, removed=2)},
                players=(PlayerLoss(player="7", rows=13, name="Ann"), PlayerLoss(player="8", rows=1)),
            ),
            ["1,502 rows would become", "user_cards", "1,200", "300", "- 7 (Ann): 13 rows", "- 8: 1 row"],
        ),
    ],
)
def test_what_is_lost_is_shown_by_table_and_player(loss: Loss | None, words: list[str]) -> None:
    """What is not known is not shown as nothing."""
    shown = _shown(loss)
    assert [word for word in words if word not in shown] == []
    assert bool(shown.strip()) == (loss is not None)


def test_a_pause_is_told() -> None:
    """Or that there is no play at all."""
    assert (pause_text(None), pause_text(5.0)) == ("the bot must be stopped", "about 5s")
