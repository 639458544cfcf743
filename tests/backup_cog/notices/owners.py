"""Owners who collect what they are told, by the alerts of one process or of several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import discord

from cogs.backup_cog.notices.models import Button, How, Outages
from core.snapshots import NotEnoughSpace, Snapshot
from tests.backup_cog.world import Clock, alerts_to, text_of

HOUR = 3600.0
FULL = NotEnoughSpace("The disk is full.", needed=2, free=1, minimum=1)


class Owner:
    """Collects what the owner would be told."""

    def __init__(self, clock: Clock) -> None:
        self.told: list[str] = []
        self.edited: list[str] = []
        self.about: list[str] = []
        self.controls: list[list[str]] = []
        self.alerts = alerts_to(self._post, clock, stale_after=2 * HOUR)

    def _post(
        self, notice: discord.Embed, buttons: Sequence[Button] = (), *, about: str = "", how: How = How.NEW
    ) -> None:
        if how is How.EDIT:
            self.edited.append(text_of(notice))
            return
        self.told.append(text_of(notice))
        self.about.append(about)
        self.controls.append([button.control for button in buttons])


class Disk:
    """The document of outages, which outlasts a process."""

    def __init__(self) -> None:
        self.document: Outages | None = None

    def store(
        self, change: Callable[[Outages | None], Outages], then: Callable[[Outages | None], None] | None = None
    ) -> None:
        """Change it at once."""
        self.document = change(self.document)
        if then is not None:
            then(self.document)


class Process(Owner):
    """The alerts of one process of a bot, with what an earlier one left."""

    def __init__(self, clock: Clock, disk: Disk, known: tuple[Snapshot, ...] = (), **options: Any) -> None:
        super().__init__(clock)
        self.alerts = alerts_to(self._post, clock, stale_after=2 * HOUR, store=disk.store, known=known, **options)
        self.alerts.take_over(disk.document)
