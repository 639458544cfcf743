"""The controls under the preview of a rescue: clicks that come at once, and what to do with many conflicts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import discord
import pytest

from cogs.backup_cog.confirmation import Asking
from cogs.backup_cog.formatting import Reply
from cogs.backup_cog.players import rescue_texts
from cogs.backup_cog.players.confirmation import RescueConfirmation
from cogs.backup_cog.restore_embeds import over
from core.snapshots import RescueConflict, RescuePlan, TableRescue
from tests.backup_cog.world import NOON
from tests.worlds.waiting import PATIENCE

CLICK: Any = SimpleNamespace()


class Answers:
    """Collects what the clicks are answered with."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.turned: list[bool] = []
        """Of each preview that was shown: whether its report was kept."""

    async def defer(self, *, thinking: bool) -> None:
        """Answer by changing the preview."""
        self.said.append("changes the preview")

    async def fail(self, reply: Any) -> None:
        """Answer beside the preview."""
        self.said.append(reply.embed.title)

    async def show(self, *_: Any, turns: bool = False, **__: Any) -> None:
        """Show a preview."""
        self.said.append("preview")
        self.turned.append(turns)


def plan_of(conflicts: int, take: Sequence[str] = ()) -> RescuePlan:
    """Return a plan with so many conflicts, and one that cannot be taken."""
    made = [RescueConflict(table="cards", key={"id": number}, why="it is Bo's now") for number in range(conflicts)]
    marked = [RescueConflict(table=each.table, key=each.key, why=each.why, taken=each.name in take) for each in made]
    stuck = RescueConflict(table="cards", key={"id": -1}, why="it is unique", takeable=False)
    return RescuePlan(
        token="-".join(take),
        then="abc",
        at=NOON,
        damaged_at=None,
        options=None,  # type: ignore[arg-type]
        tables={"cards": TableRescue(put_back=1, changed=len(take), conflicts=conflicts + 1)},
        conflicts=(*marked, stuck),
        left_out=(),
        notes=(),
    )


def made(answers: Answers, conflicts: int, during_plan: Callable[[], object] = lambda: None) -> RescueConfirmation:
    """Return a confirmation of a plan with conflicts; ``during_plan`` is called while another one is made."""

    async def plans(take: Sequence[str]) -> RescuePlan:
        during_plan()
        return plan_of(conflicts, take)

    async def rescues(_: Any, agreed: RescuePlan) -> None:
        answers.said.append(f"rescued {agreed.token}")

    nobody: Any = None
    asked: Any = SimpleNamespace(user=SimpleNamespace(id=1))
    asking = Asking(asked, nobody, lambda _: answers, nobody, 60.0)  # type: ignore[arg-type, return-value]
    preview = Reply(discord.Embed(title="preview"))
    return RescueConfirmation(asking, "player", plan_of(conflicts), preview, plans, rescues)


def buttons(view: RescueConfirmation) -> dict[str, bool]:
    """Return the labels of the buttons, and whether each can be clicked."""
    return {str(each.label): not each.disabled for each in view.children if isinstance(each, discord.ui.Button)}


def options(view: RescueConfirmation) -> list[discord.SelectOption]:
    """Return what can be chosen."""
    return next((each.options for each in view.children if isinstance(each, discord.ui.Select)), [])


@pytest.mark.parametrize("name", ["confirm", "cancel", "take_all", "forward"])
async def test_a_click_that_comes_too_late_leaves_the_preview_to_the_first_one(name: str) -> None:
    """The preview shows the outcome and the way back by then, which an answer in its place would hide."""
    answers = Answers()
    view = made(answers, 1)
    await view.confirm(CLICK)
    assert answers.said.pop() == "rescued "
    answers.said.clear()
    await getattr(view, name)(CLICK)
    assert answers.said == [over().embed.title]


async def test_a_plan_that_comes_after_the_click_is_not_shown() -> None:
    """A choice and a click at once: what is carried out is what was shown."""
    answers = Answers()
    views: list[RescueConfirmation] = []
    views.append(made(answers, 1, during_plan=lambda: views[0].end()))
    await views[0].take_all(CLICK)
    assert answers.said == ["changes the preview"]


async def test_what_is_confirmed_while_a_preview_is_put_together_is_what_was_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A preview of many conflicts is made in a thread, and the new plan does not count before it is there."""
    answers = Answers()
    view = made(answers, 2)
    made_in: list[threading.Thread] = []
    began, clicked = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(*_: object) -> Reply:
        made_in.append(threading.current_thread())
        loop.call_soon_threadsafe(began.set)
        if threading.current_thread() is not threading.main_thread():
            clicked.wait(PATIENCE)
        return Reply(discord.Embed(title="new"))

    # The module that the class above uses: a name would be looked up in what another test has loaded anew.
    monkeypatch.setattr(rescue_texts, "rescue_preview", slow)
    choosing = asyncio.create_task(view.take_all(CLICK))
    await began.wait()
    await view.confirm(CLICK)
    clicked.set()
    await choosing
    assert answers.said == ["changes the preview", "changes the preview", "rescued "]
    assert threading.current_thread() not in made_in


async def test_the_report_is_sent_again_only_when_something_was_decided() -> None:
    """A page that is turned, and a warning on the button, leave it as it is."""
    answers = Answers()
    view = made(answers, 60)
    await view.forward(CLICK)
    await view.take_all(CLICK)
    await view.confirm(CLICK)
    assert answers.turned == [True, False, True]


async def test_conflicts_are_decided_one_by_one_page_by_page_or_all_together() -> None:
    """A choice on one page changes nothing on the others, and what cannot be taken is not offered."""
    view = made(Answers(), 60)
    assert [len(options(view)), buttons(view)["Earlier conflicts"], buttons(view)["More conflicts"]] == [
        25,
        False,
        True,
    ]
    await view.choose(CLICK, [options(view)[3].value, "forged"])
    await view.forward(CLICK)
    await view.forward(CLICK)
    assert [len(options(view)), buttons(view)["More conflicts"]] == [10, False]
    await view.choose(CLICK, [options(view)[9].value])
    assert view.shown.token == "cards:3-cards:59"
    await view.choose(CLICK, [])
    assert view.shown.token == "cards:3"
    await view.take_all(CLICK)
    assert sum(each.taken for each in view.shown.conflicts) == 60
    assert buttons(view) | {"Take all": False, "Leave all": True} == buttons(view)
    await view.take_none(CLICK)
    assert view.shown.token == ""


async def test_rows_are_taken_from_others_only_by_the_button_that_says_so() -> None:
    """The second click of a double click is one on the first button, and carries nothing out."""
    answers = Answers()
    view = made(answers, 2)
    await view.take_all(CLICK)
    first = next(each for each in view.children if isinstance(each, discord.ui.Button) and each.label == "Put back")
    await first.callback(CLICK)
    assert "Take 2 rows from others, too" in buttons(view)
    await first.callback(CLICK)
    assert not [each for each in answers.said if each.startswith("rescued")]
    await view.take_none(CLICK)
    assert "Put back" in buttons(view)
    await view.take_all(CLICK)
    await view.confirm(CLICK)
    await view.confirm_all(CLICK)
    assert answers.said[-1] == "rescued cards:0-cards:1"
