"""Progress in an answer: seldom enough for Discord, and never after the outcome."""

from __future__ import annotations

import asyncio
import contextvars
from types import SimpleNamespace
from typing import Any

from cogs.backup_cog.formatting import Reply
from cogs.backup_cog.responses import ProgressDisplay
from core.snapshots import Actor, Doing
from tests.backup_cog.world import NOON, Clock


class SlowAnswer:
    """Accepts updates; each takes as long as the test wants."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def update(self, reply: Reply) -> None:
        """Show it, as soon as the gate is open."""
        await self.gate.wait()
        self.shown.append(reply.embed.description or "")


def report(done: int) -> Any:
    """Make one report of the engine."""
    return SimpleNamespace(phase="compress", done=done, total=100)


async def shown_in(clock: Clock, moments: list[float]) -> list[str]:
    """Report at these seconds, and give what was shown."""
    answer: Any = SlowAnswer()
    async with ProgressDisplay(answer, clock.monotonic) as display:
        for moment in moments:
            clock.seconds = moment
            display(report(int(moment)))
            await asyncio.sleep(0)
    shown: list[str] = answer.shown
    return shown


async def test_quick_work_shows_none(clock: Clock) -> None:
    """The outcome comes sooner."""
    assert await shown_in(clock, [0.0, 0.5, 1.9]) == []


async def test_at_most_one_edit_every_two_seconds(clock: Clock) -> None:
    """Discord limits edits; the newest state at that moment is what is shown."""
    shown = await shown_in(clock, [1.0, 2.0, 2.5, 3.9, 4.0, 4.1, 9.0])
    assert shown == ["compress 2 %", "compress 4 %", "compress 9 %"]


async def test_progress_is_shown_in_the_commands_own_context(clock: Clock) -> None:
    """Reports come from a worker's thread, where what the host keeps in context variables is not set."""
    person: contextvars.ContextVar[str] = contextvars.ContextVar("person", default="nobody")
    seen: list[str] = []

    class Answer:
        """Notes whose context it is called in."""

        async def update(self, reply: Reply) -> None:
            """Note it."""
            seen.append(person.get())

    person.set("the owner")
    answer: Any = Answer()
    async with ProgressDisplay(answer, clock.monotonic) as display:
        clock.advance(seconds=2)
        contextvars.Context().run(display, report(1))
    assert seen == ["the owner"]


async def test_a_slow_edit_is_not_overtaken_and_not_left_behind(clock: Clock) -> None:
    """While one is under way no other begins, and the outcome waits for it."""
    answer: Any = SlowAnswer()
    answer.gate.clear()

    async def work() -> None:
        async with ProgressDisplay(answer, clock.monotonic) as display:
            for moment in (2.0, 4.0, 6.0):
                clock.seconds = moment
                display(report(int(moment)))
                await asyncio.sleep(0)
        answer.shown.append("the outcome")

    working = asyncio.create_task(work())
    for _ in range(10):
        await asyncio.sleep(0)
    assert answer.shown == []
    answer.gate.set()
    await working
    assert answer.shown == ["compress 2 %", "the outcome"]


async def test_what_has_to_be_waited_for_is_shown_at_once(clock: Clock) -> None:
    """Since when it runs, and for whom; the work itself is shown after that as always."""
    answer: Any = SlowAnswer()
    actor = Actor(source="discord", name="Ann", id=7)
    async with ProgressDisplay(answer, clock.monotonic) as display:
        display.waits(Doing(operation="a restore", since=NOON, actor=actor))
        await asyncio.sleep(0)
        clock.advance(seconds=1)
        display(report(1))
        await asyncio.sleep(0)
        clock.advance(seconds=1)
        display(report(2))
    assert answer.shown[0].startswith("Running now: a restore for Ann (7) by discord, begun <t:")
    assert answer.shown[1:] == ["compress 2 %"]
