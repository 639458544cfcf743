"""The buttons under the preview of a rescue, when two of them are clicked at once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cogs.backup_cog.confirmation import Asking
from cogs.backup_cog.players.confirmation import RescueConfirmation
from cogs.backup_cog.restore_embeds import over
from core.snapshots import ConflictRule


class Answers:
    """Collects what the clicks are answered with."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def defer(self, *, thinking: bool) -> None:
        """Answer by changing the preview."""
        self.said.append("changes the preview")

    async def fail(self, reply: Any) -> None:
        """Answer beside the preview."""
        self.said.append(reply.embed.title)

    async def show(self, *_: Any, **__: Any) -> None:
        """Show a preview."""
        self.said.append("preview")


def made(answers: Answers, during_plan: Any = None) -> RescueConfirmation:
    """Return a confirmation with conflicts; ``during_plan`` is called while a plan is made."""
    plan: Any = SimpleNamespace(writes=1, conflicts=[1], options=SimpleNamespace(conflicts=ConflictRule.SKIP))

    async def plans(_rule: ConflictRule) -> Any:
        during_plan()
        return plan

    async def rescues(*_: Any) -> None:
        answers.said.append("rescued")

    nobody: Any = None
    asked: Any = SimpleNamespace(user=SimpleNamespace(id=1))
    asking = Asking(asked, nobody, lambda _: answers, nobody, 60.0)  # type: ignore[arg-type, return-value]
    return RescueConfirmation(asking, "player", plan, plans, rescues)


@pytest.mark.parametrize("name", ["confirm", "cancel", "rules"])
async def test_a_click_that_comes_too_late_leaves_the_preview_to_the_first_one(name: str) -> None:
    """The preview shows the outcome and the way back by then, which an answer in its place would hide."""
    answers = Answers()
    view = made(answers)
    click: Any = SimpleNamespace()
    await view.confirm.callback(click)
    assert answers.said.pop() == "rescued"
    answers.said.clear()
    await getattr(view, name).callback(click)
    assert answers.said == [over().embed.title]


async def test_a_plan_that_comes_after_the_click_is_not_shown() -> None:
    """A choice and a click at once: what is carried out is what was shown."""
    answers = Answers()
    views: list[Any] = []
    views.append(made(answers, during_plan=lambda: views[0].end()))
    views[0].rules._values = [ConflictRule.TAKE]
    await views[0].rules.callback(SimpleNamespace())
    assert answers.said == ["changes the preview"]
