"""What the families of commands have of the cog that they are parts of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from ..confirmation import Asking
from ..core_api import SnapshotService
from ..lifecycle import Lifecycle
from ..notices.alerts import Alerts
from ..notices.outbox import Outbox
from ..permissions import Bot, Interaction, Permissions
from ..responses import Answer
from ..status.picture import Pictures
from ..triggers import Trigger
from .snapshots.labels import Reader
from .snapshots.names import Names

__all__ = ["CogPart"]


class CogPart(commands.Cog):
    """A part of ``BackupCog``, which has the methods that raise here."""

    bot: Bot
    service: SnapshotService
    permissions: Permissions
    alerts: Alerts
    outbox: Outbox
    lifecycle: Lifecycle
    triggers: tuple[Trigger, ...]
    repository: Path
    pictures: Pictures
    names: Names

    def managing(
        self, interaction: Interaction, require: Callable[[Interaction], Any] | None = None, *, in_place: bool = False
    ) -> AbstractAsyncContextManager[Answer]:
        """Defer, check who asks (without ``require``: for a manager), and require a usable repository.

        With ``in_place`` the answer takes the place of the message that was clicked.
        """
        raise NotImplementedError

    def counted(self, seconds: float) -> AbstractAsyncContextManager[None]:
        """Make an unload wait for this task, for at most ``seconds``."""
        raise NotImplementedError

    def asking(self, interaction: Interaction) -> Asking:
        """Return what a confirmation for the owner needs of the cog."""
        raise NotImplementedError

    def end_with_the_cog(self, view: discord.ui.View) -> None:
        """Let an unload end a view."""
        raise NotImplementedError

    def answer_to(self, interaction: Interaction) -> Answer:
        """Return what answers an interaction; an outcome that cannot be shown to the person is kept for the owner."""
        raise NotImplementedError

    async def answer_error(
        self, interaction: Interaction, error: BaseException, *, view: discord.ui.View | None = None
    ) -> None:
        """Show the person what went wrong, with a ``view``; log what is not one of our errors; never raises."""
        raise NotImplementedError

    @property
    def host_zone(self) -> dt.tzinfo:
        """The time zone of the host, by the settings."""
        raise NotImplementedError

    def reader(self, interaction: Interaction) -> Reader:
        """Return how snapshots are shown to a person."""
        raise NotImplementedError

    async def named(self, interaction: Interaction, typed: str, *, now: bool = False) -> str:
        """Return the id of the snapshot that a person means; with ``now`` it can be "now"."""
        raise NotImplementedError

    async def show_one(self, interaction: Interaction, snapshot: str) -> None:
        """Show the snapshot that somebody named or clicked."""
        raise NotImplementedError

    async def suggested(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Return snapshots that may be meant, from memory; none for people who may not see them, or if that fails."""
        raise NotImplementedError
