"""A snapshot as one file in the owner's direct messages, if it is small enough for Discord."""

from __future__ import annotations

from io import BytesIO

import discord

from ..core_api import Snapshot, SnapshotError
from ..formatting import AMBER, GREEN, Reply, embed
from ..language import size_text, text
from ..permissions import Interaction, actor_of
from ..responses import QUIET, ProgressDisplay
from .parts import CogPart

__all__ = ["DownloadCommands"]

_LIMIT = discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES
"""What a bot may send by direct message, in bytes."""
_TOO_LARGE, _TOO_LARGE_CODE = 413, 40005
_SECONDS = 900.0


class DownloadCommands(CogPart):
    """A part of ``BackupCog``."""

    async def download(self, interaction: Interaction, snapshot: str) -> None:
        """Send a snapshot to the owner by direct message, for the button under it; nobody else gets the database."""
        async with self.managing(interaction, self.permissions.require_owner) as answer, self.counted(_SECONDS):
            found = await self.service.get(snapshot)
            async with ProgressDisplay(answer) as progress:
                exported = await self.service.exported(found.id, _LIMIT, actor_of(interaction), progress)
            if exported is None:
                await answer.show(_too_large(found))
                return
            name, content = exported
            if not await _sent(interaction.user, name, content):
                await answer.show(_too_large(found))
                return
        sent = text(
            "Snapshot `{snapshot}` is in your direct messages: {size}.", snapshot=found.id, size=size_text(len(content))
        )
        hint = text("It is a database with your players' data: keep it where nobody else reads it.")
        await answer.show(Reply(embed(text("Sent"), f"{sent} {hint}", colour=GREEN)), outcome=True)


async def _sent(user: discord.User | discord.Member, name: str, content: bytes) -> bool:
    """Send the file, and return False if Discord takes none of this size.

    Raises SnapshotError with a sentence if the person takes no direct messages.
    """
    try:
        await user.send(file=discord.File(BytesIO(content), filename=name), allowed_mentions=QUIET)
    except discord.Forbidden as error:
        raise SnapshotError(
            text("The file could not be sent, because your direct messages are closed. Open them and try again.")
        ) from error
    except discord.HTTPException as error:
        if error.status == _TOO_LARGE or error.code == _TOO_LARGE_CODE:
            return False
        raise
    return True


def _too_large(snapshot: Snapshot) -> Reply:
    sentence = text(
        "Discord takes files up to {limit}. On the bot's machine, `{shell} export {snapshot}` writes it as one file.",
        limit=size_text(_LIMIT),
        shell="python -m core.snapshots",
        snapshot=snapshot.id,
    )
    return Reply(embed(text("Too large to send"), sentence, colour=AMBER))
