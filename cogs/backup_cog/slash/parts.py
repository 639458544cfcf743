"""What the families of commands have of the cog that they are parts of."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import discord
from discord.ext import commands

from ..confirmation import Asking
from ..core_api import SnapshotService
from ..permissions import Interaction, Permissions
from ..responses import Answer

__all__ = ["CogPart"]


class CogPart(commands.Cog):
    """A part of ``BackupCog``, which has the methods that raise here."""

    service: SnapshotService
    permissions: Permissions

    def managing(
        self, interaction: Interaction, require: Callable[[Interaction], Any] | None = None
    ) -> AbstractAsyncContextManager[Answer]:
        """Defer, check who asks (without ``require``: for a manager), and require a usable repository."""
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

    async def named(self, typed: str) -> str:
        """Return the id of the snapshot that a person names by a reason or a time; an id as it was typed."""
        raise NotImplementedError
