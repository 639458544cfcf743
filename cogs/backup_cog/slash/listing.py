"""The list of snapshots."""

from __future__ import annotations

from collections.abc import Sequence

from discord import app_commands

from ..core_api import Kind, Snapshot, count_text, size_text
from ..formatting import Reply, embed, listing, report_text
from ..permissions import Interaction
from .groups import BACKUP
from .parts import CogPart
from .snapshots.lines import snapshot_line

__all__ = ["ListCommands", "snapshots"]

_LIST_LIMIT = 3400


class ListCommands(CogPart):
    """A part of ``BackupCog``."""

    @BACKUP.command(name="list")
    @app_commands.describe(kind="Only snapshots of this kind")
    @app_commands.choices(kind=[app_commands.Choice(name=kind.value, value=kind.value) for kind in Kind])
    async def show(self, interaction: Interaction, kind: str | None = None) -> None:
        """List the snapshots, newest first."""
        async with self.managing(interaction) as answer:
            found = await self.service.list(Kind(kind) if kind else None)
        await answer.show(snapshots(found, kind, group=self.service.settings.discord.backup_group))


def snapshots(found: Sequence[Snapshot], kind: str | None, *, group: str = "backup") -> Reply:
    """List snapshots in the order given; if the list does not fit, all of it is attached.

    ``group`` is the name of the slash commands.
    """
    title = count_text(len(found), f"{kind} snapshot" if kind else "snapshot")
    if not found:
        text = "There is none of this kind yet." if kind else f"There is none yet. `/{group} now` takes the first one."
        return Reply(embed(title, text))
    text = listing([snapshot_line(snapshot) for snapshot in found], _LIST_LIMIT)
    size = f"{size_text(sum(snapshot.size for snapshot in found))} in all"
    report = report_text([_record(snapshot) for snapshot in found]) if text.count("\n") + 1 < len(found) else None
    return Reply(embed(title, text, footer=size), report)


def _record(snapshot: Snapshot) -> str:
    state = "damaged" if snapshot.damaged else "pinned" if snapshot.pinned else ""
    moment = f"{snapshot.created_at:%Y-%m-%d %H:%M:%S} UTC"
    parts = [snapshot.id, moment, snapshot.kind.value, size_text(snapshot.size), state, ", ".join(snapshot.reasons)]
    return "  ".join(part for part in parts if part)
