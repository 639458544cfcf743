"""The controls under a list of snapshots: a filter, one to open, and the pages."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence

import discord

from ...confirmation import Asking
from ...controls import LIST, OPEN, RUN, button, custom_id
from ...core_api import Snapshot
from ...language import text, word
from ...permissions import Interaction
from ...responses import Answer
from ..personal import PersonalView
from .filters import FILTERS
from .labels import Reader, label
from .lines import own_reasons
from .page import Page, page_of, shown_page

__all__ = ["SnapshotList"]

_LAST = 1_000_000
"""A number that no page has: the last one is shown instead."""


class SnapshotList(PersonalView):
    """A list that is shown page by page, in one message; each click reads the catalog again.

    ``load`` returns the snapshots, newest first, ``open_one`` shows one of them in a message of its own, ``learn``
    finds out who the numbers in reasons are.
    """

    def __init__(
        self,
        asking: Asking,
        *,
        load: Callable[[], Awaitable[Sequence[Snapshot]]],
        reader: Callable[[], Reader],
        open_one: Callable[[Interaction, str], Awaitable[None]],
        learn: Callable[[Sequence[str]], Awaitable[None]],
        group: str,
        chosen: Sequence[str] = (),
    ) -> None:
        super().__init__(asking)
        self.chosen = tuple(chosen)
        self.number = 0
        self._load, self._reader, self._open_one = load, reader, open_one
        self._learn, self._group = learn, group
        self._unique = secrets.token_hex(8)

    async def show(self, answer: Answer) -> None:
        """Show the page as it is now."""
        reader = self._reader()
        page = page_of(await self._load(), self.chosen, self.number, reader)
        await self._learn([reason for snapshot in page.snapshots for reason in own_reasons(snapshot)[:1]])
        self.number = page.number
        shown = shown_page(page, reader, group=self._group)
        if page.known:
            self._fit(page, reader)
            await answer.show(shown, view=self)
        else:
            self.stop()
            await answer.show(shown, view=button(custom_id(RUN, "now"), text("Snapshot now")))

    def _fit(self, page: Page, reader: Reader) -> None:
        """Let the controls offer what this page has."""
        self.clear_items()
        filters, said = self._filters(), text("Filter: kind, state, age")
        self.add_item(_Choice(custom_id(LIST, self._unique), said, filters, self._filter, several=True))
        if page.snapshots:
            options = [discord.SelectOption(label=label(each, reader), value=each.id) for each in page.snapshots]
            said = text("Open one of these")
            self.add_item(_Choice(custom_id(OPEN, self._unique), said, options, self._open, several=False))
        last = page.pages - 1
        for place, (said, number, disabled) in enumerate(
            (
                (text("First"), 0, page.number == 0),
                (text("Back"), page.number - 1, page.number == 0),
                (text("Next"), page.number + 1, page.number == last),
                (text("Last"), _LAST, page.number == last),
                (text("Refresh"), page.number, False),
            )
        ):
            self.add_item(_Turn(custom_id(LIST, f"{self._unique}:{place}"), said, number, disabled=disabled))

    def _filters(self) -> list[discord.SelectOption]:
        return [
            discord.SelectOption(label=_filter_label(name), value=name, default=name in self.chosen) for name in FILTERS
        ]

    async def turn_to(self, interaction: Interaction, number: int) -> None:
        """Show another page, or the same one as it is now."""
        answer = await self.in_place(interaction)
        self.number = number
        await self.show(answer)

    async def _filter(self, interaction: Interaction, values: Sequence[str]) -> None:
        self.chosen = tuple(value for value in values if value in FILTERS)
        await self.turn_to(interaction, 0)

    async def _open(self, interaction: Interaction, values: Sequence[str]) -> None:
        await self._open_one(interaction, next(iter(values), ""))


class _Choice(discord.ui.Select[SnapshotList]):
    """The filter, of which anything can be chosen, or the snapshots of a page, of which one can."""

    def __init__(
        self,
        control: str,
        placeholder: str,
        options: list[discord.SelectOption],
        choose: Callable[[Interaction, Sequence[str]], Awaitable[None]],
        *,
        several: bool,
    ) -> None:
        fewest, most = (0, len(options)) if several else (1, 1)
        super().__init__(
            custom_id=control, placeholder=placeholder, options=options, min_values=fewest, max_values=most
        )
        self._choose = choose

    async def callback(self, interaction: Interaction) -> None:  # type: ignore[override]
        await self._choose(interaction, self.values)


class _Turn(discord.ui.Button[SnapshotList]):
    """A button that turns to a page."""

    def __init__(self, control: str, said: str, number: int, *, disabled: bool) -> None:
        super().__init__(custom_id=control, label=said, disabled=disabled)
        self._number = number

    async def callback(self, interaction: Interaction) -> None:  # type: ignore[override]
        assert self.view is not None
        await self.view.turn_to(interaction, self._number)


def _filter_label(name: str) -> str:
    group, english, _ = FILTERS[name]
    return text("Kind: {kind}", kind=word(english)) if group == "kind" else text(english)
