"""An answer that is longer than a message: pages with buttons, for the person who asked."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import discord

from ..confirmation import Asking
from ..controls import custom_id
from ..formatting import Reply, clip, embed, report_text
from ..language import text
from ..permissions import Interaction
from ..responses import Answer
from ..slash.personal import PersonalView

__all__ = ["Pages", "paged"]

_LINES, _LETTERS = 12, 1800
"""How many lines a page has at most, and how many characters."""
_REPORT_FROM = 10
"""Answers with more lines have everything in an attached report."""


def paged(
    title: str,
    heading: str,
    lines: Sequence[str],
    *,
    footer: str = "",
    colour: discord.Colour | None = None,
    report: Sequence[str] = (),
) -> list[Reply]:
    """Return lines as pages, each below the title and the first below a heading; ``report`` is all there is to say."""
    attached = report_text(report) if len(report) > _REPORT_FROM else None
    pages: list[list[str]] = [[]]
    room = _LETTERS - len(heading)
    for line in lines:
        line = clip(line, _LETTERS // 3)
        if pages[-1] and (len(pages[-1]) == _LINES or len(line) > room):
            pages.append([])
            room = _LETTERS
        pages[-1].append(line)
        room -= len(line) + 1
    replies = []
    for number, page in enumerate(pages, 1):
        said = "\n".join([*([heading] if number == 1 and heading else []), *page])
        of = text("Page {page} of {pages}", page=number, pages=len(pages)) if len(pages) > 1 else ""
        shown = embed(title, said, footer=" · ".join(each for each in (of, footer) if each), colour=colour)
        replies.append(Reply(shown, attached))
    return replies


class Pages(PersonalView):
    """Buttons that turn the pages of an answer."""

    def __init__(self, asking: Asking, pages: Sequence[Reply]) -> None:
        super().__init__(asking)
        self._pages = pages
        self._unique = secrets.token_hex(8)
        self.number = 0

    async def show(self, answer: Answer, *, turns: bool = False) -> None:
        """Show the present page, with buttons if there is another one; ``turns`` as in ``Answer.show``."""
        if len(self._pages) == 1:
            self.stop()
            await answer.show(self._pages[0])
            return
        self.clear_items()
        for said, step in ((text("Back"), -1), (text("Next"), 1)):
            self.add_item(
                _Turn(custom_id("page", f"{self._unique}:{step}"), said, self.number + step, len(self._pages))
            )
        await answer.show(self._pages[self.number], view=self, turns=turns)

    async def turn_to(self, interaction: Interaction, number: int) -> None:
        """Show another page."""
        answer = await self.in_place(interaction)
        self.number = number
        await self.show(answer, turns=True)


class _Turn(discord.ui.Button[Pages]):
    """A button that turns to a page, if there is one of that number."""

    def __init__(self, control: str, said: str, number: int, pages: int) -> None:
        super().__init__(custom_id=control, label=said, disabled=not 0 <= number < pages)
        self._number = number

    async def callback(self, interaction: Interaction) -> None:  # type: ignore[override]
        assert self.view is not None
        await self.view.turn_to(interaction, self._number)
